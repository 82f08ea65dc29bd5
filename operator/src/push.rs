//! The operator's side of the stream to the proxies: its authority and server, who may connect, and
//! what is said on a stream. What is to be sent, and what was heard, is the fleet's.

pub mod authority;
