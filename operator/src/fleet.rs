//! What the connected pods said, and what each of them is to be sent. In memory and with one owner: a restart begins
//! empty, and the pods tell it all again.
//!
//! The stream's server connects pods and passes on what they say; the controller reads it and sends. Neither waits for
//! the other: what is sent is the latest only, and what was said wakes the controller once, however often.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use dashmap::DashMap;
use futures_util::Stream;
use loka_api::control::{Hello, Identity, Problem, Report, Snapshot};
use tokio::sync::watch;

/// Pods of one StratumProxy that may be connected: more than `spec.replicas` allows, twice over for a roll-out.
const PODS_PER_PROXY_MAX: usize = 2048;

/// A StratumProxy, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A pod. The uid tells one from its namesake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// A config that a pod refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Which.
    pub identity: Identity,
    /// Why.
    pub problems: Vec<Problem>,
    /// When.
    pub at: Instant,
}

/// A connected pod, as it said and as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct PodLink {
    /// Which pod, as its token proved.
    pub pod: PodId,
    /// Version of its program.
    pub version: String,
    /// Highest schema that it understands.
    pub schema: u32,
    /// What it runs; none while it has no valid config.
    pub running: Option<Identity>,
    /// What it refused since it last accepted something.
    pub refused: Option<Refusal>,
    /// Its last report.
    pub report: Option<Report>,
    /// What it was sent last on this connection.
    pub sent: Option<Identity>,
    /// When that was.
    pub sent_at: Option<Instant>,
}

/// The connected pods of all StratumProxies.
#[derive(Debug)]
pub struct Fleet {
    /// Contended by one stream task per pod and the controller; each holds a shard for a few field accesses.
    proxies: DashMap<ProxyKey, BTreeMap<String, Connected>>,
    changes: Arc<Mutex<Pending>>,
    /// Numbers the connections: of two of one pod, the later counts.
    connections: AtomicU64,
}

#[derive(Debug)]
struct Connected {
    link: PodLink,
    connection: u64,
    snapshots: watch::Sender<Option<Arc<Snapshot>>>,
}

/// StratumProxies of which something is new, each once.
#[derive(Debug, Default)]
struct Pending {
    queue: VecDeque<ProxyKey>,
    queued: HashSet<ProxyKey>,
    waker: Option<Waker>,
    closed: bool,
}

/// StratumProxies of which something is new, each once until it was taken. Bounded by the StratumProxies that there are.
#[derive(Debug)]
pub struct Changes(Arc<Mutex<Pending>>);

/// Too many pods of one StratumProxy are connected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{PODS_PER_PROXY_MAX} pods of {0} are connected already")]
pub struct Full(ProxyKey);

/// A pod's connection, held by its stream. Dropped, the pod is gone.
#[derive(Debug)]
pub struct Link {
    fleet: Arc<Fleet>,
    proxy: ProxyKey,
    pod: PodId,
    connection: u64,
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
}

// === impl ProxyKey ===

impl ProxyKey {
    /// By namespace and name.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ProxyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

// === impl Fleet ===

impl Fleet {
    /// An empty fleet, and what tells of its changes.
    pub fn new() -> (Arc<Self>, Changes) {
        let changes = Arc::new(Mutex::default());
        let fleet = Self {
            proxies: DashMap::new(),
            changes: Arc::clone(&changes),
            connections: AtomicU64::default(),
        };
        (Arc::new(fleet), Changes(changes))
    }

    /// A pod greets. An earlier connection of the same pod is replaced: it is half-open, or the pod would not dial.
    ///
    /// # Errors
    /// [`Full`].
    pub fn connect(
        self: &Arc<Self>,
        proxy: ProxyKey,
        pod: PodId,
        hello: &Hello,
    ) -> Result<Link, Full> {
        let connection = self.connections.fetch_add(1, Ordering::Relaxed);
        let (sender, snapshots) = watch::channel(None);
        let link = PodLink {
            pod: pod.clone(),
            version: hello.version.clone(),
            schema: hello.schema,
            running: hello.running.clone().map(Identity::from),
            refused: None,
            report: None,
            sent: None,
            sent_at: None,
        };
        {
            let mut pods = self.proxies.entry(proxy.clone()).or_default();
            if pods.len() >= PODS_PER_PROXY_MAX && !pods.contains_key(&pod.uid) {
                return Err(Full(proxy));
            }
            pods.insert(pod.uid.clone(), Connected { link, connection, snapshots: sender });
        }
        self.changed(&proxy);
        Ok(Link { fleet: Arc::clone(self), proxy, pod, connection, snapshots })
    }

    /// The connected pods of a StratumProxy, by name.
    pub fn links(&self, proxy: &ProxyKey) -> Vec<PodLink> {
        let mut links: Vec<PodLink> = self
            .proxies
            .get(proxy)
            .map(|pods| pods.values().map(|connected| connected.link.clone()).collect())
            .unwrap_or_default();
        links.sort_by(|left, right| left.pod.cmp(&right.pod));
        links
    }

    /// Sends a snapshot to a pod, in place of one that is not yet under way. Nothing happens for a pod that is gone or
    /// was sent this one last.
    pub fn send(&self, proxy: &ProxyKey, pod_uid: &str, snapshot: &Arc<Snapshot>) {
        let Some(mut pods) = self.proxies.get_mut(proxy) else { return };
        let Some(connected) = pods.get_mut(pod_uid) else { return };
        if connected.link.sent.as_ref() == Some(&snapshot.identity)
            && connected.link.refused.is_none()
        {
            return;
        }
        connected.link.sent = Some(snapshot.identity.clone());
        connected.link.sent_at = Some(Instant::now());
        connected.link.refused = None;
        connected.snapshots.send_replace(Some(Arc::clone(snapshot)));
    }

    fn changed(&self, proxy: &ProxyKey) {
        lock(&self.changes).add(proxy);
    }

    fn update(&self, link: &Link, change: impl FnOnce(&mut PodLink)) {
        {
            let Some(mut pods) = self.proxies.get_mut(&link.proxy) else { return };
            let Some(connected) = pods.get_mut(&link.pod.uid) else { return };
            if connected.connection != link.connection {
                // The pod has dialled again; what the old connection still says is history.
                return;
            }
            change(&mut connected.link);
        }
        self.changed(&link.proxy);
    }

    fn disconnect(&self, link: &Link) {
        {
            let Some(mut pods) = self.proxies.get_mut(&link.proxy) else { return };
            if pods.get(&link.pod.uid).is_none_or(|held| held.connection != link.connection) {
                return;
            }
            pods.remove(&link.pod.uid);
        }
        self.proxies.remove_if(&link.proxy, |_, pods| pods.is_empty());
        self.changed(&link.proxy);
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let mut changes = lock(&self.changes);
        changes.closed = true;
        changes.wake();
    }
}

// === impl Link ===

impl Link {
    /// The pod.
    pub fn pod(&self) -> &PodId {
        &self.pod
    }

    /// The StratumProxy that the pod belongs to.
    pub fn proxy(&self) -> &ProxyKey {
        &self.proxy
    }

    /// What the pod is to be sent: the latest. Ends when the pod has dialled again.
    pub fn snapshots(&self) -> watch::Receiver<Option<Arc<Snapshot>>> {
        self.snapshots.clone()
    }

    /// The pod runs it.
    pub fn acked(&self, identity: Identity) {
        self.fleet.update(self, |link| {
            link.running = Some(identity);
            link.refused = None;
        });
    }

    /// The pod refused it, and runs on with what it ran.
    pub fn refused(&self, identity: Identity, problems: Vec<Problem>) {
        let at = Instant::now();
        self.fleet.update(self, |link| link.refused = Some(Refusal { identity, problems, at }));
    }

    /// How the pod is.
    pub fn reported(&self, report: Report) {
        self.fleet.update(self, |link| link.report = Some(report));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.fleet.disconnect(self);
    }
}

// === impl Pending ===

impl Pending {
    fn add(&mut self, proxy: &ProxyKey) {
        if self.queued.insert(proxy.clone()) {
            self.queue.push_back(proxy.clone());
        }
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

// === impl Changes ===

impl Stream for Changes {
    type Item = ProxyKey;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ProxyKey>> {
        let mut pending = lock(&self.0);
        if let Some(proxy) = pending.queue.pop_front() {
            pending.queued.remove(&proxy);
            return Poll::Ready(Some(proxy));
        }
        if pending.closed {
            return Poll::Ready(None);
        }
        pending.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// A panic in between leaves a queue that is complete or lacks one wake-up, which the periodic reconcile makes good.
fn lock(pending: &Mutex<Pending>) -> MutexGuard<'_, Pending> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
