//! What a miner tells of each share that it finds, for the accounting of paid work.
//!
//! Owns the report. Which of them a pool should have paid is for whoever collects them to say.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::job::Job;
use super::target::Target;

/// One share found.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// The miner.
    pub worker: Arc<str>,
    /// Since the miner was powered on.
    pub at: Duration,
    /// When its job came, likewise, in whole seconds.
    pub job_came: Duration,
    /// As hashed.
    pub header: [u8; 80],
    /// In internal order: a little-endian number.
    pub hash: [u8; 32],
    /// As hashed.
    pub coinbase: Vec<u8>,
    /// As the miner was given it.
    pub job: Arc<Job>,
    /// What the miner did with it.
    pub fate: Fate,
}

/// What the miner did with a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It met the sink's interest but not the miner's difficulty.
    Hidden,
    /// It was written to the connection.
    Submitted,
}

/// Takes the tickets of many miners.
pub trait TicketSink: Send + Sync {
    /// Called for each share, from the miner's own task: it must not block.
    fn ticket(&self, ticket: Ticket);

    /// Hashes that meet this target are reported even where the miner's difficulty hides them.
    fn interest(&self) -> Option<Target> {
        None
    }
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoTickets;

/// Keeps the newest tickets until they are taken.
#[derive(Debug, Default)]
pub struct TicketLog {
    interest: Option<Target>,
    /// Miners push, one reader takes: a short lock, never held across an await.
    tickets: Mutex<Tickets>,
}

#[derive(Debug, Default)]
struct Tickets {
    kept: VecDeque<Ticket>,
    dropped: u64,
}

/// A farm that finds a hundred shares a second is read ten times in this.
const TICKETS_MAX: usize = 1 << 16;

// === impl NoTickets ===

impl TicketSink for NoTickets {
    fn ticket(&self, _: Ticket) {}
}

// === impl TicketLog ===

impl TicketLog {
    /// One that also wants what meets this target.
    #[must_use]
    pub fn interested_in(target: Target) -> Self {
        Self { interest: Some(target), ..Self::default() }
    }

    /// What came since the last time.
    #[must_use]
    pub fn take(&self) -> Vec<Ticket> {
        self.lock().kept.drain(..).collect()
    }

    /// How many were lost because nobody took them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TicketSink for TicketLog {
    fn ticket(&self, ticket: Ticket) {
        let mut tickets = self.lock();
        if tickets.kept.len() >= TICKETS_MAX {
            tickets.kept.pop_front();
            tickets.dropped += 1;
        }
        tickets.kept.push_back(ticket);
    }

    fn interest(&self) -> Option<Target> {
        self.interest
    }
}
