//! A change of what is mined on, in steps of hashrate: how far it has come, and whether it goes on or back.
//!
//! Each step is held for its time and until the new pool has credited something in it; a gate that fails ends the change.
//! Only what was seen of the new pool and the time come in.

use std::time::{Duration, Instant};

use loka_api::runtime_config;

/// A single refusal proves nothing: any pool refuses a share that a block has overtaken.
const REFUSALS_LEAST: u64 = 2;

/// What is seen of the new pools; of several, the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) fitness: Soundness,
    /// Verdicts so far, from any beginning.
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    /// Half of the verdicts came within this.
    pub(crate) latency: Option<Duration>,
    /// How long the oldest share has waited for its verdict.
    pub(crate) stalled: Duration,
    pub(crate) job_age: Duration,
}

/// Whether the new pools can be mined on, and nothing is held against them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Soundness {
    Sound,
    Unsound,
}

/// Why a change was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It refused too many shares.
    Acceptance,
    /// It took too long to answer shares.
    Latency,
    /// Its job became too old.
    JobAge,
    /// It was lost, or suspected of something.
    Unsound,
}

/// What comes of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It goes on as it is.
    Holding,
    /// The next step begins.
    Stepped,
    /// All steps went well.
    Done,
    /// Back to where it came from.
    Refused(Refusal),
}

/// A change that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Rollout {
    plan: runtime_config::Rollout,
    step: usize,
    since: Instant,
    /// Verdicts when the change began, and when this step did.
    began: (u64, u64),
    accepted_before: u64,
}

// === impl Sight ===

impl Sight {
    /// Of pools that nobody has sent a share yet.
    pub(crate) const SOUND: Self = Self {
        fitness: Soundness::Sound,
        accepted: 0,
        rejected: 0,
        latency: None,
        stalled: Duration::ZERO,
        job_age: Duration::ZERO,
    };
}

// === impl Rollout ===

impl Rollout {
    /// Begins with the first step.
    pub(crate) fn begin(plan: runtime_config::Rollout, now: Instant, seen: &Sight) -> Self {
        let began = (seen.accepted, seen.rejected);
        Self { plan, step: 0, since: now, began, accepted_before: seen.accepted }
    }

    /// How much of the hashrate has moved.
    pub(crate) fn percent(&self) -> u8 {
        self.plan.steps.get(self.step).map_or(100, |step| step.percent.min(100))
    }

    /// When the step has had its time.
    pub(crate) fn due_at(&self) -> Instant {
        self.since + self.hold()
    }

    /// Looks at the gates, and at the time.
    pub(crate) fn look(&mut self, now: Instant, seen: &Sight) -> Progress {
        if let Some(refusal) = self.refusal(seen) {
            return Progress::Refused(refusal);
        }
        if now < self.due_at() || seen.accepted <= self.accepted_before {
            return Progress::Holding;
        }
        if self.step + 1 >= self.plan.steps.len() {
            return Progress::Done;
        }
        self.step += 1;
        self.since = now;
        self.accepted_before = seen.accepted;
        Progress::Stepped
    }

    fn hold(&self) -> Duration {
        self.plan.steps.get(self.step).map_or(Duration::ZERO, |it| Duration::from_millis(it.for_ms))
    }

    fn refusal(&self, seen: &Sight) -> Option<Refusal> {
        let runtime_config::Rollout {
            steps: _,
            min_acceptance_permille,
            max_latency_ms,
            max_job_age_ms,
        } = &self.plan;
        let accepted = seen.accepted.saturating_sub(self.began.0);
        let rejected = seen.rejected.saturating_sub(self.began.1);
        let needed = (accepted + rejected) * u64::from(*min_acceptance_permille);
        let latency = Duration::from_millis(*max_latency_ms);
        if seen.fitness == Soundness::Unsound {
            Some(Refusal::Unsound)
        } else if rejected >= REFUSALS_LEAST && accepted * 1000 < needed {
            Some(Refusal::Acceptance)
        } else if seen.stalled > latency || seen.latency.is_some_and(|usual| usual > latency) {
            Some(Refusal::Latency)
        } else if seen.job_age > Duration::from_millis(*max_job_age_ms) {
            Some(Refusal::JobAge)
        } else {
            None
        }
    }
}

/// The weights between what was mined on and what will be.
pub(crate) fn mixed(old: &[(u32, f64)], new: &[(u32, f64)], percent: u8) -> Vec<(u32, f64)> {
    let part = f64::from(percent.min(100)) / 100.0;
    let mut mixed: Vec<(u32, f64)> = Vec::with_capacity(old.len() + new.len());
    for (pools, part) in [(new, part), (old, 1.0 - part)] {
        let all: f64 = pools.iter().map(|(_, weight)| weight).sum();
        for (pool, weight) in pools {
            let weight = weight / all * part;
            match mixed.iter_mut().find(|(known, _)| known == pool) {
                Some((_, sum)) => *sum += weight,
                None if weight > 0.0 => mixed.push((*pool, weight)),
                None => {}
            }
        }
    }
    // The largest first: it takes whoever sits nowhere.
    mixed.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    mixed
}

#[cfg(test)]
mod tests {
    use loka_api::runtime_config::RolloutStep;

    use super::*;

    const SOUND: Sight = Sight::SOUND;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// 1 % and 10 % for a minute each, then all for ten seconds.
    fn begin(start: Instant) -> Rollout {
        let steps = [(1, 60), (10, 60), (100, 10)];
        let step = |(percent, s): (u8, u64)| RolloutStep { percent, for_ms: s * 1000 };
        let plan = runtime_config::Rollout {
            steps: steps.map(step).to_vec(),
            min_acceptance_permille: 950,
            max_latency_ms: 2000,
            max_job_age_ms: 120_000,
        };
        Rollout::begin(plan, start, &Sight { accepted: 1000, rejected: 1000, ..SOUND })
    }

    fn seen(accepted: u64, rejected: u64) -> Sight {
        Sight { accepted: 1000 + accepted, rejected: 1000 + rejected, ..SOUND }
    }

    #[test]
    fn steps_follow_one_another_when_time_has_passed_and_shares_were_credited() {
        let start = Instant::now();
        let mut rollout = begin(start);
        assert_eq!((rollout.percent(), rollout.due_at()), (1, start + seconds(60)));
        assert_eq!(rollout.look(start + seconds(59), &seen(5, 0)), Progress::Holding);
        assert_eq!(rollout.look(start + seconds(60), &seen(0, 0)), Progress::Holding);
        assert_eq!(rollout.look(start + seconds(70), &seen(1, 0)), Progress::Stepped);
        assert_eq!(rollout.percent(), 10);
        assert_eq!(rollout.look(start + seconds(129), &seen(9, 0)), Progress::Holding);
        assert_eq!(rollout.look(start + seconds(130), &seen(1, 0)), Progress::Holding);
        assert_eq!(rollout.look(start + seconds(131), &seen(9, 0)), Progress::Stepped);
        assert_eq!(rollout.percent(), 100);
        assert_eq!(rollout.look(start + seconds(141), &seen(90, 1)), Progress::Done);
    }

    #[track_caller]
    fn check_refused(sight: Sight, refusal: Option<Refusal>) {
        let start = Instant::now();
        let expected = refusal.map_or(Progress::Holding, Progress::Refused);
        assert_eq!(begin(start).look(start + seconds(1), &sight), expected, "{sight:?}");
    }

    #[test]
    fn each_gate_takes_the_change_back() {
        check_refused(seen(0, 1), None);
        check_refused(seen(0, 2), Some(Refusal::Acceptance));
        check_refused(seen(95, 5), None);
        check_refused(seen(94, 6), Some(Refusal::Acceptance));
        check_refused(Sight { stalled: seconds(2), ..seen(1, 0) }, None);
        check_refused(Sight { stalled: seconds(3), ..seen(1, 0) }, Some(Refusal::Latency));
        check_refused(Sight { latency: Some(seconds(3)), ..seen(1, 0) }, Some(Refusal::Latency));
        check_refused(Sight { job_age: seconds(121), ..seen(1, 0) }, Some(Refusal::JobAge));
        let unsound = Sight { fitness: Soundness::Unsound, ..seen(1, 0) };
        check_refused(unsound, Some(Refusal::Unsound));
    }

    #[test]
    fn weights_are_mixed_by_the_percent_that_has_moved() {
        assert_eq!(mixed(&[(1, 1.0)], &[(2, 1.0)], 10), [(1, 0.9), (2, 0.1)]);
        assert_eq!(mixed(&[(1, 1.0)], &[(2, 1.0)], 100), [(2, 1.0)]);
        assert_eq!(mixed(&[(1, 5.0)], &[(1, 30.0), (2, 10.0)], 50), [(1, 0.875), (2, 0.125)]);
    }
}
