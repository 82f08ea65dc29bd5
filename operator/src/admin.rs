//! The pages of the admin server: `/livez`, `/readyz`, `/metrics`. Read only and without secrets.
//!
//! What they show is told by way of [`Health`], and by [`Telemetry`]; sockets and connections are
//! those of `loka_ops`.

mod health;
mod routes;

pub use health::{Check, Health, Watchdog};

use std::net::SocketAddr;
use std::sync::Arc;

use loka_ops::admin::{self, AdminError};
use tokio_util::sync::CancellationToken;

use crate::telemetry::Telemetry;

/// The admin server, listening and not yet serving.
#[derive(Debug)]
pub struct Admin(admin::Admin);

// === impl Admin ===

impl Admin {
    /// Listens on `address`; port 0 chooses one.
    ///
    /// # Errors
    /// [`AdminError`] names the address and the remedy.
    pub async fn bind(address: SocketAddr) -> Result<Self, AdminError> {
        admin::Admin::bind(address).await.map(Self)
    }

    /// Serves until `stop`, then lets running requests end.
    pub async fn serve(self, health: Arc<Health>, telemetry: Telemetry, stop: CancellationToken) {
        self.0.serve(routes::router(health, telemetry), stop).await;
    }
}

#[cfg(test)]
mod tests;
