//! Jobs: a pool's work in the form in which miners are given it.
//!
//! A [`Job`] is immutable and complete. All that a share for it must be judged by is inside,
//! captured when the pool sent it, so a share can never be held to a newer difficulty, extranonce
//! or mask than its job had. Which jobs are current is [`JobTable`]'s business; who is sent
//! which, the sessions'.

mod coinbase;
mod digest;
mod header;
mod lines;
mod merkle;
mod payout;
mod table;

use std::sync::Arc;

use thiserror::Error;

use crate::difficulty::{Difficulty, Target};
use crate::extranonce::{Bank, MinerId, Sharing};
use crate::message::Notify;
use crate::types::{Extranonce, JobSerial, NTime, Nonce, SourceId, UnixTime, Version, VersionMask};

use coinbase::Coinbase;
use lines::NotifyLines;

pub use header::Header;
pub use payout::{Payout, PayoutError};
pub use table::{JobTable, LATE, Lookup};

/// A job as miners are given it.
#[derive(Debug)]
pub struct Job {
    /// Our id for it, which is what miners see.
    pub serial: JobSerial,
    /// The session that it came from, and to which its shares belong.
    pub source: SourceId,
    /// What miners are sent: the pool's notify with E1 at the end of `coinb1`, where the pad of each miner follows. The
    /// job id is still the pool's.
    pub notify: Notify,
    /// Bytes that the pool leaves.
    pub extranonce2_size: u8,
    /// Which miners it is for.
    pub bank: Bank,
    /// Whether several miners work on the connection to its pool.
    pub sharing: Sharing,
    /// The pool's difficulty when it sent the job.
    pub pool_difficulty: Difficulty,
    /// The target of that difficulty: at it or below, a share is paid.
    pub pool_target: Target,
    /// The network's target: at it or below, a share is a block.
    pub network_target: Target,
    /// The version bits that the pool let miners roll when it sent the job.
    pub version_mask: VersionMask,
    /// When the pool sent it.
    pub received_at: UnixTime,
    /// The time that the pool gave it. A repeat has a later one in `notify`; the pool judges a
    /// share by this one.
    pub pool_ntime: NTime,
    coinbase: Coinbase,
    lines: NotifyLines,
}

/// What holds of a session when a job arrives on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolContext {
    /// The pool's part of the extranonce.
    pub extranonce1: Extranonce,
    /// Bytes that are left to us.
    pub extranonce2_size: u8,
    /// The difficulty in force.
    pub difficulty: Difficulty,
    /// The version bits in force; none if not negotiated.
    pub version_mask: VersionMask,
    /// The wall clock.
    pub received_at: UnixTime,
}

/// A pool that leaves too few bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LayoutMisfit {
    /// For the layout of the route.
    #[error(
        "the pool leaves {given} bytes of extranonce2 and the layout needs {needed}: \
         choose a smaller layout for the route, or take this pool out of it"
    )]
    Layout {
        /// What the layout needs.
        needed: u8,
        /// What the pool leaves.
        given: u8,
    },
    /// To share them out.
    #[error(
        "the pool leaves {given} byte(s) of extranonce2, and 2 are the least that miners can share: \
         give it a route of mode Dedicated, or take it out of this one"
    )]
    Sharing {
        /// What the pool leaves.
        given: u8,
    },
    /// For what a large miner does between two jobs.
    #[error(
        "the pool leaves {given} byte(s) of extranonce2 and lets {bits} version bits roll: with less than {needed} bits \
         a miner of 200 TH/s is through with a job within a minute; have the pool allow version rolling, or take it \
         out of the route"
    )]
    Space {
        /// What the pool leaves.
        given: u8,
        /// The version bits that roll.
        bits: u32,
        /// How many would do.
        needed: u32,
    },
}

/// Whether a miner is told to drop its earlier jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Clean {
    /// Earlier jobs are still worth something.
    No,
    /// Earlier jobs are worth nothing.
    Yes,
}

// === impl Job ===

impl Job {
    /// Bytes that it takes, the lines that were made of it so far included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Notify { job_id, coinb1, coinb2, branches, .. } = &self.notify;
        let branches = size_of_val::<[[u8; 32]]>(branches);
        let parts = job_id.len() + coinb1.len() + coinb2.len() + branches;
        size_of::<Self>() + parts + self.coinbase.bytes() + self.lines.bytes()
    }

    /// Makes a pool's notify into a job of ours.
    #[must_use]
    pub fn new(
        serial: JobSerial,
        source: SourceId,
        mut notify: Notify,
        pool: &PoolContext,
        bank: Bank,
    ) -> Self {
        notify.coinb1 = coinbase::with_extranonce1(&notify.coinb1, &pool.extranonce1);
        Self {
            serial,
            source,
            extranonce2_size: pool.extranonce2_size,
            bank,
            sharing: Sharing::Shared,
            pool_difficulty: pool.difficulty,
            pool_target: pool.difficulty.target(),
            network_target: Target::from_nbits(notify.nbits),
            version_mask: pool.version_mask,
            received_at: pool.received_at,
            pool_ntime: notify.ntime,
            coinbase: Coinbase::new(&notify.coinb1, pool.extranonce2_size, &notify.coinb2),
            lines: NotifyLines::default(),
            notify,
        }
    }

    /// The same work of the pool under a new id and with a later time, for miners that drop a
    /// pool which is silent for too long. They ignore an id that they know.
    #[must_use]
    pub fn keep_alive(&self, serial: JobSerial, ntime: NTime) -> Self {
        Self {
            serial,
            source: self.source,
            notify: Notify { ntime, clean: false, ..self.notify.clone() },
            extranonce2_size: self.extranonce2_size,
            bank: self.bank,
            sharing: self.sharing,
            pool_difficulty: self.pool_difficulty,
            pool_target: self.pool_target,
            network_target: self.network_target,
            version_mask: self.version_mask,
            received_at: self.received_at,
            pool_ntime: self.pool_ntime,
            coinbase: self.coinbase.clone(),
            lines: NotifyLines::default(),
        }
    }

    /// Whether a miner can work on it: its layout fits, and the job is for its bank.
    #[must_use]
    pub fn serves(&self, miner: MinerId) -> bool {
        let may = self.sharing == Sharing::Alone || !miner.layout().is_for_one();
        may && miner.bank(self.extranonce2_size) == Some(self.bank)
    }

    /// Bytes of a miner's coinbase.
    #[must_use]
    pub fn coinbase_len(&self) -> usize {
        let Notify { coinb1, coinb2, .. } = &self.notify;
        coinb1.len() + usize::from(self.extranonce2_size) + coinb2.len()
    }

    /// The line that a miner with this mask is sent. Those that roll get the version without the
    /// bits that they set; the others get it as it is. Nearly all miners of a job share one of
    /// a few lines, which are made once.
    #[must_use]
    pub fn notify_line(&self, mask: VersionMask, clean: Clean, miner: MinerId) -> Arc<[u8]> {
        let pad = miner.pad(self.extranonce2_size).unwrap_or(Extranonce::EMPTY);
        self.lines.line(self, mask.intersect(self.version_mask), clean, pad)
    }

    /// The root of the merkle tree with a miner's coinbase in it: `extranonce2` is all that the pool leaves, as
    /// [`pool_extranonce2`] fills it.
    ///
    /// [`pool_extranonce2`]: crate::extranonce::pool_extranonce2
    #[must_use]
    pub fn merkle_root(&self, extranonce2: &Extranonce) -> [u8; 32] {
        merkle::root(self.coinbase.txid(extranonce2.as_bytes()), &self.notify.branches)
    }

    /// The header of this job with what a miner fills in.
    #[must_use]
    pub fn header(
        &self,
        merkle_root: [u8; 32],
        version: Version,
        ntime: NTime,
        nonce: Nonce,
    ) -> Header {
        let prev_hash = self.notify.prev_hash;
        Header { version, prev_hash, merkle_root, ntime, nbits: self.notify.nbits, nonce }
    }
}

// === impl Clean ===

impl From<bool> for Clean {
    fn from(clean: bool) -> Self {
        if clean { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
mod tests;
