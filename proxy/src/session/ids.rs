//! The extranonce ids of the process: no two live miners share one, and a released one rests before it is given again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use loka_stratum::extranonce::{DEFAULT_QUARANTINE, IdPool, Layout, MinerId};

/// The ids, one pool of them per layout.
#[derive(Debug)]
pub(crate) struct MinerIds {
    /// Contended when miners connect and leave, never by a share.
    pools: Mutex<HashMap<Layout, IdPool>>,
    start: u32,
    quarantine: Duration,
}

// === impl MinerIds ===

impl MinerIds {
    /// Ids from `start` on: a random one, so that a restart does not hand the same ids to other miners at once.
    pub(crate) fn new(start: u32) -> Self {
        Self { pools: Mutex::default(), start, quarantine: DEFAULT_QUARANTINE }
    }

    /// An id that no live miner has.
    pub(crate) fn allocate(&self, now: Instant, layout: Layout) -> Option<MinerId> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools
            .entry(layout)
            .or_insert_with(|| IdPool::new(layout, self.start, self.quarantine))
            .allocate(now)
    }

    /// Gives an id back.
    pub(crate) fn release(&self, now: Instant, layout: Layout, id: MinerId) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get_mut(&layout) {
            pool.release(now, id);
        }
    }
}
