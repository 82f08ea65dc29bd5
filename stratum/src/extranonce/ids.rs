//! Who has which number.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use super::{BANKS_MAX, Layout, MinerId};

/// Hands out numbers that nobody else has and that nobody had a moment ago, of any layout, such that the parts of no two
/// miners overlap in what any pool leaves.
///
/// A released id rests before it is handed out again: work that its last owner did may still be on
/// its way, and would look like the new owner's doing.
#[derive(Debug)]
pub struct IdPool {
    start: u32,
    quarantine: Duration,
    /// By where each part begins.
    taken: BTreeMap<u128, Taken>,
    shelves: BTreeMap<(Layout, u32), Shelf>,
    /// Released ids and when their rest ends, soonest first.
    resting: VecDeque<(Instant, MinerId)>,
}

/// How long a released id rests if nothing else is wanted: no job is worked on for longer.
pub const DEFAULT_QUARANTINE: Duration = Duration::from_secs(600);

/// Most ids that are held or resting at a time, which bounds the memory that a storm of
/// connections can cost. A process is out of sockets long before.
const IDS_MAX: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Taken {
    id: MinerId,
    holder: Holder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Miner,
    Quarantine,
}

/// The ids of one bank of a layout.
#[derive(Debug)]
struct Shelf {
    /// Where to look next. Going round instead of taking the lowest free id keeps an id unused
    /// for as long as possible.
    next: u32,
    /// Of this layout; parts of other layouts may lie here as well.
    taken: u64,
}

// === impl IdPool ===

impl IdPool {
    /// A pool of all ids. `start` is best random, so that a restarted process does not hand out at once what the one
    /// before it did.
    #[must_use]
    pub fn new(start: u32, quarantine: Duration) -> Self {
        Self {
            start,
            quarantine,
            taken: BTreeMap::new(),
            shelves: BTreeMap::new(),
            resting: VecDeque::new(),
        }
    }

    /// An id of its own in one of these banks, the first that has one; none if all are held or resting.
    pub fn allocate(&mut self, now: Instant, layout: Layout, banks: Range<u32>) -> Option<MinerId> {
        if layout.is_for_one() {
            // Nobody else is on its connection, so there is nobody to be told from.
            return Some(MinerId::new(layout, 0));
        }
        self.end_quarantines(now);
        if self.taken.len() >= IDS_MAX {
            return None;
        }
        (banks.start..banks.end.min(BANKS_MAX)).find_map(|bank| self.allocate_in(layout, bank))
    }

    /// Takes an id back. One that is not held is left alone, so a second release does no harm.
    pub fn release(&mut self, now: Instant, id: MinerId) {
        let taken = self.taken.get_mut(&id.position()).filter(|taken| taken.id == id);
        if let Some(Taken { holder: holder @ Holder::Miner, .. }) = taken {
            *holder = Holder::Quarantine;
            self.resting.push_back((now + self.quarantine, id));
        }
    }

    fn allocate_in(&mut self, layout: Layout, bank: u32) -> Option<MinerId> {
        let capacity = capacity(layout);
        let first = MinerId::new(layout, self.start).id();
        let shelf = self.shelves.entry((layout, bank)).or_insert(Shelf { next: first, taken: 0 });
        if shelf.taken >= capacity {
            return None;
        }
        let mut looked = 0;
        while looked < capacity {
            let id = MinerId::new(layout, shelf.next).in_bank(bank);
            let other = overlapping(&self.taken, id);
            let skip = other.map_or(1, |other| ids_within(other, id, capacity));
            shelf.next = MinerId::new(layout, shelf.next.wrapping_add(skip)).id();
            if other.is_none() {
                shelf.taken += 1;
                self.taken.insert(id.position(), Taken { id, holder: Holder::Miner });
                return Some(id);
            }
            looked += u64::from(skip);
        }
        None
    }

    fn end_quarantines(&mut self, now: Instant) {
        while let Some((_, id)) = self.resting.front().copied().filter(|(until, _)| *until <= now) {
            self.resting.pop_front();
            self.taken.remove(&id.position());
            let shelf = (id.layout(), id.layout_bank());
            if let Some(shelf) = self.shelves.get_mut(&shelf) {
                shelf.taken = shelf.taken.saturating_sub(1);
            }
        }
    }
}

/// Ids of one bank.
fn capacity(layout: Layout) -> u64 {
    1 << (8 * u32::from(layout.id_len()))
}

/// Somebody's part that has bytes in common with the part of `id`. Parts are powers of 256 long and begin at a multiple
/// of their length, so of two that overlap one is within the other.
fn overlapping(taken: &BTreeMap<u128, Taken>, id: MinerId) -> Option<MinerId> {
    let end = id.position() + id.extent();
    let (_, Taken { id: last, .. }) = taken.range(..end).next_back()?;
    (last.position() + last.extent() > id.position()).then_some(*last)
}

/// How many ids from `id` on, at least one, are within the part of `other`.
fn ids_within(other: MinerId, id: MinerId, capacity: u64) -> u32 {
    let end = other.position() + other.extent();
    let within = end.saturating_sub(id.position()) / id.extent();
    u32::try_from(within.clamp(1, capacity.into())).unwrap_or(u32::MAX)
}
