//! The last blocks that were found, and what became of them. A block is a farm's best moment and its pool's; whoever
//! wonders whether it was credited looks here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use loka_stratum::upstream::PoolReject;
use serde::{Deserialize, Serialize};

use super::ledger::by_label;

/// Blocks that are remembered.
pub const BLOCKS_MAX: usize = 32;

/// What is known of a block when it is found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Found {
    /// When, in Unix seconds.
    pub at: u64,
    /// Its hash, as explorers show it.
    pub hash: String,
    /// Listener of the miner that found it.
    pub listener: String,
    /// Route that it mined for.
    pub route: String,
    /// Pool whose job it is.
    pub pool: String,
    /// Account that the pool credits.
    pub account: String,
    /// The name of the miner.
    pub worker: String,
}

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", tag = "verdict", content = "reason", deny_unknown_fields)]
pub enum Fate {
    /// On its way to the pool.
    Awaited,
    /// The pool took it.
    Accepted,
    /// The pool refused it.
    Rejected(Refusal),
    /// The pool did not say, or never had it.
    Unanswered,
}

/// Why a pool refused a block; shown by its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Refusal(#[serde(with = "by_label")] pub PoolReject);

/// One of the last blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Block {
    /// As it was found.
    #[serde(flatten)]
    pub found: Found,
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// The last blocks, the latest last.
#[derive(Debug, Default)]
pub struct Blocks(
    /// Contended when a block is found, and by status pages.
    Mutex<VecDeque<Arc<Entry>>>,
);

#[derive(Debug)]
struct Entry {
    found: Found,
    fate: Mutex<Fate>,
}

/// A block on its way to its pool. One that is dropped has had no answer.
#[derive(Debug)]
pub struct BlockOnItsWay(Arc<Entry>);

// === impl Blocks ===

impl Blocks {
    /// Takes note of a block.
    pub fn found(&self, found: Found) -> BlockOnItsWay {
        let entry = Arc::new(Entry { found, fate: Mutex::new(Fate::Awaited) });
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if blocks.len() >= BLOCKS_MAX {
            blocks.pop_front();
        }
        blocks.push_back(Arc::clone(&entry));
        BlockOnItsWay(entry)
    }

    /// Adds those of an earlier process, the latest last. What one of them was told that was on its way, nobody knows.
    pub(super) fn add(&self, earlier: Vec<Block>) {
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Block { found, fate } in earlier.into_iter().rev() {
            if blocks.len() < BLOCKS_MAX {
                let fate = if fate == Fate::Awaited { Fate::Unanswered } else { fate };
                blocks.push_front(Arc::new(Entry { found, fate: Mutex::new(fate) }));
            }
        }
    }

    /// The last ones, the latest first.
    pub fn last(&self) -> Vec<Block> {
        let blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let block = |entry: &Arc<Entry>| Block { found: entry.found.clone(), fate: entry.fate() };
        blocks.iter().rev().map(block).collect()
    }
}

// === impl Entry ===

impl Entry {
    fn fate(&self) -> Fate {
        *self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, fate: Fate) {
        let mut known = self.fate.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == Fate::Awaited {
            *known = fate;
        }
    }
}

// === impl BlockOnItsWay ===

impl BlockOnItsWay {
    /// What the pool says.
    pub fn judged(&self, verdict: Result<(), PoolReject>) {
        self.0.settle(match verdict {
            Ok(()) => Fate::Accepted,
            Err(reason) => Fate::Rejected(Refusal(reason)),
        });
    }

    /// Its hash.
    pub fn hash(&self) -> &str {
        &self.0.found.hash
    }
}

impl Drop for BlockOnItsWay {
    fn drop(&mut self) {
        self.0.settle(Fate::Unanswered);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::sink) fn found(hash: &str) -> Found {
        let text = || "x".to_owned();
        Found {
            at: 7,
            hash: hash.to_owned(),
            listener: text(),
            route: text(),
            pool: text(),
            account: text(),
            worker: text(),
        }
    }

    fn shown(blocks: &Blocks) -> Vec<(String, Fate)> {
        blocks.last().into_iter().map(|block| (block.found.hash, block.fate)).collect()
    }

    #[test]
    fn the_last_word_on_a_block_is_its_pools() {
        let blocks = Blocks::default();
        let [one, two, three, four] = ["1", "2", "3", "4"].map(|hash| blocks.found(found(hash)));
        one.judged(Ok(()));
        drop(one);
        two.judged(Err(PoolReject::Stale));
        drop(three);
        let fates = [
            Fate::Awaited,
            Fate::Unanswered,
            Fate::Rejected(Refusal(PoolReject::Stale)),
            Fate::Accepted,
        ];
        let wanted = ["4", "3", "2", "1"].map(str::to_owned).into_iter().zip(fates);
        assert_eq!(shown(&blocks), wanted.collect::<Vec<_>>());
        let json = serde_json::to_value(blocks.last()).unwrap();
        assert_eq!(
            (&json[2]["verdict"], &json[2]["reason"]),
            (&"rejected".into(), &"stale".into())
        );
        drop(four);
    }

    #[test]
    fn the_latest_are_kept() {
        let blocks = Blocks::default();
        for n in 0..100 {
            drop(blocks.found(found(&n.to_string())));
        }
        let kept: Vec<String> = shown(&blocks).into_iter().map(|(hash, _)| hash).collect();
        assert_eq!((kept.len(), &*kept[0], &*kept[31]), (BLOCKS_MAX, "99", "68"));
    }
}
