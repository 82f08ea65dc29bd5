//! One cluster for all tests of a binary: many share it, one at a time may do harm to it.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::node::Cluster;

/// Enough that one may go, and those that stay still share.
const NODES: usize = 3;

/// None until the first test asks, and after one that has ended it.
static SHARED: RwLock<Option<Cluster>> = RwLock::const_new(None);

/// Whether it did not come up: it will not for the next test either.
static BROKEN: AtomicBool = AtomicBool::new(false);

/// The cluster, with others.
#[derive(Debug)]
pub struct Shared(RwLockReadGuard<'static, Cluster>);

/// The cluster, alone; none after [`Exclusive::end`].
#[derive(Debug)]
pub struct Exclusive(RwLockWriteGuard<'static, Option<Cluster>>);

// === impl Cluster ===

impl Cluster {
    /// The cluster of this test binary, for tests that leave its machines alone; others use it too. `None`, and a line that
    /// says so, where this machine cannot have one.
    pub async fn shared() -> Option<Shared> {
        loop {
            let guard = SHARED.read().await;
            let whole =
                |cluster: &Option<Self>| cluster.as_ref().is_some_and(|one| !one.is_disturbed());
            if whole(&guard) {
                let found = RwLockReadGuard::try_map(guard, Option::as_ref);
                return found.ok().map(Shared);
            }
            drop(guard);
            if !make_whole(&mut *SHARED.write().await).await {
                return None;
            }
        }
    }

    /// The same cluster, once no other test uses it: for tests that do something to its machines. It is repaired for the next.
    pub async fn exclusive() -> Option<Exclusive> {
        let mut guard = SHARED.write().await;
        if !make_whole(&mut guard).await {
            return None;
        }
        Some(Exclusive(guard))
    }
}

/// Boots or repairs it; false where this machine cannot have one.
async fn make_whole(cluster: &mut Option<Cluster>) -> bool {
    assert!(
        !BROKEN.swap(true, Ordering::SeqCst),
        "the cluster did not come up: see the first failure"
    );
    match cluster {
        Some(cluster) if cluster.is_disturbed() => cluster.repair().await,
        Some(_) => {}
        None => *cluster = Cluster::start(NODES).await,
    }
    BROKEN.store(false, Ordering::SeqCst);
    cluster.is_some()
}

// === impl Shared ===

impl Deref for Shared {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.0
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.describe();
        }
    }
}

// === impl Exclusive ===

impl Exclusive {
    /// Ends the cluster, while no other test may boot one. The next that asks does.
    pub fn end(&mut self) {
        *self.0 = None;
    }
}

impl Deref for Exclusive {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.0.as_ref().expect("a cluster that was not ended")
    }
}

impl DerefMut for Exclusive {
    fn deref_mut(&mut self) -> &mut Cluster {
        self.0.as_mut().expect("a cluster that was not ended")
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        if let Some(cluster) = self.0.as_ref().filter(|_| std::thread::panicking()) {
            cluster.describe();
            // What is left of a test that was to be alone would be in the way of the others.
            self.end();
        }
    }
}
