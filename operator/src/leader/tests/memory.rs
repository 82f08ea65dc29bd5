//! A Lease in memory, behind a network that is slow and may fail. Requests that have left their
//! sender are carried out whatever becomes of it, as at a real server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use super::super::record;
use super::super::store::{LeaseStore, StoreError};

/// Longest way to the server, and back.
const WAY_MS_MAX: u64 = 400;

/// The server.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    state: Arc<Mutex<State>>,
    requests: TaskTracker,
}

#[derive(Debug)]
struct State {
    lease: Option<Lease>,
    version: u64,
    chance: fastrand::Rng,
}

/// One candidate's way to the server.
#[derive(Clone, Debug)]
pub(super) struct Client {
    memory: Memory,
    link: Arc<Mutex<Link>>,
}

/// How that way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Good,
    /// Nothing arrives.
    Cut,
    /// Requests arrive, and their answers do not.
    Deaf,
}

// === impl Memory ===

impl Memory {
    pub(super) fn new(seed: u64) -> Self {
        let state = State { lease: None, version: 0, chance: fastrand::Rng::with_seed(seed) };
        Self { state: Arc::new(Mutex::new(state)), requests: TaskTracker::new() }
    }

    pub(super) fn client(&self) -> Client {
        Client { memory: self.clone(), link: Arc::new(Mutex::new(Link::Good)) }
    }

    pub(super) fn holder(&self) -> Option<String> {
        self.lock().lease.as_ref().and_then(record::holder).map(str::to_owned)
    }

    pub(super) fn control_address(&self) -> Option<SocketAddr> {
        self.lock().lease.as_ref().and_then(record::control_address)
    }

    pub(super) fn delete(&self) {
        self.lock().lease = None;
    }

    /// Somebody writes a label.
    pub(super) fn touch(&self) {
        let mut state = self.lock();
        state.version += 1;
        let version = state.version.to_string();
        if let Some(lease) = &mut state.lease {
            lease.metadata.labels = Some([("touched".to_owned(), version.clone())].into());
            lease.metadata.resource_version = Some(version);
        }
    }

    /// A holder that is not there.
    pub(super) fn hold_as(&self, holder: &str, renewed: Timestamp) {
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            renew_time: Some(MicroTime(renewed)),
            ..LeaseSpec::default()
        };
        let lease = Lease { spec: Some(spec), ..Lease::default() };
        drop(self.lock().write(&lease, true).unwrap());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn way(&self) -> Duration {
        Duration::from_millis(self.lock().chance.u64(1..=WAY_MS_MAX))
    }
}

// === impl State ===

impl State {
    fn write(&mut self, lease: &Lease, make: bool) -> Result<Lease, StoreError> {
        let current = self.lease.as_ref().map(|lease| lease.metadata.resource_version.clone());
        let fits = match &current {
            None => make,
            Some(version) => !make && *version == lease.metadata.resource_version,
        };
        if !fits {
            return Err(StoreError::Conflict);
        }
        self.version += 1;
        let mut lease = lease.clone();
        lease.metadata.resource_version = Some(self.version.to_string());
        lease.metadata.uid.get_or_insert_with(|| format!("uid-{}", self.version));
        Ok(self.lease.insert(lease).clone())
    }
}

// === impl Client ===

impl Client {
    pub(super) fn set_link(&self, link: Link) {
        *self.link.lock().unwrap() = link;
    }

    fn link(&self) -> Link {
        *self.link.lock().unwrap()
    }

    async fn request<T: Send + 'static>(
        &self,
        carry_out: impl FnOnce(&mut State) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let (client, there, back) = (self.clone(), self.memory.way(), self.memory.way());
        self.memory.requests.spawn(async move {
            sleep(there).await;
            if client.link() == Link::Cut {
                return std::future::pending().await;
            }
            let result = carry_out(&mut client.memory.lock());
            sleep(back).await;
            if client.link() != Link::Good {
                return std::future::pending().await;
            }
            // Nobody may wait for it any more.
            drop(answer.send(result));
        });
        match answered.await {
            Ok(result) => result,
            Err(_gone) => std::future::pending().await,
        }
    }

    /// That the server is one: a create beside one that exists, and a write over an old version.
    async fn check_conflicts(&self) {
        let made = self.create(&Lease::default()).await.unwrap();
        assert!(matches!(self.create(&Lease::default()).await, Err(StoreError::Conflict)));
        let newer = self.replace(&made).await.unwrap();
        assert!(matches!(self.replace(&made).await, Err(StoreError::Conflict)));
        assert_eq!(self.read().await.unwrap(), Some(newer.clone()));
        self.memory.delete();
        assert!(matches!(self.replace(&newer).await, Err(StoreError::Conflict)));
        assert_eq!(self.read().await.unwrap(), None);
    }
}

impl LeaseStore for Client {
    async fn read(&self) -> Result<Option<Lease>, StoreError> {
        self.request(|state| Ok(state.lease.clone())).await
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, StoreError> {
        let lease = lease.clone();
        self.request(move |state| state.write(&lease, true)).await
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, StoreError> {
        let lease = lease.clone();
        self.request(move |state| state.write(&lease, false)).await
    }
}

#[tokio::test(start_paused = true)]
async fn the_memory_refuses_what_an_api_server_would() {
    Memory::new(1).client().check_conflicts().await;
}
