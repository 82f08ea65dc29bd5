//! Every message of Stratum V1, read tolerantly into closed enums and written strictly.
//!
//! One file per method or pair of request and reply. Bounds on what a peer may send are here,
//! beside the field they bound; what a message means to a session is not.

mod authorize;
mod client;
mod configure;
mod notify;
mod plain;
mod pool_reply;
pub mod request;
mod server;
mod submit;
mod subscribe;
mod value;

pub use authorize::Password;
pub use client::{ClientMessage, ClientRequest, Malformed, MalformedRequest, parse_client};
pub use configure::{Configure, ConfigureReply, VersionRolling};
pub use notify::Notify;
pub use pool_reply::{Outcome, Reply};
pub use server::{PoolMisbehaved, ServerMessage, parse_server};
pub use submit::Submit;
pub use subscribe::{Subscribe, SubscribeReply, subscribe_result};

#[cfg(test)]
mod tests;
