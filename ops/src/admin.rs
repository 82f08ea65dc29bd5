//! The admin server: its socket and its connections, each bounded in number, size and time, and the
//! answers that are alike everywhere. The paths are the program's. Nothing here checks who asks: what
//! is served must be read only and without secrets, or ask for itself who the [`Peer`] is.

mod answers;
mod server;

pub use answers::{open_metrics, verdict};

use std::io;
use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The admin server, listening and not yet serving.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    name: &'static str,
}

/// Who asks: an extension of each request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The admin server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("{flag} {address}: cannot listen: {error}; {}", listen_remedy(.error, ELSEWHERE))]
pub struct AdminError {
    flag: &'static str,
    address: SocketAddr,
    error: io::Error,
}

const ELSEWHERE: &str = "give an address that this machine has";

// === impl Admin ===

impl Admin {
    /// Listens on `address`; port 0 chooses one.
    ///
    /// # Errors
    /// [`AdminError`] names the address and the remedy.
    pub async fn bind(address: SocketAddr) -> Result<Self, AdminError> {
        Self::bind_as(("--admin", "admin server"), address).await
    }

    /// The same for a further server, which a flag gives the address of and the log this name.
    ///
    /// # Errors
    /// [`AdminError`] names the flag, the address and the remedy.
    pub async fn bind_as(
        (flag, name): (&'static str, &'static str),
        address: SocketAddr,
    ) -> Result<Self, AdminError> {
        let wrap = |error| AdminError { flag, address, error };
        let listener = TcpListener::bind(address).await.map_err(wrap)?;
        let address = listener.local_addr().map_err(wrap)?;
        Ok(Self { listener, address, name })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets running requests end.
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        tracing::info!(address = %self.address, "{} listening", self.name);
        server::serve(self.listener, router, stop).await;
    }
}

/// What to do about an address that cannot be listened on; `elsewhere`, if this machine does not have
/// it.
pub fn listen_remedy(error: &io::Error, elsewhere: &'static str) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "stop the process that holds the port (ss -ltnp shows it), or choose another port"
        }
        io::ErrorKind::PermissionDenied => {
            "choose a port above 1023, or allow this process to bind low ports"
        }
        io::ErrorKind::AddrNotAvailable => elsewhere,
        _ => "check the address, the port and the limit of open files (ulimit -n)",
    }
}

#[cfg(test)]
mod tests;
