//! What a session asks of what it shares with the others: ids, sessions that were broken off, what is known of a worker.

use std::ops::Range;

use super::Resumable;
use crate::difficulty::Difficulty;
use crate::extranonce::{Layout, MinerId};
use crate::types::WorkerName;

/// What the sessions of a listener share. Whoever runs the machines keeps it; it answers at once.
pub trait Registry {
    /// An id of its own in one of these banks of a layout; none if all are taken.
    fn allocate(&self, layout: Layout, banks: Range<u32>) -> Option<MinerId>;

    /// Takes an id back that a live session no longer needs.
    fn release(&self, id: MinerId);

    /// The session that a miner was given this name for.
    fn resume(&self, session: &str) -> Resume {
        let _ = session;
        Resume::Unknown
    }

    /// The difficulty that a worker was last seen to fit.
    fn remembered(&self, worker: &WorkerName) -> Option<Difficulty> {
        let _ = worker;
        None
    }
}

/// What is known of a session that a miner wants back.
#[derive(Debug)]
pub enum Resume {
    /// Its former connection is still up. That has been told to give way; ask again in a moment.
    Busy,
    /// It is the caller's from now on.
    Ready(Box<Resumable>),
    /// Nothing: never given, or too long ago.
    Unknown,
}
