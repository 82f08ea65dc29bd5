//! The operator's side of the stream to the proxies: its authority and server, who may connect, and
//! what is said on a stream. What is to be sent, and what was heard, is the fleet's.
//!
//! Only the leader holds streams; the other replicas name it. A pod needs none of this to start or
//! to go on: it learns of changes here, and nothing else.

pub mod auth;
pub mod authority;
mod bucket;
mod event;
mod server;
mod session;

pub use event::{Closed, Event, Events, RefusedWhy, TlsFailure};
pub use server::{Lead, Leader, Limits, Push, ServeError, serve};

#[cfg(test)]
mod tests;
