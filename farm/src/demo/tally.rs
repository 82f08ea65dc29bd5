//! Counts the shares that miners found, by the pool that their job came from: the denominator of paid work.
//!
//! A job's pool is read from the coinbase that is hashed, where each practice pool writes its name: neither the proxy nor
//! its ledger is asked.

use std::sync::{Mutex, PoisonError};

use loka_farm::miner::target::Target;
use loka_farm::miner::ticket::{Ticket, TicketSink};

/// A practice pool, as its jobs show it.
#[derive(Clone, Debug)]
struct Payer {
    name: &'static str,
    target: Target,
    worth: u64,
}

/// The count.
#[derive(Debug)]
pub(super) struct Tally {
    easiest: Target,
    /// Every miner's task adds, one reader reads: a short lock, never held across an await.
    payers: Mutex<Vec<Payer>>,
}

// === impl Tally ===

impl Tally {
    /// Pools by name and target, and the easiest of the targets.
    pub(super) fn new(pools: &[(&'static str, Target)], easiest: Target) -> Self {
        let payer =
            |(name, target): &(&'static str, Target)| Payer { name, target: *target, worth: 0 };
        Self { easiest, payers: Mutex::new(pools.iter().map(payer).collect()) }
    }

    /// Shares found so far that meet their pool's target.
    pub(super) fn worth(&self) -> u64 {
        let payers = self.payers.lock().unwrap_or_else(PoisonError::into_inner);
        payers.iter().map(|payer| payer.worth).sum()
    }
}

impl TicketSink for Tally {
    fn ticket(&self, ticket: Ticket) {
        let mut payers = self.payers.lock().unwrap_or_else(PoisonError::into_inner);
        let payer = payers.iter_mut().find(|payer| holds(&ticket, payer.name.as_bytes()));
        if let Some(payer) = payer.filter(|payer| payer.target.is_met_by(&ticket.hash)) {
            payer.worth += 1;
        }
    }

    fn interest(&self) -> Option<Target> {
        Some(self.easiest)
    }
}

fn holds(ticket: &Ticket, name: &[u8]) -> bool {
    let parts = [&ticket.job.coinb1, &ticket.job.coinb2];
    parts.iter().any(|part| part.windows(name.len()).any(|window| window == name))
}
