use proptest::prelude::*;

use super::*;
use crate::fixtures::{difficulty, origin};

/// A source of Poisson arrivals that is the same in every run.
struct Noise(u64);

impl Noise {
    /// Time to the next event of a process with this mean.
    fn gap(&mut self, mean: f64) -> Duration {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let uniform =
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64;
        Duration::from_secs_f64(-(1.0 - uniform).ln() * mean)
    }
}

fn settings() -> VardiffSettings {
    VardiffSettings {
        initial: difficulty("8192"),
        min: difficulty("0.001"),
        max: difficulty("1e15"),
        share_interval: Duration::from_secs(6),
    }
}

/// A miner of constant speed under the care of a [`Vardiff`].
struct Miner {
    vardiff: Vardiff,
    noise: Noise,
    now: Instant,
    /// Difficulty per second.
    speed: f64,
    difficulty: Difficulty,
    changes: Vec<Difficulty>,
    shares: u32,
}

impl Miner {
    fn new(speed: f64, seed: u64) -> Self {
        let now = origin();
        Self {
            vardiff: Vardiff::new(now),
            noise: Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            now,
            speed,
            difficulty: settings().initial,
            changes: Vec::new(),
            shares: 0,
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        let ceiling = difficulty("1e15");
        while self.now < end {
            let share = self.now + self.noise.gap(self.difficulty.as_f64() / self.speed);
            let check = self.vardiff.next_check(&settings(), self.now);
            assert!(check > self.now);
            self.now = share.min(check);
            if share <= check {
                self.vardiff.on_share(self.now, self.difficulty);
                self.shares += 1;
            }
            if let Some(next) =
                self.vardiff.retarget(&settings(), self.now, self.difficulty, ceiling)
            {
                self.difficulty = next;
                self.changes.push(next);
            }
        }
    }

    /// How far the difficulty is from the one that fits.
    fn misfit(&self) -> f64 {
        self.difficulty.as_f64() / (self.speed * settings().share_interval.as_secs_f64())
    }
}

#[test]
fn miners_of_any_speed_come_to_the_wanted_pace() {
    for (speed, minutes) in [(1e12, 3), (46_566.0, 3), (1365.0, 3), (100.0, 10), (1.0, 30)] {
        for seed in 1..=20 {
            let mut miner = Miner::new(speed, seed);
            miner.run(Duration::from_secs(60 * minutes));
            let misfit = miner.misfit();
            assert!((0.3..3.0).contains(&misfit), "{speed} {seed}: {misfit} {:?}", miner.changes);
        }
    }
}

#[test]
fn a_steady_miner_is_left_alone() {
    let mut changes = 0;
    for seed in 1..=50 {
        let mut miner = Miner::new(1365.0, seed);
        miner.run(Duration::from_secs(300));
        let before = miner.changes.len();
        miner.run(Duration::from_secs(3600));
        changes += miner.changes.len() - before;
    }
    assert!(changes <= 25, "{changes} changes in 50 hours");
}

#[test]
fn the_pace_is_within_a_quarter_over_ten_minutes() {
    let mut within = 0;
    for seed in 1..=100 {
        let mut miner = Miner::new(1365.0, seed);
        miner.run(Duration::from_secs(600));
        let work = miner.vardiff.work_per_second(miner.now) / miner.speed;
        within += u32::from((0.5..1.5).contains(&work));
    }
    assert!(within >= 97, "{within} of 100 estimates");
}

#[test]
fn a_flood_is_stopped_within_eight_shares() {
    let mut miner = Miner::new(1e9, 3);
    miner.run(Duration::from_secs(1));
    assert!(miner.shares < 40, "{} shares", miner.shares);
    let first = miner.changes.first().unwrap();
    assert!(first.as_f64() > 8.0 * 8192.0, "{first}");
}

#[test]
fn nothing_is_concluded_from_seven_shares() {
    let now = origin();
    let mut vardiff = Vardiff::new(now);
    let current = difficulty("8192");
    for second in 1..=7 {
        let now = now + Duration::from_secs(second);
        vardiff.on_share(now, current);
        assert_eq!(vardiff.retarget(&settings(), now, current, current), None);
    }
}

#[test]
fn silence_halves_the_difficulty_once_a_minute_down_to_the_minimum() {
    let start = origin();
    let mut vardiff = Vardiff::new(start);
    let settings = VardiffSettings { min: difficulty("1000"), ..settings() };
    let mut current = difficulty("8192");
    let mut now = start;
    let mut seen = Vec::new();
    for _ in 0..8 {
        now = vardiff.next_check(&settings, now);
        if let Some(next) = vardiff.retarget(&settings, now, current, difficulty("1e9")) {
            seen.push((next.to_string(), (now - start).as_secs()));
            current = next;
        }
    }
    let expected = [("4090", 60), ("2040", 120), ("1020", 180), ("1000", 240)];
    assert_eq!(seen, expected.map(|(next, at)| (next.to_owned(), at)));
}

#[test]
fn time_without_a_job_is_no_silence() {
    let start = origin();
    let mut vardiff = Vardiff::new(start);
    let gap = Duration::from_secs(3000);
    vardiff.skip(gap);
    let now = start + gap + Duration::from_secs(59);
    assert_eq!(vardiff.retarget(&settings(), now, difficulty("8192"), difficulty("1e9")), None);
}

#[test]
fn a_lower_difficulty_of_the_pool_is_followed_at_once() {
    let now = origin();
    let mut vardiff = Vardiff::new(now);
    let current = difficulty("8192");
    assert_eq!(vardiff.retarget(&settings(), now, current, difficulty("8192")), None);
    let ceiling = difficulty("16.5");
    assert_eq!(vardiff.retarget(&settings(), now, current, ceiling), Some(ceiling));
    assert_eq!(vardiff.retarget(&settings(), now, ceiling, difficulty("1e9")), None);
}

#[test]
fn the_pools_difficulty_wins_over_the_minimum() {
    let settings = VardiffSettings { min: difficulty("1000"), ..settings() };
    for (wanted, ceiling, bounded) in [
        ("5", "1e9", "1000"),
        ("5000", "1e9", "5000"),
        ("5000", "2000", "2000"),
        ("5000", "10", "10"),
        ("1e18", "1e19", "1e15"),
    ] {
        let bounded_now = settings.bounded(difficulty(wanted), difficulty(ceiling));
        assert_eq!(bounded_now, difficulty(bounded));
    }
}

#[test]
fn one_miner_costs_a_cache_line() {
    assert!(size_of::<Vardiff>() <= 64);
}

proptest! {
    /// Whatever happens, the answer is within the bounds, the next check is ahead, and no change says what was there.
    #[test]
    fn no_difficulty_leaves_its_bounds(
        min in 1..1_000_000_u32,
        spread in 1..1_000_000_u32,
        steps in proptest::collection::vec((0..200_000_u64, any::<bool>(), 1..2_000_000_u32), 1..300),
    ) {
        let bounds = VardiffSettings {
            min: Difficulty::from_f64(min.into()).unwrap(),
            max: Difficulty::from_f64(f64::from(min) + f64::from(spread)).unwrap(),
            ..settings()
        };
        let mut now = origin();
        let mut vardiff = Vardiff::new(now);
        let mut current = bounds.min;
        for (millis, share, ceiling) in steps {
            now += Duration::from_millis(millis);
            let ceiling = Difficulty::from_f64(f64::from(ceiling)).unwrap();
            if share {
                vardiff.on_share(now, current);
            }
            let next = vardiff.retarget(&bounds, now, current, ceiling);
            prop_assert_ne!(next, Some(current));
            current = next.unwrap_or(current);
            prop_assert!(current <= bounds.max && current <= ceiling);
            prop_assert!(current >= bounds.min.min(ceiling));
            prop_assert!(vardiff.next_check(&bounds, now) > now);
            prop_assert!(vardiff.work_per_second(now).is_finite());
        }
    }
}
