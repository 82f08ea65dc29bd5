//! The admin API: what is shown of miners, and what is done by hand, for whoever may (`auth`). On an address of its own,
//! which is neither the miners' nor that of probes and scrapes ([ADR 0010](../../../docs/adr/0010-admin-api.md)).

mod auth;
mod routes;

pub use auth::{Keys, TokenFileError};
pub use routes::router;
