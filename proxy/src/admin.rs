//! The pages of the admin server: `/livez`, `/readyz`, `/metrics`, `/ledger`, `/status`, read only and
//! without secrets; and the admin API ([`api`]), on an address of its own, for whoever may see miners and act.
//!
//! The state that they show belongs to others and is read through [`StatusSource`]; sockets and
//! connections are those of `loka_ops`.

pub mod acts;
pub mod api;
#[cfg(test)]
mod exposition;
mod routes;
mod scrape;
pub mod status;
pub(crate) mod token;

pub use routes::router;
pub use status::{Status, StatusSource};

#[cfg(test)]
mod tests;
