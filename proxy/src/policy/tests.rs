//! What holds of the decisions for any input, drawn at random.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::rate_limit::TokenBucket;
use super::selector::{Candidate, Choice, Choosing, Fitness, Standing, Wish, places};

/// Short beside [`CALM`], so that either of the two is often what a pool waits for.
const HEALTH: Duration = Duration::from_secs(10);

/// Between two changes to something better (`CALM` of the selector).
const CALM: Duration = Duration::from_secs(60);

/// What becomes of a pool.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Down,
    Suspected,
    Up,
}

/// Pools come and go, in seconds, over some minutes.
fn any_history() -> impl Strategy<Value = Vec<(u8, usize, Turn)>> {
    let turn = prop_oneof![1 => Just(Turn::Down), 1 => Just(Turn::Suspected), 4 => Just(Turn::Up)];
    proptest::collection::vec((0..20_u8, 0..4_usize, turn), 1..60)
}

fn any_asking() -> impl Strategy<Value = Vec<u16>> {
    proptest::collection::vec(0..1500_u16, 1..200)
}

/// Four pools in an order.
fn four() -> Vec<Candidate> {
    let wish = |name| Wish { name, priority: 0, weight: None };
    let places = places(&["a", "b", "c", "d"].map(wish), None);
    let candidate =
        |place| Candidate { fitness: Fitness::Unable, standing: Standing::Configured, place };
    places.into_iter().map(candidate).collect()
}

fn is_fit(candidates: &[Candidate], index: usize) -> bool {
    matches!(candidates[index].fitness, Fitness::Fit { .. })
}

/// The one pool of a choice.
fn one(choice: &Choice) -> Option<usize> {
    assert!(choice.pools.len() <= 1, "without weights one pool is mined on: {choice:?}");
    choice.pools.first().map(|(index, _)| *index)
}

/// What a choice must be, whatever came before.
fn check_choice(asked: &Choosing<'_>, choice: &Choice) {
    let Choosing { candidates, active, last_better, now } = asked;
    let able = |index: &usize| candidates[*index].fitness != Fitness::Unable;
    let chosen = one(choice);
    assert_eq!(chosen.is_some(), (0..4).any(|index| able(&index)), "{candidates:?}: {choice:?}");
    assert!(chosen.iter().all(able), "a pool that cannot be mined on: {choice:?}");
    let (Some(from), Some(to)) = (active.first().copied(), chosen) else { return };
    if from == to || !is_fit(candidates, from) {
        return;
    }
    assert!(to < from, "a pool that works is left for a worse one: {from} to {to}");
    let Fitness::Fit { trusted_from } = candidates[to].fitness else {
        panic!("a pool that works is left for one that is not: {candidates:?}, {choice:?}");
    };
    assert!(*now >= trusted_from, "taken back {:?} too early", trusted_from - *now);
    assert!(last_better.is_none_or(|last| *now >= last + CALM), "twice within {CALM:?}");
}

proptest! {
    #[test]
    fn a_pool_that_works_is_left_only_for_a_better_one_in_its_time(history in any_history()) {
        let mut now = Instant::now();
        let mut candidates = four();
        let (mut active, mut last_better) = (Vec::new(), None);
        for (seconds, pool, turn) in history {
            now += Duration::from_secs(seconds.into());
            candidates[pool].fitness = match (turn, candidates[pool].fitness) {
                (Turn::Down, _) => Fitness::Unable,
                (Turn::Suspected, _) => Fitness::Suspect,
                (Turn::Up, fit @ Fitness::Fit { .. }) => fit,
                (Turn::Up, _) => Fitness::Fit { trusted_from: now + HEALTH },
            };
            let asked = Choosing { candidates: &candidates, active: &active, last_better, now };
            let choice = asked.choose();
            check_choice(&asked, &choice);
            // The moment that it names is late enough.
            if let Some(again) = choice.again_at {
                prop_assert!(again > now, "{choice:?} at {now:?}");
                let kept: Vec<usize> = one(&choice).into_iter().collect();
                let later = Choosing { active: &kept, now: again, ..asked };
                prop_assert!(one(&later.choose()) < one(&choice), "{choice:?}");
            }
            let next: Vec<usize> = one(&choice).into_iter().collect();
            if let (Some(from), Some(to)) = (active.first(), next.first())
                && to < from && is_fit(&candidates, *from)
            {
                last_better = Some(now);
            }
            active = next;
        }
    }

    #[test]
    fn in_any_window_no_more_passes_than_the_burst_and_the_rate(
        pauses in any_asking(), rate in 1..50_u32, burst in 1..20_u32,
    ) {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start, burst);
        let mut now = start;
        let mut passed: Vec<Instant> = Vec::new();
        for pause in pauses {
            now += Duration::from_millis(pause.into());
            for _ in 0..3 {
                if bucket.take(now, rate, burst).is_ok() {
                    passed.push(now);
                }
            }
        }
        for (index, from) in passed.iter().enumerate() {
            for (more, to) in passed.iter().skip(index).enumerate() {
                let seconds = to.duration_since(*from).as_secs_f64();
                let most = f64::from(burst) + seconds * f64::from(rate) + 1e-3;
                prop_assert!((more + 1) as f64 <= most, "{} in {seconds} s", more + 1);
            }
        }
    }

    #[test]
    fn who_asks_often_is_served_as_fast_as_who_waits(
        pauses in any_asking(), rate in 1..50_u32, burst in 1..20_u32,
    ) {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start, 0);
        let mut now = start;
        let mut passed = 0_u32;
        for pause in pauses {
            // In steps, so that what is refused is asked for again and again.
            for _ in 0..pause / 100 + 1 {
                now += Duration::from_millis(u64::from(pause % 100) + 1);
                while bucket.take(now, rate, burst).is_ok() {
                    passed += 1;
                }
            }
        }
        // Of a bucket that is emptied at each step nothing flows over, if it holds a step's worth and a part of a token.
        let step = f64::from(rate) * 0.1;
        if step + 1.0 <= f64::from(burst) {
            let due = now.duration_since(start).as_secs_f64() * f64::from(rate);
            prop_assert!(f64::from(passed) + 1.0 >= due * 0.999 - 0.01, "{passed} of {due}");
        }
    }

    #[test]
    fn what_is_refused_is_let_through_after_the_wait_that_was_told(
        spent in 0..40_u32, rate in 1..1000_u32, burst in 1..20_u32, pause in 0..5000_u64,
    ) {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start, burst);
        let now = start + Duration::from_millis(pause);
        for _ in 0..spent {
            if let Err(wait) = bucket.take(now, rate, burst) {
                prop_assert!(wait <= Duration::from_secs_f32(1.0 / rate as f32) + Duration::from_millis(2));
                prop_assert!(bucket.take(now + wait, rate, burst).is_ok());
                break;
            }
        }
    }
}
