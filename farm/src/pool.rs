//! The practice pool: a real Stratum V1 server that hands out real jobs and judges every share.
//!
//! It serves real sockets and the network in memory alike, keeps the time by tokio's clock, and
//! draws everything from one seed, so that a run under paused time repeats. It owns its tasks and
//! joins them at [`PracticePool::shutdown`]. It does not judge: [`crate::judge`] does.

mod books;
mod chain;
mod coinbase;
mod connection;
mod control;
mod core;
mod door;
mod forms;
mod judged;
mod outbox;
mod peer;
mod session;
mod settings;
mod vardiff;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::network::Net;

use self::core::{Core, Life};
use self::door::{Door, NetDoor, TcpDoor};

pub use self::books::{AcceptedShare, OTHER_USERS, PoolCounts, UNAUTHORIZED_USERS, UserCounts};
pub use self::chain::Clean;
pub use self::control::{PoolControl, ReconnectTo};
pub use self::forms::{
    Acceptance, CleanFlag, Configuration, Forms, JobId, Notification, Number, Rejection,
    Subscription,
};
pub use self::judged::{Judged, ShareKey};
pub use self::peer::{ConnectionId, ConnectionView};
pub use self::settings::{
    Accounts, BIP320_MASK, BRANCHES_MAX, DifficultyPolicy, EXTRANONCE1_BYTES_MAX,
    EXTRANONCE2_BYTES_MAX, FirstDifficulty, FirstJob, PoolSettings, Resumption, SettingsError,
    Suggestions, VersionRolling,
};

/// A running pool. Dropping it stops its tasks; [`Self::shutdown`] waits for their end.
#[derive(Debug)]
pub struct PracticePool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Contended for by the connections' tasks, the clock task and whoever reads the books or
    /// pulls a lever; held for one line's decision and never across an await.
    core: Mutex<Core>,
    life: watch::Sender<Life>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

// === impl PracticePool ===

impl PracticePool {
    /// Starts the pool's clock, inside a tokio runtime. Nobody can connect yet.
    pub fn start(settings: PoolSettings) -> Result<Self, SettingsError> {
        settings.check()?;
        let stop = CancellationToken::new();
        let core = Core::new(settings, Instant::now(), stop.clone());
        let shared = Arc::new(Shared {
            core: Mutex::new(core),
            life: watch::Sender::new(Life::Alive),
            tracker: TaskTracker::new(),
            stop,
        });
        shared.tracker.spawn(keep_time(Arc::clone(&shared)));
        Ok(Self { shared })
    }

    /// Opens a real socket; the answer names the port that port 0 became. A killed pool closes it,
    /// a revived one opens it again at the same port.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        self.keep_door(TcpDoor { address }, listener);
        Ok(address)
    }

    /// Listens at a name of the network in memory, likewise.
    pub async fn listen_in(&self, net: &Net, name: &str) -> io::Result<()> {
        let door = NetDoor { net: net.clone(), name: name.to_owned() };
        let listener = door.open().await?;
        self.keep_door(door, listener);
        Ok(())
    }

    /// Serves one connection that somebody else has accepted. Where the pool would reset it, it is
    /// dropped.
    pub fn serve<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.shared.spawn_connection(stream, door::plain_drop);
    }

    pub fn control(&self) -> PoolControl {
        PoolControl { shared: Arc::clone(&self.shared) }
    }

    pub fn counts(&self) -> PoolCounts {
        self.shared.core().books().counts.clone()
    }

    /// The newest accepted shares, oldest first.
    pub fn accepted_shares(&self) -> Vec<AcceptedShare> {
        self.shared.core().books().shares()
    }

    /// The connections that are open now, oldest first.
    pub fn connections(&self) -> Vec<ConnectionView> {
        self.shared.core().views()
    }

    /// Closes everything and waits for the last task. The books can still be read.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tracker.close();
        self.shared.tracker.wait().await;
    }

    fn keep_door<D: Door>(&self, door: D, listener: D::Listener) {
        let keeping = door::keep(Arc::clone(&self.shared), door, listener);
        self.shared.tracker.spawn(keeping);
    }
}

impl Drop for PracticePool {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

// === impl Shared ===

impl Shared {
    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn_connection<S>(self: &Arc<Self>, stream: S, reset: fn(S))
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.tracker.spawn(connection::serve(Arc::clone(self), stream, reset));
    }
}

async fn keep_time(shared: Arc<Shared>) {
    loop {
        let next = shared.core().next_event();
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = sleep_until(next) => shared.core().advance(Instant::now()),
        }
    }
}

#[cfg(test)]
mod tests;
