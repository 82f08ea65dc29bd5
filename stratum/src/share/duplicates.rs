//! Shares that were seen before.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use super::VerifiedShare;

/// The shares of one miner, as far back as its limit reaches. Holds no memory until the first.
///
/// Keyed by the header's hash and by nothing that a miner writes: the same share in upper case,
/// with other padding or under another job id is the same share.
#[derive(Debug, Default)]
pub struct SeenShares {
    recent: Hashes,
    older: Hashes,
}

/// Whether a share is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// It is.
    New,
    /// It was seen before.
    Seen,
}

/// Shares per generation. One generation alone covers seven hours at a share per six seconds, and
/// three minutes at the fastest that the default rate limit lets through.
const GENERATION_MAX: usize = 4096;

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
        self.insert_key(key(share))
    }

    /// Lets the shares so far be forgotten the next time: for when no job that they were for is live. Not at once, because
    /// a session that a pool gives back may bring the very work along that it was broken off in.
    pub fn age(&mut self) {
        if !self.recent.is_empty() {
            self.older = std::mem::take(&mut self.recent);
        }
    }

    fn insert_key(&mut self, key: u128) -> Novelty {
        if self.older.contains(&key) || !self.recent.insert(key) {
            return Novelty::Seen;
        }
        if self.recent.len() >= GENERATION_MAX {
            self.older = std::mem::take(&mut self.recent);
        }
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

    #[test]
    fn a_share_is_new_once() {
        let mut seen = SeenShares::new();
        assert_eq!(seen.insert_key(1), Novelty::New);
        assert_eq!(seen.insert_key(1), Novelty::Seen);
        assert_eq!(seen.insert_key(1 << 64), Novelty::New);
    }

    #[test]
    fn what_has_aged_twice_is_forgotten() {
        let mut seen = SeenShares::new();
        assert_eq!(seen.insert_key(1), Novelty::New);
        seen.age();
        assert_eq!(seen.insert_key(1), Novelty::Seen);
        seen.age();
        assert_eq!(seen.insert_key(1), Novelty::Seen, "nothing new has taken its place");
        assert_eq!(seen.insert_key(2), Novelty::New);
        seen.age();
        assert_eq!(seen.insert_key(1), Novelty::New);
        assert_eq!(seen.insert_key(2), Novelty::Seen);
    }

    #[test]
    fn at_least_one_generation_and_at_most_two_are_remembered() {
        let mut seen = SeenShares::new();
        for key in 0..3 * GENERATION_MAX as u128 {
            assert_eq!(seen.insert_key(key), Novelty::New);
            assert!(seen.recent.len() + seen.older.len() <= 2 * GENERATION_MAX);
            let oldest_kept = (key + 1).saturating_sub(GENERATION_MAX as u128);
            assert_eq!(seen.insert_key(oldest_kept), Novelty::Seen);
        }
        assert_eq!(seen.insert_key(0), Novelty::New);
    }

    #[test]
    fn nothing_is_allocated_before_the_first_share() {
        let seen = SeenShares::new();
        assert_eq!(seen.recent.capacity() + seen.older.capacity(), 0);
    }
}
