use super::*;

const FAILBACK: Duration = Duration::from_secs(120);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How a pool is: ready since a second, suspected, or not there.
#[derive(Clone, Copy)]
enum Is {
    Ready(u64),
    Suspect,
    Gone,
}
use Is::{Gone, Ready, Suspect};

struct Bench {
    start: Instant,
    candidates: Vec<Candidate>,
    last_better: Option<Instant>,
}

impl Bench {
    fn new(places: &[Place], states: &[Is]) -> Self {
        let start = Instant::now();
        let candidate = |(place, state): (&Place, &Is)| Candidate {
            fitness: match state {
                Ready(since) => Fitness::Fit { trusted_from: start + seconds(*since) + FAILBACK },
                Suspect => Fitness::Suspect,
                Gone => Fitness::Unable,
            },
            standing: Standing::Configured,
            place: *place,
        };
        let candidates = places.iter().zip(states).map(candidate).collect();
        Self { start, candidates, last_better: None }
    }

    fn ordered(states: &[Is]) -> Self {
        let names = ["a", "b", "c", "d"];
        let wishes: Vec<Wish<'_>> = names
            .iter()
            .zip(states)
            .zip(0..)
            .map(|((name, _), priority)| Wish { name, priority, weight: None })
            .collect();
        Self::new(&places(&wishes, None), states)
    }

    /// Three pools of weights 10, 20, 30, and one that stands by.
    fn weighted(states: &[Is]) -> Self {
        Self::new(&places(&TIERS, None), states)
    }

    fn choose(&self, active: &[usize], at: u64) -> Choice {
        let now = self.start + seconds(at);
        Choosing { candidates: &self.candidates, active, last_better: self.last_better, now }
            .choose()
    }

    #[track_caller]
    fn check(&self, active: &[usize], at: u64, expected: &[usize]) {
        let mut pools: Vec<usize> =
            self.choose(active, at).pools.iter().map(|(pool, _)| *pool).collect();
        pools.sort_unstable();
        assert_eq!(pools, expected, "active {active:?} at {at}");
    }
}

const TIERS: [Wish<'static>; 4] = [
    Wish { name: "a", priority: 0, weight: Some(10) },
    Wish { name: "b", priority: 0, weight: Some(20) },
    Wish { name: "c", priority: 0, weight: Some(30) },
    Wish { name: "d", priority: 5, weight: None },
];

#[test]
fn the_first_ready_pool_is_taken() {
    Bench::ordered(&[Gone, Gone]).check(&[], 0, &[]);
    Bench::ordered(&[Gone, Ready(0)]).check(&[], 0, &[1]);
    Bench::ordered(&[Ready(0), Ready(0)]).check(&[], 0, &[0]);
}

#[test]
fn a_lost_pool_is_left_at_once_for_the_best_ready_one() {
    Bench::ordered(&[Gone, Ready(5), Ready(0)]).check(&[0], 5, &[1]);
    Bench::ordered(&[Gone, Gone]).check(&[0], 5, &[]);
}

#[test]
fn a_suspected_pool_is_left_at_once_but_not_for_nothing() {
    Bench::ordered(&[Suspect, Gone, Ready(5)]).check(&[0], 5, &[2]);
    Bench::ordered(&[Suspect, Gone, Gone]).check(&[0], 5, &[0]);
    Bench::ordered(&[Suspect, Suspect, Gone]).check(&[1], 5, &[1]);
    Bench::ordered(&[Gone, Suspect, Suspect]).check(&[0], 5, &[1]);
    Bench::ordered(&[Suspect, Suspect]).check(&[], 5, &[0]);
}

#[test]
fn fail_back_waits_for_health() {
    let bench = Bench::ordered(&[Ready(100), Ready(0)]);
    bench.check(&[1], 219, &[1]);
    bench.check(&[1], 220, &[0]);
    assert_eq!(bench.choose(&[1], 150).again_at, Some(bench.start + seconds(220)));
}

#[test]
fn a_worse_pool_is_never_taken_while_the_active_one_works() {
    Bench::ordered(&[Ready(0), Ready(0)]).check(&[0], 10_000, &[0]);
}

#[test]
fn something_better_is_taken_once_a_minute_at_most() {
    let mut bench = Bench::ordered(&[Ready(0), Ready(0), Ready(0)]);
    bench.last_better = Some(bench.start + seconds(480));
    bench.check(&[1], 539, &[1]);
    assert_eq!(bench.choose(&[1], 500).again_at, Some(bench.start + seconds(540)));
    bench.check(&[1], 540, &[0]);
    // What is lost is left whenever it is.
    bench.check(&[3], 485, &[0]);
}

#[test]
fn an_outgoing_pool_is_left_as_soon_as_its_successor_is_ready() {
    let place = Place { tier: 0, group: 0, weight: 1 };
    let mut bench = Bench::new(&[place, place], &[Ready(0), Ready(0)]);
    bench.candidates[1].standing = Standing::Outgoing;
    bench.check(&[1], 0, &[0]);
    bench.candidates[0].fitness = Fitness::Unable;
    bench.check(&[1], 0, &[1]);
}

#[test]
fn pools_with_weights_are_mined_on_together() {
    let bench = Bench::weighted(&[Ready(0), Ready(0), Ready(0), Ready(0)]);
    assert_eq!(bench.choose(&[], 0).pools, [(2, 30), (1, 20), (0, 10)]);
}

#[test]
fn what_a_lost_pool_had_goes_to_the_others_of_its_tier() {
    let bench = Bench::weighted(&[Ready(0), Gone, Ready(0), Ready(0)]);
    bench.check(&[0, 1, 2], 50, &[0, 2]);
    let bench = Bench::weighted(&[Suspect, Ready(0), Ready(0), Ready(0)]);
    bench.check(&[0, 1, 2], 50, &[1, 2]);
}

#[test]
fn a_pool_comes_back_into_its_tier_when_it_has_proven_itself() {
    let bench = Bench::weighted(&[Ready(0), Ready(500), Ready(0), Ready(0)]);
    bench.check(&[0, 2], 619, &[0, 2]);
    assert_eq!(bench.choose(&[0, 2], 600).again_at, Some(bench.start + seconds(620)));
    bench.check(&[0, 2], 620, &[0, 1, 2]);
}

#[test]
fn the_next_tier_takes_over_when_nothing_of_the_first_is_left() {
    let gone = Bench::weighted(&[Gone, Gone, Suspect, Ready(0)]);
    gone.check(&[0, 1, 2], 50, &[3]);
    let back = Bench::weighted(&[Gone, Ready(100), Suspect, Ready(0)]);
    back.check(&[3], 219, &[3]);
    back.check(&[3], 220, &[1]);
    let none = Bench::weighted(&[Suspect, Gone, Suspect, Gone]);
    none.check(&[0, 1, 2], 50, &[0, 2]);
}

#[test]
fn a_pin_comes_first_whatever_the_order() {
    let pinned = places(&TIERS, Some("d"));
    Bench::new(&pinned, &[Ready(0), Ready(0), Ready(0), Ready(0)]).check(&[], 0, &[3]);
    Bench::new(&pinned, &[Ready(0), Ready(0), Ready(0), Gone]).check(&[3], 0, &[0, 1, 2]);
    let pinned = places(&TIERS, Some("b"));
    Bench::new(&pinned, &[Ready(0), Ready(0), Ready(0), Ready(0)]).check(&[0, 2], 130, &[1]);
    Bench::new(&pinned, &[Ready(0), Gone, Ready(0), Ready(0)]).check(&[], 0, &[0, 2]);
}

#[test]
fn endpoints_share_the_weight_of_their_pool() {
    let weighted = |name| Wish { name, priority: 0, weight: Some(50) };
    let wishes = ["a", "a/2", "b"].map(weighted);
    let places = places(&wishes, None);
    let all = Bench::new(&places, &[Ready(0), Ready(0), Ready(0)]);
    all.check(&[], 0, &[0, 2]);
    let lost = Bench::new(&places, &[Gone, Ready(0), Ready(0)]);
    lost.check(&[0, 2], 0, &[1, 2]);
    lost.check(&[2], 119, &[2]);
    lost.check(&[2], 120, &[1, 2]);
    let back = Bench::new(&places, &[Ready(100), Ready(0), Ready(0)]);
    back.check(&[1, 2], 219, &[1, 2]);
    back.check(&[1, 2], 220, &[0, 2]);
}

#[test]
fn without_weights_endpoints_are_pools_in_an_order() {
    let wish = |name| Wish { name, priority: 0, weight: None };
    let places = places(&["a", "a/2", "b"].map(wish), None);
    let tiers: Vec<usize> = places.iter().map(|place| place.tier).collect();
    assert_eq!(tiers, [1, 2, 3]);
}
