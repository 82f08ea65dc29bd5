//! Which pools a route mines on: asks the policy, moves the board, and says what has changed and why.

use std::time::{Duration, Instant};

use loka_stratum::types::SourceId;
use loka_stratum::work::Now;

use super::judging::reason;
use super::route::RouteTask;
use super::slot::Slot;
use crate::policy::selector::{Candidate, Choice, Choosing, Fitness};
use crate::telemetry::RouteEvent;
use crate::telemetry::reasons::{SuspectReason, SwitchCause};
use crate::upstream::PoolId;

/// Whether all pools that were to be mined on are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    Yes,
    /// Some did not fit, and are known for it now.
    NotAll,
}

// === impl RouteTask ===

impl RouteTask {
    /// Chooses the pools and moves the board to them.
    pub(super) fn select(&mut self) {
        let now = self.now();
        if self.board.active().next().is_none() && !self.settled(now.instant) {
            return;
        }
        self.advance();
        self.advance_crowd();
        // Each round but the last takes a pool out that does not fit, so this ends.
        for _ in 0..=self.slots.len() {
            let choice = self.choose(now);
            self.again_at = choice.again_at;
            let wanted: Vec<(PoolId, f64)> = choice
                .pools
                .iter()
                .filter_map(|(index, weight)| {
                    Some((self.slots.get(*index)?.handle.id, f64::from(*weight)))
                })
                .collect();
            let mined = self.staged(wanted);
            if mined.is_empty() {
                self.close_hours(now);
                break;
            }
            self.weights = mined;
            if self.mine_on(now) == Moved::Yes {
                break;
            }
        }
    }

    /// The pools that are mined on, in the order of preference, each by its first connection.
    pub(super) fn active_pools(&self) -> Vec<PoolId> {
        let is_first = |pool: &PoolId| self.slot(*pool).is_none_or(|slot| slot.further.is_none());
        self.board.active().map(PoolId::of).filter(is_first).collect()
    }

    /// With nothing to go to, what is mined on is still left when its hours are over.
    fn close_hours(&mut self, now: Now) {
        let is_open =
            |source: &SourceId| self.slot(PoolId::of(*source)).is_none_or(|slot| slot.is_open(now));
        let open: Vec<SourceId> = self.board.active().filter(is_open).collect();
        if open.len() < self.board.active().count() {
            self.board.set_active(now, &open);
        }
    }

    fn choose(&self, now: Now) -> Choice {
        let failback = Duration::from_millis(self.config.failback_after_ms);
        let candidates: Vec<Candidate> =
            self.slots.iter().map(|slot| self.candidate(slot, now, failback)).collect();
        let active = self.active_pools();
        let place = |id: &PoolId| self.slots.iter().position(|slot| slot.handle.id == *id);
        let active: Vec<usize> = active.iter().filter_map(place).collect();
        let (last_better, now) = (self.last_better, now.instant);
        Choosing { candidates: &candidates, active: &active, last_better, now }.choose()
    }

    /// Moves the board to the pools that have a weight.
    fn mine_on(&mut self, now: Now) -> Moved {
        let sources = self.weights.iter().flat_map(|(pool, _)| self.sources_of(*pool));
        let sources: Vec<SourceId> = sources.collect();
        let pools = self.active_pools();
        let before: Vec<SourceId> = self.board.active().collect();
        if before == sources {
            return Moved::Yes;
        }
        // Beside those that are mined on, so that nothing is left before it is known that the new ones fit.
        let both: Vec<SourceId> = sources.iter().chain(&before).copied().collect();
        let misfits = self.board.set_active(now, &both);
        if !misfits.is_empty() {
            for (source, misfit) in misfits {
                let pool = PoolId::of(source);
                if let Some(index) = self.slots.iter().position(|slot| slot.handle.id == pool) {
                    self.misfit(index, &misfit);
                }
            }
            return Moved::NotAll;
        }
        self.board.set_active(now, &sources);
        self.switched(now.instant, &pools);
        Moved::Yes
    }

    /// Says what is mined on that was not `before`, or what is no longer.
    fn switched(&mut self, now: Instant, before: &[PoolId]) {
        let after = self.active_pools();
        let mut left = before.iter().filter(|pool| !after.contains(pool));
        let gained: Vec<PoolId> =
            after.iter().filter(|pool| !before.contains(pool)).copied().collect();
        for pool in &gained {
            let from = left.next().copied();
            let cause = match from {
                _ if before.is_empty() => SwitchCause::FirstPool,
                _ if self.staging.percent().is_some() => SwitchCause::ConfigChanged,
                Some(from) => self.cause(from, *pool),
                None => SwitchCause::Joined,
            };
            if matches!(cause, SwitchCause::FailBack | SwitchCause::Pinned) {
                self.last_better = Some(now);
            }
            self.say_switched(from, *pool, cause);
        }
        let rest: Vec<PoolId> = left.copied().collect();
        for pool in rest {
            if let Some(to) = after.first() {
                self.say_switched(Some(pool), *to, self.cause(pool, *to));
            }
        }
    }

    fn say_switched(&self, from: Option<PoolId>, to: PoolId, cause: SwitchCause) {
        let name = |pool| self.slot(pool).map(|slot| &*slot.handle.name);
        self.parts.seams.telemetry.emit(RouteEvent::Switched {
            route: &self.name,
            from: from.and_then(name),
            to: name(to).unwrap_or_default(),
            cause,
        });
    }

    /// Why `from` was left for `to`.
    fn cause(&self, from: PoolId, to: PoolId) -> SwitchCause {
        let Some(slot) = self.slot(from).filter(|slot| slot.outgoing_until().is_none()) else {
            return SwitchCause::ConfigChanged;
        };
        if self.staging.is_refused(from) {
            return SwitchCause::RolledBack;
        }
        if !slot.is_ready() {
            return SwitchCause::Failover;
        }
        if self.staging.percent().is_some() {
            return SwitchCause::ConfigChanged;
        }
        if !slot.is_open(self.now()) {
            return SwitchCause::Schedule;
        }
        match slot.health.suspicion().map(reason) {
            Some(SuspectReason::SubmitStall) => SwitchCause::SubmitStall,
            Some(SuspectReason::BlockLag) => SwitchCause::BlockLag,
            Some(SuspectReason::JobSilence) => SwitchCause::JobSilence,
            Some(SuspectReason::Refusals) => SwitchCause::Refusals,
            None if self.slot(to).is_some_and(Slot::is_pinned) => SwitchCause::Pinned,
            None => SwitchCause::FailBack,
        }
    }

    pub(super) fn slot(&self, pool: PoolId) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.handle.id == pool)
    }

    /// The weight that `pool` is mined on with.
    pub(super) fn weight_of(&self, pool: PoolId) -> f64 {
        let weight = self.weights.iter().find(|(weighted, _)| *weighted == pool);
        weight.map_or(1.0, |(_, weight)| *weight)
    }

    fn candidate(&self, slot: &Slot, now: Now, failback_after: Duration) -> Candidate {
        let fitness = match slot.ready_since() {
            // Nothing leads to what the configuration has no more; what becomes of it is decided by the steps.
            Some(_) if slot.further.is_some() || slot.is_removed() => Fitness::Unable,
            Some(_) if self.staging.is_refused(slot.handle.id) => Fitness::Suspect,
            since => fitness(slot, since, now, failback_after),
        };
        Candidate { fitness, standing: slot.standing(), place: slot.place }
    }
}

/// Whether a pool can be mined on, and nothing is held against it.
pub(super) fn is_sound(slot: &Slot, now: Now) -> bool {
    slot.is_ready() && slot.is_open(now) && slot.health.suspicion().is_none()
}

fn fitness(
    slot: &Slot,
    ready_since: Option<Instant>,
    now: Now,
    failback_after: Duration,
) -> Fitness {
    match ready_since {
        None => Fitness::Unable,
        Some(_) if !slot.is_open(now) => Fitness::Unable,
        Some(_) if !is_sound(slot, now) => Fitness::Suspect,
        // A pool that shares a tier need not prove itself before its first hour.
        Some(since) if slot.has_weight() && slot.health.is_sound() => {
            Fitness::Fit { trusted_from: since }
        }
        Some(since) => {
            Fitness::Fit { trusted_from: slot.health.trusted_from(since, failback_after) }
        }
    }
}
