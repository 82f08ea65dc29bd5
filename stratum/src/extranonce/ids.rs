//! Who has which id.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use crate::types::Extranonce;

use super::Layout;

/// The id of a miner's connection: its extranonce1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MinerId {
    value: u32,
    len: u8,
}

/// Hands out ids that nobody else has and that nobody had a moment ago.
///
/// A released id rests before it is handed out again: work that its last owner did may still be on
/// its way, and would look like the new owner's doing.
#[derive(Debug)]
pub struct IdPool {
    id_len: u8,
    /// Where to look next. Going round instead of taking the lowest free id keeps an id unused
    /// for as long as possible.
    next: u32,
    quarantine: Duration,
    taken: BTreeMap<u32, Holder>,
    /// Released ids and when their rest ends, soonest first.
    resting: VecDeque<(Instant, u32)>,
}

/// How long a released id rests if nothing else is wanted: no job is worked on for longer.
pub const DEFAULT_QUARANTINE: Duration = Duration::from_secs(600);

/// Most ids that are held or resting at a time, which bounds the memory that a storm of
/// connections can cost. A process is out of sockets long before.
const IDS_MAX: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Miner,
    Quarantine,
}

// === impl MinerId ===

impl MinerId {
    /// The id with this number in a layout; higher bytes than the layout has are cut off.
    #[must_use]
    pub fn new(layout: Layout, value: u32) -> Self {
        Self { value: value & value_max(layout.id_len()), len: layout.id_len() }
    }

    /// The id as a number.
    #[must_use]
    pub fn value(self) -> u32 {
        self.value
    }

    /// The id as the bytes of the coinbase, most significant first.
    #[must_use]
    pub fn bytes(self) -> Extranonce {
        let [a, b, c, d] = self.value.to_be_bytes();
        let bytes: &[u8] = match self.len {
            1 => &[d],
            2 => &[c, d],
            3 => &[b, c, d],
            _ => &[a, b, c, d],
        };
        Extranonce::from_bytes(bytes).unwrap_or(Extranonce::EMPTY)
    }
}

impl fmt::Display for MinerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().fmt(f)
    }
}

// === impl IdPool ===

impl IdPool {
    /// A pool of the ids of `layout`. `start` is best random, so that a restarted process does not
    /// hand out at once what the one before it did.
    #[must_use]
    pub fn new(layout: Layout, start: u32, quarantine: Duration) -> Self {
        Self {
            id_len: layout.id_len(),
            next: start & value_max(layout.id_len()),
            quarantine,
            taken: BTreeMap::new(),
            resting: VecDeque::new(),
        }
    }

    /// An id of its own; `None` if all are held or resting.
    pub fn allocate(&mut self, now: Instant) -> Option<MinerId> {
        self.end_quarantines(now);
        if self.taken.len() as u64 >= self.capacity() {
            return None;
        }
        // Ends: there are more ids than taken ones.
        while self.taken.contains_key(&self.next) {
            self.advance();
        }
        let value = self.next;
        self.taken.insert(value, Holder::Miner);
        self.advance();
        Some(MinerId { value, len: self.id_len })
    }

    /// Takes an id back. One that is not held is left alone, so a second release does no harm.
    pub fn release(&mut self, now: Instant, id: MinerId) {
        if id.len != self.id_len {
            return;
        }
        if let Some(holder @ Holder::Miner) = self.taken.get_mut(&id.value) {
            *holder = Holder::Quarantine;
            self.resting.push_back((now + self.quarantine, id.value));
        }
    }

    fn end_quarantines(&mut self, now: Instant) {
        while let Some((_, value)) = self.resting.front().filter(|(until, _)| *until <= now) {
            self.taken.remove(value);
            self.resting.pop_front();
        }
    }

    fn capacity(&self) -> u64 {
        (u64::from(value_max(self.id_len)) + 1).min(IDS_MAX)
    }

    fn advance(&mut self) {
        self.next = self.next.wrapping_add(1) & value_max(self.id_len);
    }
}

fn value_max(id_len: u8) -> u32 {
    u32::MAX >> (32 - 8 * u32::from(id_len.clamp(1, 4)))
}
