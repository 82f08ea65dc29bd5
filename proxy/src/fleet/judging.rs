//! What a route holds of its pools' health, from what their tasks have measured.

use std::time::{Duration, Instant};

use super::route::RouteTask;
use super::slot::Slot;
use crate::policy::health::{Duty, Signs, Suspicion};
use crate::telemetry::PoolEvent;
use crate::telemetry::reasons::SuspectReason;
use crate::upstream::PoolId;

/// How often measurements are looked at, where there is a choice. Less than the least time that a verdict may be owed, so
/// that each share that waits is seen before its time is up, and the moment itself is known then.
const LOOK_EVERY: Duration = Duration::from_millis(500);

// === impl RouteTask ===

impl RouteTask {
    pub(super) fn judge(&mut self) {
        let now = self.now().instant;
        let active = self.active_pools();
        let signs: Vec<Signs> = (0..self.slots.len()).map(|index| self.signs(index)).collect();
        for (slot, signs) in self.slots.iter_mut().zip(&signs) {
            let before = slot.health.suspicion();
            let limits = slot.health_limits();
            slot.health.judge(now, signs, &limits);
            match slot.health.suspicion().filter(|it| Some(*it) != before) {
                Some(Suspicion::SubmitStall | Suspicion::JobSilence) => {
                    slot.handle.pulse.is_missed();
                }
                // Such a pool answers.
                Some(Suspicion::BlockLag | Suspicion::Refusals) | None => {}
            }
            // Of a stand-by it is shown, and nobody need hear of it.
            let suspicion = slot.health.suspicion().filter(|_| active.contains(&slot.handle.id));
            if let Some(suspicion) = suspicion.filter(|it| Some(*it) != before) {
                self.parts.seams.telemetry.emit(PoolEvent::Suspected {
                    route: &self.name,
                    pool: &slot.handle.name,
                    reason: reason(suspicion),
                });
            }
        }
    }

    /// When there is something to judge again.
    pub(super) fn judge_at(&self, now: Instant) -> Option<Instant> {
        if self.slots.len() < 2 {
            return None;
        }
        let due = |(index, slot): (usize, &Slot)| {
            slot.health.due_at(&self.signs(index), &slot.health_limits()).filter(|at| *at > now)
        };
        let due = self.slots.iter().enumerate().filter_map(due);
        Some(due.fold(now + LOOK_EVERY, Instant::min))
    }

    pub(super) fn duty(&self, pool: PoolId) -> Duty {
        match self.board.active().any(|source| PoolId::of(source) == pool) {
            true => Duty::Mined,
            false => Duty::StandBy,
        }
    }

    fn signs(&self, index: usize) -> Signs {
        let Some(slot) = self.slots.get(index).filter(|slot| slot.is_ready()) else {
            return Signs::default();
        };
        let others = || {
            let others = self.slots.iter().enumerate().filter(|(other, _)| *other != index);
            others.map(|(_, other)| other).filter(|other| other.is_ready())
        };
        let facts = slot.facts();
        Signs {
            oldest_outstanding: facts.oldest_outstanding,
            slowest_verdict: facts.latency.p999,
            behind_since: others().filter_map(|it| slot.blocks.behind_since(&it.blocks)).min(),
            duty: self.duty(slot.handle.id),
            others_job: others().filter_map(Slot::last_job).max(),
            accepted: facts.accepted,
            rejected: facts.rejected,
        }
    }
}

/// In the words of telemetry.
pub(super) fn reason(suspicion: Suspicion) -> SuspectReason {
    match suspicion {
        Suspicion::SubmitStall => SuspectReason::SubmitStall,
        Suspicion::BlockLag => SuspectReason::BlockLag,
        Suspicion::JobSilence => SuspectReason::JobSilence,
        Suspicion::Refusals => SuspectReason::Refusals,
    }
}
