//! The hashes of the shares accepted so far, so that none is paid twice.

use std::collections::{BTreeSet, VecDeque};

use bitcoin::BlockHash;

/// How many accepted shares a judge remembers; beyond it the oldest is forgotten. A million covers
/// ten shares a second for a day, and a share that old is stale anyway.
pub const ACCEPTED_HASHES_MAX: usize = 1 << 20;

/// A bounded set of accepted hashes, oldest first.
#[derive(Clone, Debug)]
pub struct AcceptedHashes {
    set: BTreeSet<BlockHash>,
    order: VecDeque<BlockHash>,
    hashes_max: usize,
}

// === impl AcceptedHashes ===

impl AcceptedHashes {
    pub fn new() -> Self {
        Self::with_limit(ACCEPTED_HASHES_MAX)
    }

    pub fn with_limit(hashes_max: usize) -> Self {
        Self { set: BTreeSet::new(), order: VecDeque::new(), hashes_max }
    }

    pub fn contains(&self, hash: &BlockHash) -> bool {
        self.set.contains(hash)
    }

    pub fn len(&self) -> usize {
        self.set.len()
    }

    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Takes back the newest entry, for a share that was not paid after all.
    pub fn withdraw(&mut self, hash: &BlockHash) {
        if self.order.back() == Some(hash) {
            self.order.pop_back();
            self.set.remove(hash);
        }
    }

    /// Enters a hash; `false` if it was there.
    pub(super) fn insert(&mut self, hash: BlockHash) -> bool {
        if !self.set.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > self.hashes_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        true
    }
}

impl Default for AcceptedHashes {
    fn default() -> Self {
        Self::new()
    }
}
