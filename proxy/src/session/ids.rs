//! The extranonce ids of the process: no two live miners share one, and a released one rests before it is given again.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use loka_stratum::extranonce::{DEFAULT_QUARANTINE, IdPool, Layout, MinerId};

/// The ids, of all layouts together.
#[derive(Debug)]
pub(crate) struct MinerIds {
    /// Contended when miners connect and leave, never by a share.
    pool: Mutex<IdPool>,
}

// === impl MinerIds ===

impl MinerIds {
    /// Ids from `start` on: a random one, so that a restart does not hand the same ids to other miners at once.
    pub(crate) fn new(start: u32) -> Self {
        Self { pool: Mutex::new(IdPool::new(start, DEFAULT_QUARANTINE)) }
    }

    /// An id that no live miner has.
    pub(crate) fn allocate(
        &self,
        now: Instant,
        layout: Layout,
        banks: Range<u32>,
    ) -> Option<MinerId> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).allocate(now, layout, banks)
    }

    /// Gives an id back.
    pub(crate) fn release(&self, now: Instant, id: MinerId) {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).release(now, id);
    }
}
