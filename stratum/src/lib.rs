//! Stratum V1 as really spoken, as a library of values.
//!
//! The contract of this crate is a list of absences: no sockets, no runtime, no clock, no
//! randomness and no panic on anything that a peer may send. Time comes in as arguments
//! ([`std::time::Instant`] and [`types::UnixTime`]), bytes come in as slices and go out as
//! buffers, and every collection has a named bound. Whoever drives it owns all of the IO.
//!
//! Both sides are treated as untrusted: miners because anyone may connect, pools because a pool
//! that has been hijacked is the more dangerous peer of the two.

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::wildcard_enum_match_arm)]

pub mod difficulty;
pub mod downstream;
pub mod extranonce;
pub mod firmware;
pub mod frame;
pub mod glob;
pub mod hashrate;
pub mod hex;
pub mod job;
pub mod json;
pub mod message;
pub mod rpc;
pub mod share;
pub mod types;
pub mod upstream;
pub mod vardiff;
pub mod work;

#[cfg(test)]
mod fixtures;
