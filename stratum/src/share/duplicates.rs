//! Shares that were seen before.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use super::VerifiedShare;
use crate::types::PrevHash;

/// The shares of one miner, by the block that they build on: a share can be the same as another only on the same block.
/// Holds no memory until the first.
///
/// Keyed by the header's hash and by nothing that a miner writes: the same share in upper case,
/// with other padding or under another job id is the same share.
#[derive(Debug, Default)]
pub struct SeenShares {
    /// Oldest first.
    generations: Vec<Generation>,
}

/// Whether a share is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// It is.
    New,
    /// It was seen before.
    Seen,
}

#[derive(Debug)]
struct Generation {
    block: PrevHash,
    hashes: Hashes,
}

/// Shares per generation. One generation alone covers seven hours at a share per six seconds.
const GENERATION_MAX: usize = 4096;

/// Generations of one miner. On one block that is nearly an hour at the fastest that the default rate limit lets through,
/// and the difficulty has followed after some seconds.
const GENERATIONS_MAX: usize = 8;

/// Blocks whose shares are kept whether or not a job on them is live: a session that a pool gives back may bring the very
/// work along that it was broken off in.
const BLOCKS_KEPT: usize = 2;

/// Half of a hash: 128 bits do not meet by chance, nor can a miner make them.
type Hashes = HashSet<u128, BuildHasherDefault<Folded>>;

impl SeenShares {
    /// No shares yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Remembers a share, and tells whether it is new. Only shares that met their target come
    /// here: a low share is answered as such each time.
    pub fn insert(&mut self, share: &VerifiedShare) -> Novelty {
        self.insert_key(share.job().notify.prev_hash, key(share))
    }

    /// Forgets the shares on blocks that no live job builds on, but for the latest blocks.
    pub fn age(&mut self, is_live: impl Fn(PrevHash) -> bool) {
        let mut latest: Vec<PrevHash> = Vec::with_capacity(BLOCKS_KEPT);
        for generation in self.generations.iter().rev() {
            if latest.len() < BLOCKS_KEPT && !latest.contains(&generation.block) {
                latest.push(generation.block);
            }
        }
        self.generations
            .retain(|generation| latest.contains(&generation.block) || is_live(generation.block));
    }

    /// Bytes on the heap, as the standard library's tables take them: a power of two of places with a byte of their own each,
    /// of which an eighth stays empty.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |generation: &Generation| {
            let places = generation.hashes.capacity() / 7 * 8;
            places * (size_of::<u128>() + 1)
        };
        self.generations.capacity() * size_of::<Generation>()
            + self.generations.iter().map(of).sum::<usize>()
    }

    fn insert_key(&mut self, block: PrevHash, key: u128) -> Novelty {
        // The latest of a block is the one that may have room.
        let mut of_block = self.generations.iter_mut().rev().filter(|it| it.block == block);
        let latest = of_block.next();
        if of_block.any(|full| full.hashes.contains(&key)) {
            return Novelty::Seen;
        }
        match latest {
            Some(open) if open.hashes.len() < GENERATION_MAX => {
                return if open.hashes.insert(key) { Novelty::New } else { Novelty::Seen };
            }
            Some(full) if full.hashes.contains(&key) => return Novelty::Seen,
            Some(_) | None => {}
        }
        if self.generations.len() >= GENERATIONS_MAX {
            self.generations.remove(0);
        }
        self.generations.push(Generation { block, hashes: Hashes::from_iter([key]) });
        Novelty::New
    }
}

/// The low half of the number: the high one is zeros, the more the better the share.
fn key(share: &VerifiedShare) -> u128 {
    let hash = share.hash();
    hash.as_bytes().first_chunk().map_or(0, |half| u128::from_le_bytes(*half))
}

/// Hashes that are their own hash: SHA-256 spreads better than anything that would be put on top.
#[derive(Debug, Default)]
struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for word in bytes.as_chunks::<8>().0 {
            self.0 ^= u64::from_le_bytes(*word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u8) -> PrevHash {
        PrevHash::from_notify_hex(&format!("{number:02x}").repeat(32)).unwrap()
    }

    #[test]
    fn a_share_is_new_once() {
        let mut seen = SeenShares::new();
        assert_eq!(seen.insert_key(block(1), 1), Novelty::New);
        assert_eq!(seen.insert_key(block(1), 1), Novelty::Seen);
        assert_eq!(seen.insert_key(block(1), 1 << 64), Novelty::New);
    }

    #[test]
    fn shares_are_kept_while_a_job_on_their_block_is_live_and_for_two_blocks() {
        let mut seen = SeenShares::new();
        for number in 1..=4 {
            assert_eq!(seen.insert_key(block(number), number.into()), Novelty::New);
            seen.age(|live| live == block(1));
        }
        let known = |seen: &SeenShares, number: u8| {
            seen.generations.iter().any(|generation| generation.block == block(number))
        };
        assert_eq!([1, 2, 3, 4].map(|number| known(&seen, number)), [true, false, true, true]);
        assert_eq!(seen.insert_key(block(1), 1), Novelty::Seen, "the job of another lane");
        seen.age(|_| false);
        assert_eq!([1, 2, 3, 4].map(|number| known(&seen, number)), [false, false, true, true]);
        assert_eq!(seen.insert_key(block(3), 3), Novelty::Seen, "a pool may send it once more");
    }

    #[test]
    fn what_is_remembered_on_one_block_is_bounded() {
        let mut seen = SeenShares::new();
        let all = (GENERATIONS_MAX * GENERATION_MAX) as u128;
        for key in 0..all {
            assert_eq!(seen.insert_key(block(1), key), Novelty::New);
        }
        assert_eq!(seen.insert_key(block(1), 0), Novelty::Seen);
        assert_eq!(seen.insert_key(block(1), all), Novelty::New);
        assert_eq!(seen.generations.len(), GENERATIONS_MAX);
        let kept: usize = seen.generations.iter().map(|generation| generation.hashes.len()).sum();
        assert!(kept <= GENERATIONS_MAX * GENERATION_MAX);
        assert_eq!(seen.insert_key(block(1), GENERATION_MAX as u128), Novelty::Seen);
        assert_eq!(seen.insert_key(block(1), 0), Novelty::New, "the oldest are forgotten");
    }

    #[test]
    fn nothing_is_allocated_before_the_first_share() {
        assert_eq!(SeenShares::new().generations.capacity(), 0);
    }
}
