//! The admin server: `/livez`, `/readyz`, `/metrics`, `/ledger`, `/status`. Read only and without
//! secrets; it listens on loopback unless told otherwise.
//!
//! It owns its socket and its connections, each bounded in number, size and time. The state that it
//! shows belongs to others and is read through [`StatusSource`].

#[cfg(test)]
mod exposition;
mod routes;
mod scrape;
mod server;
pub mod status;

pub use status::{Status, StatusSource};

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::telemetry::{Telemetry, listen_remedy};

/// The admin server, listening and not yet serving.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

/// The admin server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("--admin {address}: cannot listen: {error}; {}", listen_remedy(.error))]
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
    pub async fn serve(
        self,
        source: Arc<dyn StatusSource>,
        telemetry: Telemetry,
        stop: CancellationToken,
    ) {
        tracing::info!(address = %self.address, "admin server listening");
        server::serve(self.listener, routes::router(source, telemetry), stop).await;
    }
}

#[cfg(test)]
mod tests;
