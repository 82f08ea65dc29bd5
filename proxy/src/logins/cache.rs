//! A table of what was decided, bounded: what was noted longest ago is forgotten first.

use std::collections::{HashMap, VecDeque};

use super::digest::Digest;

/// Looked up only; the order of forgetting is that of noting.
#[derive(Debug)]
pub(super) struct Cache<T> {
    known: HashMap<Digest, (T, u64)>,
    /// Every noting; one that was noted again since is passed over.
    noted: VecDeque<(Digest, u64)>,
    turn: u64,
    max: usize,
}

// === impl Cache ===

impl<T: Copy> Cache<T> {
    pub(super) fn new(max: usize) -> Self {
        Self { known: HashMap::new(), noted: VecDeque::new(), turn: 0, max }
    }

    pub(super) fn recall(&self, digest: Digest) -> Option<T> {
        self.known.get(&digest).map(|(value, _)| *value)
    }

    pub(super) fn note(&mut self, digest: Digest, value: T) {
        self.turn += 1;
        self.known.insert(digest, (value, self.turn));
        self.noted.push_back((digest, self.turn));
        // Twice: so often may each be noted again before what was passed over takes room.
        while self.known.len() > self.max || self.noted.len() > 2 * self.max {
            let Some((oldest, turn)) = self.noted.pop_front() else { return };
            if self.known.get(&oldest).is_some_and(|(_, latest)| *latest == turn) {
                self.known.remove(&oldest);
            }
        }
    }

    pub(super) fn forget(&mut self, digest: Digest) {
        self.known.remove(&digest);
    }
}

#[cfg(test)]
mod tests {
    use super::super::digest::Key;
    use super::*;

    #[test]
    fn a_cache_keeps_what_was_noted_last() {
        let key = Key::new(&mut fastrand::Rng::with_seed(1));
        let digest = |number: u32| key.of(&[&number.to_be_bytes()]);
        let mut cache = Cache::new(4);
        for number in 0..4 {
            cache.note(digest(number), number);
        }
        cache.note(digest(0), 10);
        cache.note(digest(4), 4);
        assert_eq!(cache.recall(digest(0)), Some(10), "noted again");
        assert_eq!(cache.recall(digest(1)), None, "the oldest");
        assert_eq!(cache.recall(digest(4)), Some(4));
        for _ in 0..100 {
            cache.note(digest(4), 5);
        }
        assert!(cache.known.len() <= 4 && cache.noted.len() <= 8);
    }
}
