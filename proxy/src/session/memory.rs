//! The difficulty that fitted each worker when it was last seen, so that it does not begin from nothing when it comes back.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use loka_stratum::difficulty::Difficulty;
use loka_stratum::types::WorkerName;

/// Names of one listener that are remembered.
const NAMES_MAX: usize = 16_384;

/// Of a name in memory: twenty letters, counts of references, and what an allocator rounds.
const NAME_BYTES: usize = 48;

/// For how long: machines are moved and tuned.
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 3600);

/// What is remembered of a listener's workers.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Contended when miners connect and leave or their difficulty changes, never by a share.
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    /// Looked up only.
    known: HashMap<Arc<str>, Entry>,
    /// By when each was last noted.
    turns: BTreeMap<u64, Arc<str>>,
    turn: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    difficulty: Difficulty,
    at: Instant,
    turn: u64,
}

// === impl Memory ===

impl Memory {
    /// Bytes of the table, with names of an ordinary length.
    pub(crate) fn bytes(&self) -> usize {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.known.capacity() * (size_of::<(Arc<str>, Entry)>() + 1);
        let each = size_of::<(u64, Arc<str>)>() + NAME_BYTES;
        known + names.turns.len() * each
    }

    /// Takes note of what fits a worker. The name that was noted longest ago may be forgotten.
    pub(super) fn note(&self, now: Instant, worker: &WorkerName, difficulty: Difficulty) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let names = &mut *names;
        names.turn += 1;
        let entry = Entry { difficulty, at: now, turn: names.turn };
        let name = match names.known.get_key_value(worker.as_str()) {
            Some((name, former)) => {
                names.turns.remove(&former.turn);
                Arc::clone(name)
            }
            None => worker.as_str().into(),
        };
        names.known.insert(Arc::clone(&name), entry);
        names.turns.insert(names.turn, name);
        if names.known.len() > NAMES_MAX
            && let Some((_, oldest)) = names.turns.pop_first()
        {
            names.known.remove(&oldest);
        }
    }

    /// What fitted a worker, unless that is too long ago.
    pub(super) fn recall(&self, now: Instant, worker: &WorkerName) -> Option<Difficulty> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = names.known.get(worker.as_str())?;
        let age = now.saturating_duration_since(entry.at);
        (age < REMEMBERED_FOR).then_some(entry.difficulty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(name: &str) -> WorkerName {
        WorkerName::from_peer(name).unwrap()
    }

    fn difficulty(number: u32) -> Difficulty {
        Difficulty::parse(&number.to_string()).unwrap()
    }

    #[test]
    fn a_worker_is_remembered_for_a_day() {
        let memory = Memory::default();
        let now = crate::clock::Clock::System.now().instant;
        let (a, b) = (worker("acct.a"), worker("acct.b"));
        memory.note(now, &a, difficulty(8));
        memory.note(now, &a, difficulty(16));
        assert_eq!(memory.recall(now, &a), Some(difficulty(16)));
        assert_eq!(memory.recall(now, &b), None);
        let nearly = now + REMEMBERED_FOR - Duration::from_secs(1);
        assert_eq!(memory.recall(nearly, &a), Some(difficulty(16)));
        assert_eq!(memory.recall(now + REMEMBERED_FOR, &a), None);
    }

    #[test]
    fn names_are_bounded_and_the_one_noted_longest_ago_goes() {
        let memory = Memory::default();
        let now = crate::clock::Clock::System.now().instant;
        let (first, second) = (worker("first"), worker("second"));
        memory.note(now, &first, difficulty(1));
        memory.note(now, &second, difficulty(1));
        memory.note(now, &first, difficulty(2));
        for number in 0..NAMES_MAX - 1 {
            memory.note(now, &worker(&format!("w{number}")), difficulty(3));
        }
        assert_eq!(memory.recall(now, &first), Some(difficulty(2)));
        assert_eq!(memory.recall(now, &second), None);
        let names = memory.names.lock().unwrap();
        assert_eq!((names.known.len(), names.turns.len()), (NAMES_MAX, NAMES_MAX));
    }
}
