//! The three sets of books, as assertions.

use loka_farm::miner::counts::MinerCounts;
use loka_farm::pool::PoolCounts;

pub use loka_farm::books::{Counts, Ledger, MinerLinks, Row, total};

/// What must hold of a ledger.
pub trait Books {
    /// It adds up by itself, at any moment.
    fn assert_balanced(&self);
    /// It holds every verdict of the pool that the proxy calls `name`.
    fn assert_agrees_with_pool(&self, name: &str, pool: &PoolCounts);
    /// It holds every share of the miners, with the answer that they were given.
    fn assert_agrees_with_miners(&self, miners: &MinerCounts, links: MinerLinks);
}

// === impl Ledger ===

impl Books for Ledger {
    #[track_caller]
    fn assert_balanced(&self) {
        let found = self.imbalances();
        assert!(found.is_empty(), "{found:#?} in {self:#?}");
    }

    #[track_caller]
    fn assert_agrees_with_pool(&self, name: &str, pool: &PoolCounts) {
        let found = self.compare_with_pool(name, pool);
        assert!(found.is_empty(), "{found:#?}: {:?} {pool:?}", self.total);
    }

    #[track_caller]
    fn assert_agrees_with_miners(&self, miners: &MinerCounts, links: MinerLinks) {
        let found = self.compare_with_miners(miners, links);
        assert!(found.is_empty(), "{found:#?}: {:?} {miners:?}", self.total);
    }
}
