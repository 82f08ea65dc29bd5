//! The JSON-RPC envelope as Stratum bends it: ids that are echoed byte for byte, error triples,
//! and the lines that we write.
//!
//! Knows no method. What a peer may send is read in [`crate::message`], tolerantly; everything
//! written here has all of its keys, always in the same order.

mod envelope;
pub mod reply;
mod request_id;

use std::fmt;

pub(crate) use envelope::{Envelope, EnvelopeError, Text};
pub use request_id::RequestId;

/// The error codes of Stratum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RejectCode {
    /// Anything without a code of its own.
    Other = 20,
    /// The job is unknown, or stale.
    JobNotFound = 21,
    /// The share was submitted before.
    Duplicate = 22,
    /// The hash does not meet the miner's target.
    LowDifficulty = 23,
    /// The worker is not logged in.
    Unauthorized = 24,
    /// The connection is not subscribed.
    NotSubscribed = 25,
}

impl fmt::Display for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (*self as u8).fmt(f)
    }
}
