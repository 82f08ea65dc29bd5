//! More connections to a pool, where its extranonce has no room for all miners: each carries a bank of them.
//!
//! They live and die with the first connection to their pool: it alone is chosen, left and judged, and a miner finds by
//! itself which of them carries its work.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loka_stratum::extranonce::Bank;
use loka_stratum::types::{LaneId, SourceId};
use loka_stratum::work::Banks;

use super::route::RouteTask;
use super::slot::Slot;
use crate::seats::Seat;
use crate::upstream::PoolId;

/// Connections to one pool at most: sixteen times the miners that its extranonce can tell apart.
const CONNECTIONS_MAX: u32 = 16;

/// A connection that no miner has needed for this long is closed: its miners have left, and their ids have rested.
const UNNEEDED_AFTER: Duration = Duration::from_secs(900);

/// Miners that are waited for look for their connection this often, where there are so many of them that one pool may not
/// have room for all.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
pub(super) const MANY_SEATS: usize = 128;

/// What a further connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Further {
    /// The first connection to the same pool.
    pub(super) of: PoolId,
    bank: Bank,
    /// When a miner last needed it.
    needed: Instant,
}

// === impl Further ===

impl Further {
    /// Which of its pool's connections it is, counted from one.
    pub(super) fn number(self) -> u32 {
        self.bank.0 + 1
    }
}

// === impl RouteTask ===

impl RouteTask {
    /// As many connections to a pool as there may be.
    pub(super) const BANKS: Banks = Banks(CONNECTIONS_MAX);

    /// Opens the connections that miners need, to every pool of the route, so that a failover finds them open; and closes
    /// those that nobody needs.
    pub(super) fn open_banks(&mut self, now: Instant, seats: &[Arc<Seat>]) {
        let firsts: Vec<(PoolId, u8)> = self
            .slots
            .iter()
            .filter(|slot| slot.further.is_none() && slot.outgoing_until().is_none())
            .filter_map(|slot| Some((slot.handle.id, slot.extranonce2_size()?)))
            .collect();
        for (pool, size) in firsts {
            let needed: BTreeSet<u32> = seats
                .iter()
                .filter_map(|seat| seat.miner()?.bank(size))
                .map(|bank| bank.0)
                .filter(|bank| (1..CONNECTIONS_MAX).contains(bank))
                .collect();
            for bank in needed {
                self.need(now, pool, Bank(bank));
            }
        }
        self.drop_further(|further| now >= further.needed + UNNEEDED_AFTER);
    }

    fn need(&mut self, now: Instant, of: PoolId, bank: Bank) {
        let is_it = |slot: &&mut Slot| {
            slot.further.is_some_and(|further| further.of == of && further.bank == bank)
        };
        if let Some(slot) = self.slots.iter_mut().find(is_it) {
            slot.further = Some(Further { of, bank, needed: now });
            return;
        }
        let Some(at) = self.slots.iter().rposition(|slot| {
            slot.handle.id == of || slot.further.is_some_and(|further| further.of == of)
        }) else {
            return;
        };
        let Some((pool, place)) = self.slot(of).map(|first| (first.pool(), first.place)) else {
            return;
        };
        let config = Arc::clone(&self.config);
        let mut slot = Slot::start(&pool, &config, &mut self.parts.seams, &self.updates_in);
        slot.place = place;
        slot.further = Some(Further { of, bank, needed: now });
        self.board.serve_bank(LaneId(slot.handle.id.0), LaneId(of.0), bank);
        self.slots.insert(at + 1, slot);
    }

    /// The sessions of a pool that can be mined on, the first connection's before all.
    pub(super) fn sources_of(&self, pool: PoolId) -> Vec<SourceId> {
        let first = self.slot(pool).and_then(|slot| slot.source);
        let further = self
            .slots
            .iter()
            .filter(|slot| slot.is_ready())
            .filter(|slot| slot.further.is_some_and(|further| further.of == pool))
            .filter_map(|slot| slot.source);
        first.into_iter().chain(further).collect()
    }

    /// Closes further connections: these, and those whose pool is gone.
    pub(super) fn drop_further(&mut self, gone: impl Fn(&Further) -> bool) {
        let ids: Vec<PoolId> = self.slots.iter().map(|slot| slot.handle.id).collect();
        let is_gone = |slot: &Slot| {
            slot.further.as_ref().is_some_and(|further| gone(further) || !ids.contains(&further.of))
        };
        let (dropped, kept): (Vec<Slot>, Vec<Slot>) =
            std::mem::take(&mut self.slots).into_iter().partition(is_gone);
        self.slots = kept;
        for slot in &dropped {
            self.remove(slot);
        }
    }
}
