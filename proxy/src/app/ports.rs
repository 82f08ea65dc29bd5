//! Ports, before anything changes: which of a configuration's are new, and binding them. One that
//! is dropped before a listener has it is free again.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use loka_api::Problem;
use loka_api::runtime_config::{Listener, RuntimeConfig};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{RunningListener, Supervisor};
use crate::telemetry::listen_remedy;
use crate::transport::{Accept, Arrival, Boxed};

/// Longest wait for a port that another listener of ours gives up: its task only has to be woken.
const HAND_OVER: Duration = Duration::from_secs(1);

/// What binding came to.
#[derive(Default)]
pub(super) struct NewPorts {
    /// By the listener's name.
    pub(super) bound: HashMap<String, BoundPort>,
    pub(super) failed: Vec<FailedPort>,
}

/// A port that is bound.
pub(super) struct BoundPort {
    pub(super) accept: Box<dyn Accept>,
    pub(super) address: SocketAddr,
    /// Cancelled when the port is closed.
    pub(super) closed: CancellationToken,
}

/// A port that could not be bound.
pub(super) struct FailedPort {
    /// Its place in the configuration.
    pub(super) index: usize,
    pub(super) listener: Arc<Listener>,
    pub(super) address: SocketAddr,
    pub(super) error: io::Error,
}

/// Says when it is closed, whoever owns it then.
struct Watched {
    // Dropped in this order.
    accept: Box<dyn Accept>,
    _closed: DropGuard,
}

// === impl NewPorts ===

impl NewPorts {
    /// The failures, for whoever wrote the configuration.
    pub(super) fn problems(&self, origin: &str) -> Vec<Problem> {
        let problem = |failed: &FailedPort| {
            let FailedPort { index, listener, address, error } = failed;
            let message = format!("listener {} cannot listen on {address}: {error}", listener.name);
            let path = format!("spec.listeners[{index}].port");
            Problem::of(&origin, &message, listen_remedy(error)).at(&path)
        };
        self.failed.iter().map(problem).collect()
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// Binds what is new in `config`, and changes nothing. A port that a listener of ours holds and gives up in the same
    /// change is left for [`Supervisor::take_over`].
    pub(super) async fn bind_new(&self, config: &RuntimeConfig) -> NewPorts {
        let mut ports = NewPorts::default();
        for (index, listener) in config.listeners.iter().enumerate() {
            let is_drained = self.by_hand.drained.contains_key(&listener.name);
            if is_drained || self.has_port(listener) || self.is_ours(listener.port) {
                continue;
            }
            match self.bind(listener).await {
                Ok(bound) => drop(ports.bound.insert(listener.name.clone(), bound)),
                Err(error) => {
                    let (listener, address) = (Arc::new(listener.clone()), self.address(listener));
                    ports.failed.push(FailedPort { index, listener, address, error });
                }
            }
        }
        ports
    }

    pub(super) async fn bind(&self, listener: &Listener) -> io::Result<BoundPort> {
        let accept = self.seams.bind.bind(self.address(listener)).await?;
        let address = accept.local_addr()?;
        let closed = CancellationToken::new();
        let accept = Watched { accept, _closed: closed.clone().drop_guard() };
        Ok(BoundPort { accept: Box::new(accept), address, closed })
    }

    pub(super) fn address(&self, listener: &Listener) -> SocketAddr {
        SocketAddr::new(self.seams.address, listener.port)
    }

    /// Whether the listener of this name has this port already.
    pub(super) fn has_port(&self, listener: &Listener) -> bool {
        let running = self.listeners.get(&listener.name);
        running.is_some_and(|running| running.config.port == listener.port)
    }

    /// Whether this port of this listener is being tried again.
    pub(super) fn is_failing(&self, listener: &Listener) -> bool {
        let mut failing = self.failed.iter().map(|failed| &failed.listener);
        failing.any(|failed| failed.name == listener.name && failed.port == listener.port)
    }

    /// Whether a listener of ours holds the port.
    pub(super) fn is_ours(&self, port: u16) -> bool {
        self.holders(port).any(|running| !running.closed.is_cancelled())
    }

    fn holders(&self, port: u16) -> impl Iterator<Item = &RunningListener> {
        let all = self.listeners.values().chain(&self.leaving);
        all.filter(move |running| running.address.port() == port)
    }

    /// Starts listeners on ports that others of ours have held until now.
    pub(super) async fn take_over(&mut self, listeners: Vec<Arc<Listener>>) {
        // First all are given up: two listeners may have changed places.
        for listener in &listeners {
            if let Some(running) = self.listeners.remove(&listener.name) {
                self.retire(running);
            }
        }
        for listener in listeners {
            for holder in self.holders(listener.port) {
                drop(timeout(HAND_OVER, holder.closed.cancelled()).await);
            }
            self.start_or_fail(&listener).await;
        }
    }
}

// === impl Watched ===

impl Accept for Watched {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.accept.local_addr()
    }

    fn accept(&mut self) -> Boxed<'_, io::Result<Arrival>> {
        self.accept.accept()
    }
}
