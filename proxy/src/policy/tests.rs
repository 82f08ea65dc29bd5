//! What holds of the decisions for any input, drawn at random.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::rate_limit::TokenBucket;
use super::selector::{Candidate, Choice, Choosing, Fitness, Place, Standing};

const FAILBACK: Duration = Duration::from_secs(60);

/// Between two changes to something better.
const CALM: Duration = Duration::from_secs(60);

/// Pools come and go, in seconds, over a quarter of an hour.
fn any_history() -> impl Strategy<Value = Vec<(u8, usize, bool)>> {
    proptest::collection::vec((0..20_u8, 0..4_usize, any::<bool>()), 1..60)
}

fn any_asking() -> impl Strategy<Value = Vec<u16>> {
    proptest::collection::vec(0..1500_u16, 1..200)
}

/// Pools in an order, each by itself.
fn candidates(ready_since: &[Option<Instant>]) -> Vec<Candidate> {
    let candidate = |(tier, ready): (usize, &Option<Instant>)| Candidate {
        fitness: ready
            .map_or(Fitness::Unable, |since| Fitness::Fit { trusted_from: since + FAILBACK }),
        standing: Standing::Configured,
        place: Place { tier, group: tier, weight: 1 },
    };
    ready_since.iter().enumerate().map(candidate).collect()
}

fn choose(
    ready: &[Option<Instant>],
    active: Option<usize>,
    last_better: Option<Instant>,
    now: Instant,
) -> Choice {
    let (candidates, active) = (candidates(ready), Vec::from_iter(active));
    Choosing { candidates: &candidates, active: &active, last_better, now }.choose()
}

fn pool_of(choice: &Choice) -> Option<usize> {
    assert!(choice.pools.len() <= 1, "{choice:?}");
    choice.pools.first().map(|(pool, _)| *pool)
}

/// What a choice must be, whatever came before.
fn check_choice(ready: &[Option<Instant>], active: Option<usize>, now: Instant, choice: &Choice) {
    let is_ready = |index: usize| ready.get(index).is_some_and(Option::is_some);
    let any = (0..ready.len()).any(is_ready);
    let chosen = pool_of(choice);
    assert_eq!(chosen.is_some(), any, "a pool is mined on if there is one: {ready:?}");
    assert!(chosen.is_none_or(is_ready), "{choice:?} of {ready:?}");
    let (Some(from), Some(to)) = (active.filter(|index| is_ready(*index)), chosen) else {
        return;
    };
    assert!(to <= from, "a pool that works is left for a worse one: {from} to {to}");
    if to < from {
        let since = ready[to].expect("ready");
        assert!(now >= since + FAILBACK, "moved back after {:?}", now - since);
    }
    if let Some(again) = choice.again_at {
        assert!(again > now && to == from, "{choice:?}");
    }
}

proptest! {
    #[test]
    fn nobody_moves_back_before_the_time_of_health(history in any_history()) {
        let mut now = Instant::now();
        let mut ready: Vec<Option<Instant>> = vec![None; 4];
        let mut active = None;
        let mut last_better: Option<Instant> = None;
        for (seconds, pool, up) in history {
            now += Duration::from_secs(seconds.into());
            let since = ready[pool];
            ready[pool] = if up { since.or(Some(now)) } else { None };
            let choice = choose(&ready, active, last_better, now);
            check_choice(&ready, active, now, &choice);
            let chosen = pool_of(&choice);
            if chosen < active && active.is_some_and(|active| ready[active].is_some()) {
                prop_assert!(last_better.is_none_or(|at| now >= at + CALM), "twice in a minute");
                last_better = Some(now);
            }
            active = chosen;
            // The moment that it names is late enough.
            if let Some(again) = choice.again_at {
                let later = choose(&ready, active, last_better, again);
                prop_assert!(pool_of(&later) < active, "{later:?} at {again:?}");
            }
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
