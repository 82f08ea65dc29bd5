//! Which pool is behind: the blocks that each pool's jobs built on, in the order in which they were first seen.
//!
//! A pool is behind another one that was on its block, too, and has moved on to one that it has never been on. So only a
//! hash that is new makes a leader, and neither a pool that comes late to a block, nor two pools on rival blocks, nor
//! pools of different chains are ever taken for one that leads or lags. Takes no clock and knows no pool's name.

use std::collections::VecDeque;
use std::time::Instant;

use loka_stratum::types::PrevHash;

/// Blocks that are remembered of one pool: five hours of them.
const BLOCKS_MAX: usize = 32;

/// The blocks of one pool.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlockHistory {
    current: Option<PrevHash>,
    /// The earliest first; each once, with the time when it was first seen.
    seen: VecDeque<(PrevHash, Instant)>,
}

// === impl BlockHistory ===

impl BlockHistory {
    /// A job on `block`. True when the pool was not on it before.
    pub(crate) fn saw(&mut self, now: Instant, block: PrevHash) {
        self.current = Some(block);
        if self.place(&block).is_some() {
            return;
        }
        if self.seen.len() >= BLOCKS_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back((block, now));
    }

    /// Since when `other` is on a block after this pool's; none while this pool is not behind it.
    pub(crate) fn behind_since(&self, other: &Self) -> Option<Instant> {
        let (mine, theirs) = (self.current?, other.current?);
        let (from, to) = (other.place(&mine)?, other.place(&theirs)?);
        if to <= from || self.place(&theirs).is_some() {
            return None;
        }
        let after = other.seen.iter().skip(from + 1).take(to - from);
        after.filter(|(block, _)| self.place(block).is_none()).map(|(_, at)| *at).next()
    }

    fn place(&self, block: &PrevHash) -> Option<usize> {
        self.seen.iter().position(|(seen, _)| seen == block)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn history(start: Instant, blocks: &[(u64, u8)]) -> BlockHistory {
        let mut history = BlockHistory::default();
        for (at, block) in blocks {
            history.saw(start + Duration::from_secs(*at), hash(*block));
        }
        history
    }

    fn hash(block: u8) -> PrevHash {
        PrevHash::from_notify_hex(&format!("{block:02x}").repeat(32)).unwrap()
    }

    /// `mine` and `theirs`: when a pool first sent a job on which block.
    #[track_caller]
    fn check(mine: &[(u64, u8)], theirs: &[(u64, u8)], behind_since: Option<u64>) {
        let start = Instant::now();
        let (mine, theirs) = (history(start, mine), history(start, theirs));
        let since = mine.behind_since(&theirs).map(|at| at.duration_since(start).as_secs());
        assert_eq!(since, behind_since);
        if behind_since.is_some() {
            assert_eq!(theirs.behind_since(&mine), None, "two pools cannot be behind each other");
        }
    }

    #[test]
    fn a_pool_is_behind_one_that_has_left_its_block_for_a_new_one() {
        check(&[(0, 1)], &[(0, 1), (60, 2)], Some(60));
        check(&[(0, 1)], &[(0, 1), (60, 2), (90, 3)], Some(60));
        check(&[(0, 1), (61, 2)], &[(0, 1), (60, 2)], None);
        check(&[(0, 1), (61, 2)], &[(0, 1), (60, 2), (90, 3)], Some(90));
    }

    #[test]
    fn a_pool_that_comes_late_to_a_block_does_not_lead() {
        check(&[(0, 1), (60, 2)], &[(0, 1)], None);
        check(&[(0, 1), (60, 2), (70, 3)], &[(0, 1), (90, 2)], None);
        // One that goes back to an earlier block has been on both.
        check(&[(0, 1), (60, 2), (70, 1)], &[(0, 1), (60, 2)], None);
    }

    #[test]
    fn rival_blocks_and_other_chains_make_nobody_late() {
        check(&[(0, 1), (60, 2)], &[(0, 1), (61, 3)], None);
        check(&[(0, 1), (60, 2)], &[(0, 11), (61, 12)], None);
        check(&[], &[(0, 1)], None);
        // The rival block won, and the one who was on it is not late to its own.
        check(&[(0, 1), (60, 2), (600, 4)], &[(0, 1), (61, 3), (601, 4)], None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let blocks: Vec<(u64, u8)> = (0..200).map(|n| (u64::from(n), n)).collect();
        let history = history(Instant::now(), &blocks);
        assert_eq!(history.seen.len(), BLOCKS_MAX);
        assert_eq!(history.current, Some(hash(199)));
    }
}
