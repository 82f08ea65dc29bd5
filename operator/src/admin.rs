//! The admin server: `/livez`, `/readyz`, `/metrics`. Read only and without secrets.
//!
//! It owns its socket and its connections, each bounded in number, size and time. What it shows is
//! told to it by way of [`Health`], and by [`Telemetry`].

mod health;
mod routes;
mod server;

pub use health::{Check, Health, Watchdog};

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::telemetry::Telemetry;

/// The admin server, listening and not yet serving.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

/// The admin server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("--admin {address}: cannot listen: {error}; {}", remedy(.error))]
pub struct AdminError {
    address: SocketAddr,
    error: io::Error,
}

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
    pub async fn serve(self, health: Arc<Health>, telemetry: Telemetry, stop: CancellationToken) {
        tracing::info!(address = %self.address, "admin server listening");
        server::serve(self.listener, routes::router(health, telemetry), stop).await;
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "stop the process that holds the port (ss -ltnp shows it), or choose another port"
        }
        io::ErrorKind::PermissionDenied => {
            "choose a port above 1023, or allow this process to bind low ports"
        }
        io::ErrorKind::AddrNotAvailable => "give --admin an address that this machine has",
        _ => "check the address, the port and the limit of open files (ulimit -n)",
    }
}

#[cfg(test)]
mod tests;
