//! Whether there is room for one more miner: of memory, by what is accounted and what the kernel says, and of descriptors.
//!
//! Newcomers are refused first. Whoever is there keeps the connection, and no share is ever refused for want of room: what a
//! session can grow to is bounded, and a part of the budget is left for it.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

mod kernel;

pub use kernel::budget;

/// How often it is looked what is in use; who comes between two looks is counted.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A miner's task, machine, entries and names, as ADR 0001 has measured it (3.04 KiB), and the card that is seen of it: what it
/// grows by is counted apart.
pub const SESSION_BYTES: u64 = 3_400;

/// What TLS holds of a connection beside: an estimate, of two buffers and the keys.
pub const TLS_BYTES: usize = 16 * 1024;

/// A share on its way, with its job's header and what is owed for it.
pub const SHARE_BYTES: u64 = 512;

/// What allocators take beyond what was asked for, and tables leave empty. `tests/it/degradation.rs` holds it against what a
/// process really grows by.
const OVERHEAD: (u64, u64) = (5, 4);

/// The part of the budget, its last sixteenth, that is for those who are there.
const RESERVED: u64 = 16;

/// Descriptors for pools, the admin server, files and whatever else is not a miner; of a small limit a quarter.
const DESCRIPTORS_RESERVED: u64 = 128;

/// How much there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomLimits {
    /// Bytes of the process. None: as many as there are.
    pub memory: Option<u64>,
}

/// What is accounted, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Miners, their buffers and the shares that are remembered of them.
    pub sessions: u64,
    /// Jobs that shares may still come for, with the lines that were made of them.
    pub jobs: u64,
    /// Shares that wait for a pool, or for its verdict.
    pub queues: u64,
    /// What is remembered of miners who have left, of workers, of addresses, and the rows of the ledger.
    pub tables: u64,
    /// Records that wait to be written.
    pub audit: u64,
}

/// What there is no room of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Descriptors.
    Descriptors,
    /// Memory.
    Memory,
}

/// What was seen last, and the limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomView {
    /// How much memory there may be.
    pub memory: Option<u64>,
    /// How many descriptors there may be, as it was when it was looked last: the limit of a process can be moved.
    pub descriptors: Option<u64>,
    /// What the kernel says that the process has; 0 before the first look.
    pub resident: u64,
    /// Open descriptors.
    pub open: u64,
    /// Of the descriptors: those that no miner is given.
    pub reserved: u64,
    /// What newcomers are refused for now.
    pub lack: Option<Lack>,
}

/// Room, for whoever lets miners in.
#[derive(Clone, Debug, Default)]
pub struct Room(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    limits: RoomLimits,
    /// What the process had before its first miner.
    base: AtomicU64,
    accounted: AtomicU64,
    resident: AtomicU64,
    open: AtomicU64,
    /// 0 where there is no limit, or it is not known.
    descriptors: AtomicU64,
    /// Miners who came since the last look, less those who left.
    more: AtomicI64,
}

/// Somebody's part of a sum, which is taken out when it is dropped.
#[derive(Debug)]
pub(crate) struct Weight {
    sum: Arc<AtomicUsize>,
    own: usize,
}

// === impl MemoryUse ===

impl MemoryUse {
    /// All of it.
    pub fn total(&self) -> u64 {
        let Self { sessions, jobs, queues, tables, audit } = *self;
        [sessions, jobs, queues, tables, audit].into_iter().fold(0, u64::saturating_add)
    }
}

// === impl Room ===

impl Room {
    /// Room within these limits.
    pub fn new(limits: RoomLimits) -> Self {
        Self(Arc::new(Inner { limits, ..Inner::default() }))
    }

    /// Whether there is room for one more, or what there is none of. Nobody is counted for asking: whoever is turned away for
    /// something else takes no room.
    pub(crate) fn look(&self) -> Result<(), Lack> {
        self.lack().map_or(Ok(()), Err)
    }

    /// Counts one who was let in.
    pub(crate) fn arrived(&self) {
        self.0.more.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes out one who is leaving: of a farm that hangs up and dials again at once, each needs one place and not two.
    pub(crate) fn left(&self) {
        self.0.more.fetch_sub(1, Ordering::Relaxed);
    }

    /// What is shown of it.
    pub fn view(&self) -> RoomView {
        let Inner { limits, base: _, accounted: _, resident, open, descriptors: _, more: _ } =
            &*self.0;
        let descriptors = self.descriptors();
        RoomView {
            memory: limits.memory,
            descriptors,
            resident: resident.load(Ordering::Relaxed),
            open: open.load(Ordering::Relaxed),
            reserved: descriptors.map_or(0, reserved),
            lack: self.lack(),
        }
    }

    /// Looks what is in use, beside what `accounted` says, until `stop`.
    pub async fn watch(self, accounted: impl Fn() -> u64 + Send, stop: CancellationToken) {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            // Cancelled: the runtime is going down.
            let Ok(seen) = tokio::task::spawn_blocking(kernel::look).await else { return };
            // A kernel that does not say it leaves what is accounted.
            if let Ok(seen) = seen {
                self.seen(seen, accounted());
            }
        }
    }

    fn seen(&self, seen: kernel::Seen, accounted: u64) {
        let Inner { limits: _, base, accounted: known, resident, open, descriptors, more } =
            &*self.0;
        // Whoever came or went while it was looked is counted twice for a moment, or not at all: a descriptor more or less.
        more.store(0, Ordering::Relaxed);
        if resident.swap(seen.resident, Ordering::Relaxed) == 0 {
            base.store(seen.resident.saturating_sub(charged(accounted)), Ordering::Relaxed);
        }
        known.store(accounted, Ordering::Relaxed);
        open.store(seen.open, Ordering::Relaxed);
        descriptors.store(seen.open_max.unwrap_or(0), Ordering::Relaxed);
    }

    fn descriptors(&self) -> Option<u64> {
        Some(self.0.descriptors.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }

    fn lack(&self) -> Option<Lack> {
        let Inner { limits, base, accounted, resident, open, descriptors: _, more } = &*self.0;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let more = more.load(Ordering::Relaxed);
        if let Some(limit) = self.descriptors()
            && of(open).saturating_add_signed(more) >= limit.saturating_sub(reserved(limit))
        {
            return Some(Lack::Descriptors);
        }
        let line = limits.memory.map(|budget| budget - budget / RESERVED)?;
        let left = line.saturating_sub(of(base));
        let theirs = more.saturating_mul(SESSION_BYTES.cast_signed());
        let accounted = of(accounted).saturating_add_signed(theirs);
        let charged = charged(accounted);
        // What allocators keep of a crowd that has left is used again: it alone keeps nobody out.
        let is_full = charged >= left || (of(resident) >= line && charged >= left / 2);
        is_full.then_some(Lack::Memory)
    }
}

fn charged(accounted: u64) -> u64 {
    let (more, than) = OVERHEAD;
    accounted.saturating_mul(more) / than
}

fn reserved(limit: u64) -> u64 {
    DESCRIPTORS_RESERVED.min(limit / 4)
}

// === impl Weight ===

impl Weight {
    pub(crate) fn of(sum: &Arc<AtomicUsize>) -> Self {
        Self { sum: Arc::clone(sum), own: 0 }
    }

    pub(crate) fn set(&mut self, bytes: usize) {
        weigh(&self.sum, self.own, bytes);
        self.own = bytes;
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Makes a part of a sum as large as it is.
pub(crate) fn weigh(sum: &AtomicUsize, was: usize, is: usize) {
    if is > was {
        sum.fetch_add(is - was, Ordering::Relaxed);
    } else if is < was {
        sum.fetch_sub(was - is, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
