//! The pages of the admin server: `/livez`, `/readyz`, `/metrics`. Read only and without secrets.
//!
//! What they show is told by way of [`Health`], and by [`crate::telemetry::Telemetry`]; sockets and connections are
//! those of `loka_ops`.

mod health;
mod routes;

pub use health::{Check, Health, Watchdog};
pub use routes::router;

#[cfg(test)]
mod tests;
