//! The pages of the admin server: `/livez`, `/readyz`, `/metrics`, `/ledger`, `/status`. Read only and
//! without secrets.
//!
//! The state that they show belongs to others and is read through [`StatusSource`]; sockets and
//! connections are those of `loka_ops`.

#[cfg(test)]
mod exposition;
mod routes;
mod scrape;
pub mod status;

pub use routes::router;
pub use status::{Status, StatusSource};

#[cfg(test)]
mod tests;
