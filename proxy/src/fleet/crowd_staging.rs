//! A change of pool where each miner has connections of its own, in steps: the miners take up the new configuration one
//! after the other, by their hashrate, and all go back when a gate fails.
//!
//! The route's own connections follow the new configuration at once, for they carry no work: the change begins when they
//! show that the new pools can be mined on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loka_api::runtime_config::{Mode, Pool, Rollout as Plan, RolloutStep, Route, pool_of};

use super::Role;
use super::crowd::Orders;
use super::route::RouteTask;
use super::slot::Slot;
use super::staging::end_of;
use crate::policy::crowd::Movement;
use crate::policy::rollout::{Progress, Rollout, Sight};
use crate::telemetry::RouteEvent;
use crate::telemetry::reasons::RolloutEnd;

/// How often the miners are looked at while a change is under way.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A change that is under way, or that was taken back.
#[derive(Debug)]
pub(super) struct CrowdChange {
    /// What those follow who have not moved.
    before: Arc<Route>,
    movement: Movement,
    standing: Standing,
    looked: Instant,
}

#[derive(Debug)]
enum Standing {
    /// The new pools cannot be mined on yet.
    Waiting,
    UnderWay(Rollout),
    /// Until the configuration changes.
    TakenBack(RolloutEnd),
}

/// The configuration of a miner on its own, where changes are made in steps: its step is the whole of it. What it mines on
/// is left when the new pool works; what that is worth is judged for all miners together.
pub(super) fn in_one_step(route: &mut Route) {
    let whole = Plan {
        steps: vec![RolloutStep { percent: 100, for_ms: 0 }],
        min_acceptance_permille: 0,
        max_latency_ms: u64::MAX,
        max_job_age_ms: u64::MAX,
    };
    route.rollout = route.rollout.take().map(|_| whole);
}

/// The first pools of a route, which it mines on while all is well.
fn leading(route: &Route) -> Vec<&Pool> {
    let of = |name: &str| -> Vec<&Pool> {
        route.pools.iter().filter(|pool| pool_of(&pool.name) == name).collect()
    };
    if let Some(pin) = &route.pin {
        return of(pin);
    }
    match route.pools.first() {
        Some(first) if first.weight.is_some() => {
            let shares = |pool: &&Pool| pool.weight.is_some() && pool.priority == first.priority;
            route.pools.iter().filter(shares).collect()
        }
        Some(first) => of(pool_of(&first.name)),
        None => Vec::new(),
    }
}

/// Whether both come to the same pools, reached and logged in to in the same way.
fn leads_to_the_same(one: &Route, other: &Route) -> bool {
    let is_same = |(one, other): (&&Pool, &&Pool)| {
        let template = |pool: &Pool| pool.worker_names.as_ref().map(|names| names.template.clone());
        one.name == other.name
            && one.endpoint == other.endpoint
            && one.user == other.user
            && one.account == other.account
            && one.password == other.password
            && template(one) == template(other)
    };
    let (one, other) = (leading(one), leading(other));
    one.len() == other.len() && one.iter().zip(&other).all(is_same)
}

// === impl RouteTask ===

impl RouteTask {
    /// Whether its miners have connections of their own, so that none works on its.
    pub(super) fn has_a_crowd(&self) -> bool {
        self.parts.role == Role::Named && self.config.mode == Mode::Dedicated
    }

    /// How it changes what itself mines on; none: at once.
    pub(super) fn steps(&self) -> Option<&Plan> {
        self.config.rollout.as_ref().filter(|_| !self.has_a_crowd())
    }

    /// The configuration is another than `before`: passes it on, to all or in steps.
    pub(super) fn lead_crowd(&mut self, before: &Arc<Route>) {
        let is_staged = self.has_a_crowd()
            && before.mode == Mode::Dedicated
            && self.config.rollout.is_some()
            && self.crowd.count().0 > 0;
        let change = self.change.take().filter(|_| is_staged);
        let goes_on = change.as_ref().is_some_and(|change| {
            !matches!(change.standing, Standing::TakenBack(_))
                && leads_to_the_same(before, &self.config)
        });
        self.change = match change {
            Some(change) if goes_on => Some(change),
            change if is_staged => {
                let before = change.map_or_else(|| Arc::clone(before), |change| change.before);
                let is_change = !leads_to_the_same(&before, &self.config);
                is_change.then(|| CrowdChange {
                    before,
                    movement: Movement::default(),
                    standing: Standing::Waiting,
                    looked: self.now().instant,
                })
            }
            Some(_) | None => None,
        };
        self.order_crowd();
    }

    fn order_crowd(&self) {
        let config = Arc::clone(&self.config);
        let staged = self.change.as_ref().map(|change| {
            // The pools as they were, and all else as it is.
            let Route { pools, pin, version_mask, .. } = &*change.before;
            let before = Route {
                pools: pools.clone(),
                pin: pin.clone(),
                version_mask: *version_mask,
                ..Route::clone(&config)
            };
            (Arc::new(before), change.movement.clone())
        });
        self.crowd.order(Orders { config, staged });
    }

    pub(super) fn crowd_due_at(&self) -> Option<Instant> {
        let change = self.change.as_ref()?;
        let is_over = matches!(change.standing, Standing::TakenBack(_));
        (!is_over).then_some(change.looked + LOOK_EVERY)
    }

    /// Takes the change on, back or to its end.
    pub(super) fn advance_crowd(&mut self) {
        let now = self.now().instant;
        let Some(mut change) = self.change.take() else { return };
        if matches!(change.standing, Standing::TakenBack(_)) || now < change.looked + LOOK_EVERY {
            self.change = Some(change);
            return;
        }
        change.looked = now;
        let reports = self.crowd.reports();
        let progress = match &mut change.standing {
            Standing::Waiting if self.leads_well() => {
                let plan = self.config.rollout.clone();
                let nothing_yet = change.movement.sight(now, &reports);
                let begun = plan.map(|plan| Rollout::begin(plan, now, &nothing_yet));
                begun.map_or(Progress::Done, |rollout| {
                    change.standing = Standing::UnderWay(rollout);
                    Progress::Stepped
                })
            }
            Standing::UnderWay(rollout) => rollout.look(now, &change.movement.sight(now, &reports)),
            Standing::Waiting | Standing::TakenBack(_) => Progress::Holding,
        };
        let progress = if reports.is_empty() { Progress::Done } else { progress };
        let percent = change.percent();
        match progress {
            Progress::Done => return self.crowd_changed(&change, RolloutEnd::Done),
            Progress::Refused(refusal) => {
                let end = end_of(refusal);
                change.movement.clear();
                change.standing = Standing::TakenBack(end);
                self.say_crowd_end(&change, end);
                self.change = Some(change);
                return self.order_crowd();
            }
            Progress::Stepped => self.say_crowd_step(&change, percent),
            Progress::Holding => {}
        }
        let is_moved = change.movement.advance(now, percent, &reports);
        self.change = Some(change);
        if is_moved {
            self.order_crowd();
        }
    }

    fn crowd_changed(&self, change: &CrowdChange, end: RolloutEnd) {
        self.say_crowd_end(change, end);
        self.order_crowd();
    }

    /// Whether its own connections show that the first pools can be mined on.
    fn leads_well(&self) -> bool {
        let active = self.active_pools();
        let mut active = active.iter().filter_map(|pool| self.slot(*pool)).peekable();
        let names: Vec<&str> = leading(&self.config).iter().map(|pool| &*pool.name).collect();
        let is_new = |slot: &Slot| names.contains(&slot.name()) && slot.outgoing_until().is_none();
        active.peek().is_some() && active.all(|slot| is_new(slot) && self.is_well(slot.handle.id))
    }

    /// What is seen of the pools that are mined on, while they are those of the configuration.
    pub(super) fn seen(&self) -> Option<Sight> {
        let active = self.active_pools();
        let mut slots = active.iter().filter_map(|pool| self.slot(*pool));
        let is_settled = !active.is_empty() && slots.all(|slot| slot.outgoing_until().is_none());
        is_settled.then(|| self.sight(self.now().instant, &active))
    }

    fn say_crowd_step(&self, change: &CrowdChange, percent: u8) {
        self.parts.seams.telemetry.emit(RouteEvent::RolloutStep {
            route: &self.name,
            from: change.from(),
            to: first_name(&self.config),
            percent,
        });
    }

    fn say_crowd_end(&self, change: &CrowdChange, end: RolloutEnd) {
        self.parts.seams.telemetry.emit(RouteEvent::RolloutEnded {
            route: &self.name,
            from: change.from(),
            to: first_name(&self.config),
            end,
        });
    }
}

// === impl CrowdChange ===

impl CrowdChange {
    /// How much of the hashrate has moved, or is to.
    pub(super) fn percent(&self) -> u8 {
        match &self.standing {
            Standing::Waiting | Standing::TakenBack(_) => 0,
            Standing::UnderWay(rollout) => rollout.percent(),
        }
    }

    /// While it is under way.
    pub(super) fn shown_percent(&self) -> Option<u8> {
        matches!(self.standing, Standing::UnderWay(_)).then(|| self.percent())
    }

    pub(super) fn refusal(&self) -> Option<RolloutEnd> {
        match self.standing {
            Standing::TakenBack(end) => Some(end),
            Standing::Waiting | Standing::UnderWay(_) => None,
        }
    }

    /// The pool that it came from.
    pub(super) fn from(&self) -> &str {
        first_name(&self.before)
    }
}

/// It names a change well enough.
fn first_name(route: &Route) -> &str {
    leading(route).first().map_or("", |pool| &pool.name)
}
