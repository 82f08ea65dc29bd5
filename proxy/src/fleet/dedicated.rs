//! Routes of one miner: the same pools, failover and all as the route that they are of, on connections of their own.
//!
//! The named route's task goes on beside them. It tells the layout before a miner has any connection, and how the pools are.
//! Private routes book, count and name themselves as the route that they are of.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loka_api::runtime_config::Route;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::crowd::{Crowd, Member, Orders};
use super::crowd_staging::in_one_step;
use super::{FleetSeams, Role, RouteOutput, RouteParts, RouteTask};
use crate::policy::crowd::{Report, Standing};
use crate::policy::worker_name::{Miner, login};

/// How far apart two openings are on average: a pool that dies, or a start of the proxy, is followed by so many a second at
/// most.
const APART: Duration = Duration::from_millis(2);

/// Nobody waits for longer than this to be connected.
const SPREAD_MAX: Duration = Duration::from_secs(10);

/// Opens private routes of one route.
pub(crate) struct Dedicated {
    seams: FleetSeams,
    /// Contended when miners come.
    random: Mutex<fastrand::Rng>,
    crowd: Arc<Crowd>,
}

/// A private route that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct PrivateRoute {
    pub(crate) output: RouteOutput,
    /// Of the route that it is of.
    orders: watch::Receiver<Arc<Orders>>,
    config: watch::Sender<Arc<Route>>,
    who: Who,
    member: Member,
    _stop: DropGuard,
}

/// A miner, for the login of its pools.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) name: Arc<str>,
    pub(crate) listener: Arc<str>,
}

// === impl Dedicated ===

impl fmt::Debug for Dedicated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dedicated").field("crowd", &self.crowd).finish_non_exhaustive()
    }
}

impl Dedicated {
    pub(crate) fn new(seams: &FleetSeams, random: fastrand::Rng, crowd: &Arc<Crowd>) -> Self {
        let telemetry = seams.telemetry.of_a_crowd();
        let seams = FleetSeams { telemetry, ..seams.clone() };
        Self { seams, random: Mutex::new(random), crowd: Arc::clone(crowd) }
    }

    /// How long to wait before the next one is opened: any part of what all that there are would take one after the other.
    pub(crate) fn pause(&self) -> Duration {
        let (all, _) = self.crowd.count();
        let window = APART.saturating_mul(u32::try_from(all).unwrap_or(u32::MAX)).min(SPREAD_MAX);
        window.mul_f32(self.random.lock().unwrap_or_else(PoisonError::into_inner).f32())
    }

    /// A route for one miner, on the runtime of the caller.
    pub(crate) fn open(&self, who: Who) -> PrivateRoute {
        let random = self.random.lock().unwrap_or_else(PoisonError::into_inner).fork();
        let member = Member::new(&self.crowd);
        let mut orders = self.crowd.orders();
        let first = for_miner(orders.borrow_and_update().of(&member), &who);
        let config = watch::Sender::new(Arc::new(first));
        let stop = CancellationToken::new();
        let (task, output) = RouteTask::new(RouteParts {
            config: config.subscribe(),
            first_serial: self.seams.serials(),
            seams: FleetSeams { random, ..self.seams.clone() },
            role: Role::Private,
            stop: stop.clone(),
        });
        self.seams.tasks.spawn(task.run());
        PrivateRoute { output, orders, config, who, member, _stop: stop.drop_guard() }
    }
}

// === impl PrivateRoute ===

impl PrivateRoute {
    /// Waits for something new: in what the route offers, or in the configuration of the one that it is of, which is passed
    /// on. None when it has ended.
    pub(crate) async fn changed(&mut self) -> Option<()> {
        let Self { output, orders, .. } = self;
        // Work first; a configuration is in no hurry. Whichever is not seen now is seen by the next call.
        let is_new_config = tokio::select! {
            biased;
            changed = output.state.changed() => changed.ok().map(|()| false)?,
            changed = output.view.changed() => changed.ok().map(|()| false)?,
            changed = orders.changed() => changed.ok().map(|()| true)?,
        };
        if is_new_config {
            let config = for_miner(self.orders.borrow_and_update().of(&self.member), &self.who);
            // The turn of other miners is none of this one.
            self.config.send_if_modified(|now| {
                let is_other = **now != config;
                if is_other {
                    *now = Arc::new(config);
                }
                is_other
            });
        }
        let report = self.report();
        self.member.report(report);
        Some(())
    }

    fn report(&mut self) -> Report {
        let has_reported = self.has_reported();
        let view = self.output.view.borrow_and_update();
        let standing = match (view.active.is_some(), has_reported) {
            (true, _) => Standing::Up,
            (false, true) => Standing::Down,
            (false, false) => Standing::Connecting,
        };
        let is_of_this =
            view.config.as_ref().is_some_and(|of| Arc::ptr_eq(of, &self.config.borrow()));
        Report { standing, rate: view.rate, sight: view.sight.filter(|_| is_of_this) }
    }

    /// Whether it has had its say: it has work, or all its pools have failed once.
    pub(crate) fn has_reported(&self) -> bool {
        let view = self.output.view.borrow();
        view.active.is_some()
            || (!view.pools.is_empty() && view.pools.iter().all(|pool| pool.last_error.is_some()))
    }
}

/// The miner's own login takes the place of the plain one; further ones are for other names on its connection. Its own step of a change is the whole of it.
fn for_miner(route: &Route, who: &Who) -> Route {
    let mut route = route.clone();
    in_one_step(&mut route);
    for pool in &mut route.pools {
        let Some(names) = &pool.worker_names else { continue };
        let miner = Miner { name: &who.name, listener: &who.listener };
        if let Some(login) = login(&pool.account, &names.template, miner) {
            pool.user = login;
        }
    }
    route
}
