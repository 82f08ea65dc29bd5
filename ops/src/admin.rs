//! The admin server: its socket and its connections, each bounded in number, size and time, and the
//! answers that are alike everywhere. The paths are the program's. Nothing here checks who asks: what
//! is served must be read only and without secrets.

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
}

/// The admin server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("--admin {address}: cannot listen: {error}; {}", listen_remedy(.error, ELSEWHERE))]
pub struct AdminError {
    address: SocketAddr,
    error: io::Error,
}

const ELSEWHERE: &str = "give --admin an address that this machine has";

// === impl Admin ===

impl Admin {
    /// Listens on `address`; port 0 chooses one.
    ///
    /// # Errors
    /// [`AdminError`] names the address and the remedy.
    pub async fn bind(address: SocketAddr) -> Result<Self, AdminError> {
        let wrap = |error| AdminError { address, error };
        let listener = TcpListener::bind(address).await.map_err(wrap)?;
        let address = listener.local_addr().map_err(wrap)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets running requests end.
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        tracing::info!(address = %self.address, "admin server listening");
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
