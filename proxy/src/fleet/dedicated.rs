//! Routes of one miner: the same pools, failover and all as the route that they are of, on connections of their own.
//!
//! The named route's task goes on beside them. It tells the layout before a miner has any connection, and how the pools are.
//! Private routes book, count and name themselves as the route that they are of.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loka_api::runtime_config::Route;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{FleetSeams, RouteOutput, RouteParts, RouteTask};
use crate::policy::worker_name::{Miner, login};

/// How far apart two openings are on average: a pool that dies, or a start of the proxy, is followed by so many a second at
/// most.
const APART: Duration = Duration::from_millis(2);

/// Nobody waits for longer than this to be connected.
const SPREAD_MAX: Duration = Duration::from_secs(10);

/// Opens private routes of one route.
pub(crate) struct Dedicated {
    config: watch::Receiver<Arc<Route>>,
    seams: FleetSeams,
    /// Contended when miners come.
    random: Mutex<fastrand::Rng>,
    crowd: Arc<Crowd>,
}

/// How many private routes there are.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    all: AtomicUsize,
    up: AtomicUsize,
}

/// A private route that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct PrivateRoute {
    pub(crate) output: RouteOutput,
    /// Of the route that it is of.
    named: watch::Receiver<Arc<Route>>,
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

/// A private route among the others of its route.
#[derive(Debug)]
struct Member {
    crowd: Arc<Crowd>,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Down,
    Up,
}

// === impl Crowd ===

impl Crowd {
    /// Miners with connections of their own, and those of them that have work of a pool.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.all.load(Ordering::Relaxed), self.up.load(Ordering::Relaxed))
    }
}

// === impl Dedicated ===

impl fmt::Debug for Dedicated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dedicated").field("crowd", &self.crowd).finish_non_exhaustive()
    }
}

impl Dedicated {
    pub(crate) fn new(
        config: watch::Receiver<Arc<Route>>,
        seams: &FleetSeams,
        random: fastrand::Rng,
        crowd: &Arc<Crowd>,
    ) -> Self {
        let telemetry = seams.telemetry.of_a_crowd();
        let seams = FleetSeams { telemetry, ..seams.clone() };
        Self { config, seams, random: Mutex::new(random), crowd: Arc::clone(crowd) }
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
        let mut named = self.config.clone();
        let config = watch::Sender::new(Arc::new(for_miner(&named.borrow_and_update(), &who)));
        let stop = CancellationToken::new();
        let (task, output) = RouteTask::new(RouteParts {
            config: config.subscribe(),
            first_serial: self.seams.serials(),
            seams: FleetSeams { random, ..self.seams.clone() },
            stop: stop.clone(),
        });
        self.seams.tasks.spawn(task.run());
        let member = Member::new(&self.crowd);
        PrivateRoute { output, named, config, who, member, _stop: stop.drop_guard() }
    }
}

// === impl PrivateRoute ===

impl PrivateRoute {
    /// Waits for something new: in what the route offers, or in the configuration of the one that it is of, which is passed
    /// on. None when it has ended.
    pub(crate) async fn changed(&mut self) -> Option<()> {
        let Self { output, named, .. } = self;
        // Work first; a configuration is in no hurry. Whichever is not seen now is seen by the next call.
        let is_new_config = tokio::select! {
            biased;
            changed = output.state.changed() => changed.ok().map(|()| false)?,
            changed = output.view.changed() => changed.ok().map(|()| false)?,
            changed = named.changed() => changed.ok().map(|()| true)?,
        };
        if is_new_config {
            self.config.send_replace(Arc::new(for_miner(&self.named.borrow(), &self.who)));
        }
        let is_up = self.output.view.borrow_and_update().active.is_some();
        self.member.stand(if is_up { Standing::Up } else { Standing::Down });
        Some(())
    }

    /// Whether it has had its say: it has work, or all its pools have failed once.
    pub(crate) fn has_reported(&self) -> bool {
        let view = self.output.view.borrow();
        view.active.is_some()
            || (!view.pools.is_empty() && view.pools.iter().all(|pool| pool.last_error.is_some()))
    }
}

/// The miner's own login takes the place of the plain one; further ones are for other names on its connection. There is no hashrate to change pools in steps with.
fn for_miner(route: &Route, who: &Who) -> Route {
    let mut route = route.clone();
    route.rollout = None;
    for pool in &mut route.pools {
        let Some(names) = &pool.worker_names else { continue };
        let miner = Miner { name: &who.name, listener: &who.listener };
        if let Some(login) = login(&pool.account, &names.template, miner) {
            pool.user = login;
        }
    }
    route
}

// === impl Member ===

impl Member {
    fn new(crowd: &Arc<Crowd>) -> Self {
        crowd.all.fetch_add(1, Ordering::Relaxed);
        Self { crowd: Arc::clone(crowd), standing: Standing::Down }
    }

    fn stand(&mut self, now: Standing) {
        match (std::mem::replace(&mut self.standing, now), now) {
            (Standing::Down, Standing::Up) => drop(self.crowd.up.fetch_add(1, Ordering::Relaxed)),
            (Standing::Up, Standing::Down) => drop(self.crowd.up.fetch_sub(1, Ordering::Relaxed)),
            (Standing::Down, Standing::Down) | (Standing::Up, Standing::Up) => {}
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stand(Standing::Down);
        self.crowd.all.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_knows_how_many_are_up() {
        let crowd = Arc::<Crowd>::default();
        let (mut one, two) = (Member::new(&crowd), Member::new(&crowd));
        one.stand(Standing::Up);
        one.stand(Standing::Up);
        assert_eq!(crowd.count(), (2, 1));
        drop(one);
        assert_eq!(crowd.count(), (1, 0));
        drop(two);
        assert_eq!(crowd.count(), (0, 0));
    }
}
