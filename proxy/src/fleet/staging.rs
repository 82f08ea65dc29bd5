//! A change of the pool that is mined on, where the route wants it made in steps: when it begins, what it is judged by, and
//! what becomes of it. Only a change that the configuration asks for is made so, and only while the pools that are
//! mined on are well; what is lost is left at once. A pool that the configuration has no more is held until its
//! successors have proven themselves.

use std::time::{Duration, Instant};

use super::Role;
use super::choice::is_sound;
use super::route::RouteTask;
use super::slot::Slot;
use crate::policy::rollout::{Progress, Refusal, Rollout, Sight, Soundness, mixed};
use crate::telemetry::RouteEvent;
use crate::telemetry::reasons::RolloutEnd;
use crate::upstream::PoolId;

/// Pools that a configuration can promote at once: no route has more.
const PROMOTED_MAX: usize = 64;

/// What a route knows of staged changes.
#[derive(Debug, Default)]
pub(super) struct Staging {
    /// Pools that the latest configuration has brought, or put before those that are mined on.
    promoted: Vec<PoolId>,
    under_way: Option<Staged>,
    /// What is mined on, with its weights, although the configuration has some of it no more: until a change from it begins,
    /// and when one was taken back. Empty where nothing is held.
    held: Vec<(PoolId, f64)>,
    /// Pools that failed at a gate: not tried again until the configuration changes.
    refused: Vec<PoolId>,
    /// Why.
    refusal: Option<RolloutEnd>,
}

/// A change that is under way.
#[derive(Debug)]
struct Staged {
    rollout: Rollout,
    /// What was mined on when it began, with its weights.
    old: Vec<(PoolId, f64)>,
    /// The pools that are new.
    new: Vec<PoolId>,
}

// === impl Staging ===

impl Staging {
    /// How much of the hashrate has moved, while a change is under way.
    pub(super) fn percent(&self) -> Option<u8> {
        self.under_way.as_ref().map(|staged| staged.rollout.percent())
    }

    /// Why the latest change was taken back.
    pub(super) fn refusal(&self) -> Option<RolloutEnd> {
        self.refusal
    }

    pub(super) fn is_refused(&self, pool: PoolId) -> bool {
        self.refused.contains(&pool)
    }

    /// Whether `pool` is what a change began from, or was taken back to.
    pub(super) fn keeps(&self, pool: PoolId) -> bool {
        self.holds(pool) || !self.refused.is_empty()
    }

    /// Whether `pool` is mined on by what is under way alone.
    pub(super) fn holds(&self, pool: PoolId) -> bool {
        let began = self.under_way.iter().any(|staged| is_among(&staged.old, pool));
        began || is_among(&self.held, pool)
    }

    pub(super) fn due_at(&self, now: Instant) -> Option<Instant> {
        let due = self.under_way.as_ref().map(|staged| staged.rollout.due_at());
        due.filter(|at| *at > now)
    }

    /// Another configuration: what was refused may be tried again, and what is under way goes on as far as it can.
    fn reconfigured(&mut self, promoted: Vec<PoolId>, exists: impl Fn(PoolId) -> bool) {
        self.promoted.retain(|pool| !promoted.contains(pool));
        self.promoted.extend(promoted);
        self.promoted.append(&mut self.refused);
        self.promoted.retain(|pool| exists(*pool));
        self.promoted.truncate(PROMOTED_MAX);
        self.refusal = None;
        let is_whole = |staged: &Staged| {
            let old = staged.old.iter().map(|(pool, _)| pool);
            old.chain(&staged.new).all(|pool| exists(*pool))
        };
        if let Some(broken) = self.under_way.take_if(|staged| !is_whole(staged)) {
            // Back to what it came from, as far as that is there.
            self.held = broken.old;
        }
        self.held.retain(|(pool, _)| exists(*pool));
    }

    /// What is mined on is nothing to be staged any more.
    fn settle(&mut self, active: &[PoolId]) {
        if self.under_way.is_none() {
            self.promoted.retain(|pool| !active.contains(pool));
        }
    }
}

// === impl RouteTask ===

impl RouteTask {
    /// The pools in the order in which they are preferred, for [`Self::restage`].
    pub(super) fn ranking(&self) -> Vec<PoolId> {
        let mut ranked: Vec<&Slot> = self.slots.iter().collect();
        ranked.sort_by_key(|slot| slot.place.tier);
        ranked.iter().map(|slot| slot.handle.id).collect()
    }

    /// The configuration has changed; `before` was the order of the pools.
    pub(super) fn restage(&mut self, before: &[PoolId]) {
        let promoted = self.promoted_since(before);
        let known: Vec<PoolId> = self.slots.iter().map(|slot| slot.handle.id).collect();
        self.staging.reconfigured(promoted, |pool| known.contains(&pool));
        if self.steps().is_none() {
            self.staging.under_way = None;
            self.staging.held.clear();
        } else if self.staging.under_way.is_none() && self.staging.held.is_empty() {
            let active = self.active_pools().into_iter();
            self.staging.held = active.map(|pool| (pool, self.weight_of(pool))).collect();
        }
        self.hold_removed();
    }

    /// Holds nothing that the configuration takes care of by itself.
    fn hold_removed(&mut self) {
        let is_removed = |pool: PoolId| self.slot(pool).is_some_and(Slot::is_removed);
        if !self.staging.held.iter().any(|(pool, _)| is_removed(*pool)) {
            self.staging.held.clear();
        }
    }

    /// Whether a pool that the configuration has no more is left in steps: what is mined on and well, and what a change that
    /// is under way came from. What such a change leads to is left at once.
    pub(super) fn is_left_in_steps(&self, slot: &Slot) -> bool {
        let pool = slot.handle.id;
        let is_new = self.staging.under_way.iter().any(|staged| staged.new.contains(&pool));
        let is_mined = self.board.active().any(|source| PoolId::of(source) == pool);
        let is_old = is_mined || self.staging.holds(pool);
        // Where miners have connections of their own, this one tells what there is room for on all that they are on.
        let is_kept = (self.steps().is_some() && is_old && !is_new) || self.change.is_some();
        is_kept && is_sound(slot, self.now())
    }

    /// Those that are new since `before`, or that stand before what is mined on and did not.
    fn promoted_since(&self, before: &[PoolId]) -> Vec<PoolId> {
        let after = self.ranking();
        let rank = |ranking: &[PoolId], pool: PoolId| ranking.iter().position(|it| *it == pool);
        let active = self.active_pools();
        let best = |ranking: &[PoolId]| active.iter().filter_map(|it| rank(ranking, *it)).min();
        let overtakes = |pool: PoolId| {
            let was = rank(before, pool) < best(before);
            !was && rank(&after, pool) < best(&after)
        };
        let is_new = |pool: PoolId| rank(before, pool).is_none();
        after.iter().copied().filter(|pool| is_new(*pool) || overtakes(*pool)).collect()
    }

    /// Looks at the change that is under way, and takes it on, back or to its end.
    pub(super) fn advance(&mut self) {
        let now = self.now().instant;
        let Some(staged) = &self.staging.under_way else { return };
        if staged.old.iter().any(|(old, _)| !self.is_well(*old)) {
            // What it came from is lost: the rest is a failover, if the new pools are any better.
            self.staging.under_way = None;
            return;
        }
        let sight = self.sight(now, &staged.new);
        let Some(staged) = &mut self.staging.under_way else { return };
        match staged.rollout.look(now, &sight) {
            Progress::Holding => {}
            Progress::Stepped => self.say_step(),
            Progress::Done => self.end(RolloutEnd::Done),
            Progress::Refused(refusal) => self.end(end_of(refusal)),
        }
    }

    /// What to mine on for the sake of `wanted`: itself, or something on the way to it.
    pub(super) fn staged(&mut self, wanted: Vec<(PoolId, f64)>) -> Vec<(PoolId, f64)> {
        let active = self.active_pools();
        self.staging.settle(&active);
        let is_wanted = |new: &PoolId| is_among(&wanted, *new);
        self.staging.under_way.take_if(|staged| !staged.new.iter().any(is_wanted));
        if let Some(held) = self.held(&wanted) {
            return held;
        }
        self.begin_staging(&active, &wanted);
        let Some(staged) = &self.staging.under_way else { return wanted };
        let plain = |pools: &[(PoolId, f64)]| -> Vec<(u32, f64)> {
            pools.iter().map(|(pool, weight)| (pool.0, *weight)).collect()
        };
        let mixed = mixed(&plain(&staged.old), &plain(&wanted), staged.rollout.percent());
        mixed.into_iter().map(|(pool, weight)| (PoolId(pool), weight)).collect()
    }

    /// What is mined on still, while there is nothing for which it may be left.
    fn held(&mut self, wanted: &[(PoolId, f64)]) -> Option<Vec<(PoolId, f64)>> {
        if self.staging.under_way.is_some() || self.staging.held.is_empty() {
            return None;
        }
        let is_well = |pools: &[(PoolId, f64)]| pools.iter().all(|(pool, _)| self.is_well(*pool));
        let can_begin = !wanted.is_empty()
            && is_well(wanted)
            && self.staging.refused.is_empty()
            && !self.is_better_awaited(wanted);
        if is_well(&self.staging.held) && !can_begin {
            return Some(self.staging.held.clone());
        }
        self.staging.held.clear();
        None
    }

    /// Whether a pool that comes before those `wanted` has not had its say yet, and its time is not over.
    fn is_better_awaited(&self, wanted: &[(PoolId, f64)]) -> bool {
        let now = self.now().instant;
        let removed = self.slots.iter().filter(|slot| slot.is_removed());
        if removed.filter_map(Slot::outgoing_until).all(|until| until <= now) {
            return false;
        }
        let wanted = wanted.iter().filter_map(|(pool, _)| self.slot(*pool));
        let Some(best) = wanted.map(|slot| slot.place.tier).min() else { return true };
        let is_better = |slot: &&Slot| slot.further.is_none() && slot.place.tier <= best;
        self.slots.iter().filter(is_better).any(|slot| !slot.has_reported())
    }

    fn begin_staging(&mut self, active: &[PoolId], wanted: &[(PoolId, f64)]) {
        let Some(plan) = self.steps().cloned() else { return };
        let new: Vec<PoolId> = wanted
            .iter()
            .map(|(pool, _)| *pool)
            .filter(|pool| !active.contains(pool) && self.staging.promoted.contains(pool))
            .collect();
        let is_change = !new.is_empty() && !active.is_empty() && self.staging.under_way.is_none();
        if !is_change || !active.iter().all(|pool| self.is_well(*pool)) {
            return;
        }
        let now = self.now().instant;
        let old = active.iter().map(|pool| (*pool, self.weight_of(*pool))).collect();
        let rollout = Rollout::begin(plan, now, &self.sight(now, &new));
        self.seating.lend_to(&new);
        self.staging.under_way = Some(Staged { rollout, old, new });
        self.say_step();
    }

    pub(super) fn is_well(&self, pool: PoolId) -> bool {
        self.slot(pool).is_some_and(|slot| is_sound(slot, self.now()))
    }

    pub(super) fn sight(&self, now: Instant, new: &[PoolId]) -> Sight {
        let mut sight = Sight::SOUND;
        for pool in new {
            let Some(slot) = self.slot(*pool).filter(|_| self.is_well(*pool)) else {
                return Sight { fitness: Soundness::Unsound, ..sight };
            };
            let facts = slot.facts();
            let age = facts.last_job.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
            sight.accepted += facts.accepted;
            sight.rejected += facts.rejected;
            sight.latency = sight.latency.max(facts.latency.p50);
            sight.stalled = sight.stalled.max(facts.stalled_for(now));
            sight.job_age = sight.job_age.max(age);
        }
        sight
    }

    fn say_step(&self) {
        let Some(staged) = self.staging.under_way.as_ref().filter(|_| self.is_named()) else {
            return;
        };
        self.parts.seams.telemetry.emit(RouteEvent::RolloutStep {
            route: &self.name,
            from: self.name_of(staged.old.iter().map(|(pool, _)| *pool)),
            to: self.name_of(staged.new.iter().copied()),
            percent: staged.rollout.percent(),
        });
    }

    fn end(&mut self, end: RolloutEnd) {
        let Some(staged) = self.staging.under_way.take() else { return };
        if self.is_named() {
            self.parts.seams.telemetry.emit(RouteEvent::RolloutEnded {
                route: &self.name,
                from: self.name_of(staged.old.iter().map(|(pool, _)| *pool)),
                to: self.name_of(staged.new.iter().copied()),
                end,
            });
        }
        // Done or not, to come to them again is no change that was asked for.
        self.staging.promoted.retain(|pool| !staged.new.contains(pool));
        if end != RolloutEnd::Done {
            self.staging.refusal = Some(end);
            self.staging.refused = staged.new;
            self.staging.held = staged.old;
            self.hold_removed();
        }
    }

    /// Whether its changes are the route's: of a single miner's, which are parts of those, nothing is said.
    fn is_named(&self) -> bool {
        self.parts.role == Role::Named
    }

    /// The first of `pools`, which names a change well enough.
    fn name_of(&self, pools: impl IntoIterator<Item = PoolId>) -> &str {
        let first = pools.into_iter().next().and_then(|pool| self.slot(pool));
        first.map_or("", |slot| &*slot.handle.name)
    }
}

fn is_among(pools: &[(PoolId, f64)], pool: PoolId) -> bool {
    pools.iter().any(|(other, _)| *other == pool)
}

pub(super) fn end_of(refusal: Refusal) -> RolloutEnd {
    match refusal {
        Refusal::Acceptance => RolloutEnd::Acceptance,
        Refusal::Latency => RolloutEnd::Latency,
        Refusal::JobAge => RolloutEnd::JobAge,
        Refusal::Unsound => RolloutEnd::Unsound,
    }
}
