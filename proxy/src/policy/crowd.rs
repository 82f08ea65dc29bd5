//! A change of pool in a crowd of miners that have connections of their own: whose turn it is, and what is seen of them all.
//!
//! Each miner counts by its hashrate. Those that have moved stay so while the change goes on, and others follow in the
//! order in which they came, which does not change.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::rollout::{Sight, Soundness};

/// How long a miner that has moved may take until it mines on the new pools.
const SETTLE: Duration = Duration::from_secs(30);

/// A miner, as far as a change of pool is concerned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Report {
    pub(crate) standing: Standing,
    /// In difficulty per second.
    pub(crate) rate: f64,
    /// What is seen of the pools that it mines on, while those are what it was told to mine on.
    pub(crate) sight: Option<Sight>,
}

/// Whether a miner has work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its pools have not been heard of yet.
    #[default]
    Connecting,
    Up,
    /// None of its pools works.
    Down,
}

/// Who has moved, and what came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Movement {
    moved: BTreeMap<u64, Mover>,
    accepted: u64,
    rejected: u64,
}

#[derive(Clone, Copy, Debug)]
struct Mover {
    since: Instant,
    /// Verdicts of its pools when it was last looked at.
    seen: Option<(u64, u64)>,
}

// === impl Movement ===

impl Movement {
    pub(crate) fn has(&self, member: u64) -> bool {
        self.moved.contains_key(&member)
    }

    /// Nobody has moved any more.
    pub(crate) fn clear(&mut self) {
        self.moved.clear();
    }

    /// Moves as many as make `percent` of the hashrate, one at least, and all whose pools are lost. Says whether somebody
    /// has moved who had not.
    pub(crate) fn advance(
        &mut self,
        now: Instant,
        percent: u8,
        reports: &BTreeMap<u64, Report>,
    ) -> bool {
        let before = self.moved.len();
        self.moved.retain(|member, _| reports.contains_key(member));
        let gone = before - self.moved.len();
        // A miner of which nothing is known yet counts as an average one.
        let known: Vec<f64> =
            reports.values().map(|report| report.rate).filter(|rate| *rate > 0.0).collect();
        let average = if known.is_empty() { 1.0 } else { mean(&known) };
        let rate = |report: &Report| if report.rate > 0.0 { report.rate } else { average };
        let wanted = reports.values().map(rate).sum::<f64>() * f64::from(percent.min(100)) / 100.0;
        let moved = reports.iter().filter(|(member, _)| self.moved.contains_key(member));
        let mut have: f64 = moved.map(|(_, report)| rate(report)).sum();
        for (member, report) in reports {
            let is_short = percent > 0 && (percent >= 100 || have < wanted);
            if self.moved.contains_key(member) || !(is_short || report.standing == Standing::Down) {
                continue;
            }
            self.moved.insert(*member, Mover { since: now, seen: None });
            have += rate(report);
        }
        self.moved.len() + gone > before
    }

    /// What is seen of the new pools by those who have moved: the sum of their verdicts, and what is true of half of them.
    pub(crate) fn sight(&mut self, now: Instant, reports: &BTreeMap<u64, Report>) -> Sight {
        let mut seen = Vec::new();
        let mut unsound = 0;
        for (member, mover) in &mut self.moved {
            let Some(report) = reports.get(member) else { continue };
            match report.sight {
                Some(sight) if sight.fitness == Soundness::Sound => {
                    let (accepted, rejected) = mover.since_last(&sight);
                    self.accepted += accepted;
                    self.rejected += rejected;
                    seen.push(sight);
                }
                Some(_) => unsound += 1,
                None if now >= mover.since + SETTLE => unsound += 1,
                None => {}
            }
        }
        let fitness = match unsound > 0 && unsound >= seen.len() {
            true => Soundness::Unsound,
            false => Soundness::Sound,
        };
        Sight {
            fitness,
            accepted: self.accepted,
            rejected: self.rejected,
            latency: median(seen.iter().filter_map(|sight| sight.latency)),
            stalled: median(seen.iter().map(|sight| sight.stalled)).unwrap_or_default(),
            job_age: median(seen.iter().map(|sight| sight.job_age)).unwrap_or_default(),
        }
    }
}

// === impl Mover ===

impl Mover {
    /// Verdicts since it was last looked at. Counts that are lower than before are those of another connection.
    fn since_last(&mut self, sight: &Sight) -> (u64, u64) {
        let now = (sight.accepted, sight.rejected);
        let (accepted, rejected) = self.seen.replace(now).unwrap_or(now);
        let more = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        (more(now.0, accepted), more(now.1, rejected))
    }
}

fn mean(values: &[f64]) -> f64 {
    // There are never so many miners that this is not exact.
    values.iter().sum::<f64>() / values.len() as f64
}

/// What at least half of them are not above.
fn median(values: impl Iterator<Item = Duration>) -> Option<Duration> {
    let mut values: Vec<Duration> = values.collect();
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Sight = Sight::SOUND;

    fn reports(rates: &[f64]) -> BTreeMap<u64, Report> {
        let report = |rate: &f64| Report { standing: Standing::Up, rate: *rate, sight: None };
        (1..).zip(rates.iter().map(report)).collect()
    }

    fn moved(movement: &Movement) -> Vec<u64> {
        movement.moved.keys().copied().collect()
    }

    #[test]
    fn miners_move_in_their_order_until_the_percent_of_hashrate_is_met() {
        let now = Instant::now();
        let mut movement = Movement::default();
        let all = reports(&[10.0, 40.0, 10.0, 30.0, 10.0]);
        for (percent, expected) in [
            (0, vec![]),
            (1, vec![1]),
            (10, vec![1]),
            (11, vec![1, 2]),
            (50, vec![1, 2]),
            (60, vec![1, 2, 3]),
            (100, vec![1, 2, 3, 4, 5]),
        ] {
            let before = moved(&movement);
            assert_eq!(movement.advance(now, percent, &all), before != expected, "{percent} %");
            assert_eq!(moved(&movement), expected, "{percent} %");
        }
    }

    #[test]
    fn who_has_left_is_replaced_and_whose_pools_are_lost_goes_first() {
        let now = Instant::now();
        let mut movement = Movement::default();
        let mut all = reports(&[1.0, 1.0, 0.0, 1.0]);
        movement.advance(now, 25, &all);
        assert_eq!(moved(&movement), [1]);
        all.remove(&1);
        assert!(movement.advance(now, 25, &all));
        assert_eq!(moved(&movement), [2]);
        all.get_mut(&4).unwrap().standing = Standing::Down;
        movement.advance(now, 25, &all);
        assert_eq!(moved(&movement), [2, 4]);
        movement.clear();
        assert_eq!(moved(&movement), [0; 0]);
    }

    #[test]
    fn verdicts_are_summed_from_when_each_has_moved() {
        let now = Instant::now();
        let mut movement = Movement::default();
        let mut all = reports(&[1.0, 1.0]);
        movement.advance(now, 100, &all);
        let mut see = |all: &mut BTreeMap<u64, Report>, one: (u64, u64), two: (u64, u64)| {
            for (member, (accepted, rejected)) in [(1, one), (2, two)] {
                let sight = Sight { accepted, rejected, ..SOUND };
                all.get_mut(&member).unwrap().sight = Some(sight);
            }
            let sight = movement.sight(now, all);
            (sight.accepted, sight.rejected)
        };
        assert_eq!(see(&mut all, (100, 7), (0, 0)), (0, 0), "what was before is not counted");
        assert_eq!(see(&mut all, (105, 8), (3, 0)), (8, 1));
        assert_eq!(see(&mut all, (2, 0), (3, 1)), (10, 2), "one is on another connection");
    }

    #[test]
    fn what_is_true_of_half_of_them_is_true_of_the_change() {
        let now = Instant::now();
        let mut movement = Movement::default();
        let mut all = reports(&[1.0, 1.0, 1.0]);
        movement.advance(now, 100, &all);
        assert_eq!(movement.sight(now, &all).fitness, Soundness::Sound, "not there yet");
        assert_eq!(movement.sight(now + SETTLE, &all).fitness, Soundness::Unsound);
        for (member, stalled) in [(1, 9), (2, 1), (3, 2)] {
            let stalled = Duration::from_secs(stalled);
            all.get_mut(&member).unwrap().sight = Some(Sight { stalled, ..SOUND });
        }
        let sight = movement.sight(now + SETTLE, &all);
        assert_eq!((sight.fitness, sight.stalled), (Soundness::Sound, Duration::from_secs(2)));
        for member in [1, 2] {
            let unsound = Sight { fitness: Soundness::Unsound, ..SOUND };
            all.get_mut(&member).unwrap().sight = Some(unsound);
        }
        assert_eq!(movement.sight(now, &all).fitness, Soundness::Unsound);
    }
}
