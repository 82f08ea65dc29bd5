//! The miners of a route that have connections of their own: how many there are, how they are, and which configuration each
//! of them follows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loka_api::runtime_config::Route;
use tokio::sync::watch;

use crate::policy::crowd::{Movement, Report, Standing};

/// The private routes of one route.
#[derive(Debug)]
pub(crate) struct Crowd {
    all: AtomicUsize,
    up: AtomicUsize,
    next: AtomicU64,
    /// In the order in which they came. Contended when miners come and go, and when a change is made in steps.
    members: Mutex<BTreeMap<u64, Arc<Mutex<Report>>>>,
    orders: watch::Sender<Arc<Orders>>,
}

/// Which configuration each of them follows.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) config: Arc<Route>,
    /// While a change of pool is made in steps: the one before, for those who have not moved.
    pub(super) staged: Option<(Arc<Route>, Movement)>,
}

/// A private route among the others of its route.
#[derive(Debug)]
pub(super) struct Member {
    crowd: Arc<Crowd>,
    number: u64,
    report: Arc<Mutex<Report>>,
    standing: Standing,
}

// === impl Crowd ===

impl Crowd {
    pub(super) fn new(config: Arc<Route>) -> Self {
        Self {
            all: AtomicUsize::default(),
            up: AtomicUsize::default(),
            next: AtomicU64::default(),
            members: Mutex::default(),
            orders: watch::Sender::new(Arc::new(Orders { config, staged: None })),
        }
    }

    /// Miners with connections of their own, and those of them that have work of a pool.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.all.load(Ordering::Relaxed), self.up.load(Ordering::Relaxed))
    }

    pub(super) fn orders(&self) -> watch::Receiver<Arc<Orders>> {
        self.orders.subscribe()
    }

    pub(super) fn order(&self, orders: Orders) {
        self.orders.send_replace(Arc::new(orders));
    }

    /// What each says of itself.
    pub(super) fn reports(&self) -> BTreeMap<u64, Report> {
        let members = lock(&self.members);
        members.iter().map(|(number, report)| (*number, *lock(report))).collect()
    }
}

// === impl Orders ===

impl Orders {
    /// The configuration of this member.
    pub(super) fn of(&self, member: &Member) -> &Arc<Route> {
        match &self.staged {
            Some((before, movement)) if !movement.has(member.number) => before,
            Some(_) | None => &self.config,
        }
    }
}

// === impl Member ===

impl Member {
    pub(super) fn new(crowd: &Arc<Crowd>) -> Self {
        crowd.all.fetch_add(1, Ordering::Relaxed);
        let number = crowd.next.fetch_add(1, Ordering::Relaxed);
        let standing = Standing::Connecting;
        let report = Arc::new(Mutex::new(Report { standing, rate: 0.0, sight: None }));
        lock(&crowd.members).insert(number, Arc::clone(&report));
        Self { crowd: Arc::clone(crowd), number, report, standing }
    }

    pub(super) fn report(&mut self, report: Report) {
        *lock(&self.report) = report;
        self.stand(report.standing);
    }

    fn stand(&mut self, now: Standing) {
        let was_up = std::mem::replace(&mut self.standing, now) == Standing::Up;
        match (was_up, now == Standing::Up) {
            (false, true) => drop(self.crowd.up.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(self.crowd.up.fetch_sub(1, Ordering::Relaxed)),
            (false, false) | (true, true) => {}
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stand(Standing::Down);
        self.crowd.all.fetch_sub(1, Ordering::Relaxed);
        lock(&self.crowd.members).remove(&self.number);
    }
}

/// Nothing under these locks can be half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_knows_how_many_are_up() {
        let config = serde_json::json!({"name": "r", "pools": [], "failbackAfterMs": 1,
            "jobKeepAliveMs": 1, "versionMask": 0, "onNoPool": {"policy": "Hold", "afterMs": 0}});
        let config = serde_json::from_value(config).expect("a route");
        let crowd = Arc::new(Crowd::new(Arc::new(config)));
        let (mut one, two) = (Member::new(&crowd), Member::new(&crowd));
        let up = Report { standing: Standing::Up, rate: 2.0, sight: None };
        one.report(up);
        one.report(up);
        assert_eq!(crowd.count(), (2, 1));
        assert_eq!(crowd.reports().into_values().map(|it| it.rate).collect::<Vec<_>>(), [2.0, 0.0]);
        drop(one);
        assert_eq!(crowd.count(), (1, 0));
        drop(two);
        assert_eq!(crowd.count(), (0, 0));
        assert!(crowd.reports().is_empty());
    }
}
