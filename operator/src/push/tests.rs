//! The server as it is, over TLS on loopback, with the generated client. Only the API server is pretended.

pub(super) mod api;
mod flows;
mod refusals;
mod world;
