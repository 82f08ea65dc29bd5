//! Pools: one task per pool connection, which owns the machine towards it, its socket and its outstanding shares.
//!
//! A task connects, logs in, hands jobs to its route, writes the shares that sessions hand over and books the pool's
//! verdicts. It reconnects by itself and asks for its old session back; it does not decide which pool a route mines on.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use loka_api::runtime_config::{Pool, PoolTimeouts, VersionRolling};
use loka_stratum::downstream::HandOver;
use loka_stratum::job::PoolContext;
use loka_stratum::message::Notify;
use loka_stratum::share::VerifiedShare;
use loka_stratum::types::{SourceId, VersionMask};
use loka_stratum::upstream::Timeouts;
use loka_stratum::work::Now;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::sink::ledger::{DueShare, Lost};
use crate::telemetry::reasons::PoolDownReason;

mod addresses;
mod asking;
mod connection;
mod facts;
mod held;
mod names;
mod pulse;
mod record;
mod sequel;
mod socks5;
mod task;
#[cfg(test)]
mod tests;
mod unsettled;
mod wishes;

pub(crate) use self::asking::{QUESTIONS_MAX, Question, Reply, Word};
pub(crate) use self::facts::Facts;
pub(crate) use self::held::{HOLD_MAX, give_up};
pub(crate) use self::pulse::{Pulse, Spent, Stay};
pub(crate) use self::record::ShareRecord;
pub(crate) use self::sequel::Sequel;
pub(crate) use self::task::{PoolTask, TaskParts};
pub(crate) use self::wishes::Wanted;

/// Shares that may wait for a pool's task. Sessions wait for their own before they read on, so this bounds nothing that
/// an honest farm reaches: it is one share for each of as many miners.
pub(crate) const SUBMITS_MAX: usize = 4096;

/// Blocks that may wait beyond the bound of shares, in each place where shares wait.
pub(crate) const BLOCKS_MAX: usize = 64;

/// Updates that may wait for a route; its task does nothing slow.
pub(crate) const UPDATES_MAX: usize = 256;

/// A pool as its route knows it: where shares for its jobs go.
#[derive(Debug)]
pub(crate) struct PoolHandle {
    pub(crate) id: PoolId,
    pub(crate) name: Arc<str>,
    pub(crate) account: Arc<str>,
    pub(crate) submits: mpsc::Sender<Handoff>,
    pub(crate) questions: mpsc::Sender<Question>,
    /// Whether it is told miners' names. Changes with the configuration; only a hint, for the task decides.
    pub(crate) wants_names: AtomicBool,
    /// When it was last heard of.
    pub(crate) pulse: Arc<Pulse>,
}

// === impl PoolHandle ===

impl PoolHandle {
    /// Hands a share to the pool's task.
    ///
    /// # Errors
    /// Why it is lost, with the share, when the task has ended or so many wait that there is only room for blocks.
    pub(crate) fn hand_over(&self, handoff: Handoff) -> Result<(), Box<(Lost, Handoff)>> {
        if self.submits.capacity() <= BLOCKS_MAX && !handoff.share.block_candidate() {
            return Err(Box::new((Lost::Backlog, handoff)));
        }
        self.submits.try_send(handoff).map_err(|refused| {
            Box::new(match refused {
                TrySendError::Full(handoff) => (Lost::Backlog, handoff),
                TrySendError::Closed(handoff) => (Lost::SessionLost, handoff),
            })
        })
    }

    /// Asks whether the pool lets a miner in; what it cannot be asked is unsaid.
    pub(crate) fn ask(&self, question: Question) {
        // A question that is dropped is answered.
        self.questions.try_send(question).ok();
    }
}

/// A pool task, unique in the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PoolId(pub(crate) u32);

/// A share on its way to its pool.
#[derive(Debug)]
pub(crate) struct Handoff {
    pub(crate) share: Box<VerifiedShare>,
    /// Absent for a stale block candidate, which is booked as rejected already.
    pub(crate) due: Option<DueShare>,
    /// Who found it; absent where the pool is not told.
    pub(crate) miner: Option<Arc<str>>,
    /// Told when the pool's socket has the share; absent when nobody waits for that.
    pub(crate) answer: Option<oneshot::Sender<HandOver>>,
    /// What follows from the pool's verdict.
    pub(crate) sequel: Sequel,
    /// What its trace needs; absent when traces are off.
    pub(crate) record: Option<Box<ShareRecord>>,
}

/// A share that was written, and whose verdict is awaited.
#[derive(Debug)]
struct InFlight {
    share: Box<VerifiedShare>,
    due: Option<DueShare>,
    record: Option<Box<ShareRecord>>,
    sequel: Sequel,
    /// The further login that it went under; absent for the plain one.
    login: Option<Arc<str>>,
    /// When it was written for the first time.
    written: Instant,
    time: Time,
}

/// Which time a share is submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    First,
    Again,
}

/// What a pool's task tells its route.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) pool: PoolId,
    pub(crate) news: News,
}

#[derive(Debug)]
pub(crate) enum News {
    /// Connecting, for the first time or again.
    Connecting,
    /// No connection; `source` was the session that ended, which may yet be resumed.
    Down { source: Option<SourceId>, reason: PoolDownReason, detail: String, notice: Notice },
    /// A job of session `source`.
    Job { source: SourceId, notify: Box<Notify>, context: PoolContext, now: Now },
    /// Its name stands for another address, where somebody answers; the connection to the old one still works. It is to be
    /// replaced by a new one first.
    Moved,
    /// A job of session `source` that must not be mined on, for the coinbase does not pay whom it must. The jobs before it
    /// are what they were.
    Unfit { source: SourceId, detail: String },
    /// Logged in; jobs will follow. The same `source` as before if the session was resumed.
    Ready { source: SourceId, version_mask: VersionMask },
}

/// Whether people should hear of a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// It cannot be used, and it is said.
    Loud,
    /// It cannot be used at this moment; what is shown of it stays, for the next try comes at once. Either that works, or a
    /// loud word follows.
    Quiet,
}

// === impl PoolId ===

impl PoolId {
    /// The name of its `session`-th session.
    pub(crate) fn source(self, session: u32) -> SourceId {
        SourceId(u64::from(self.0) << 32 | u64::from(session))
    }

    /// Whose session `source` is.
    pub(crate) fn of(source: SourceId) -> Self {
        Self(u32::try_from(source.0 >> 32).unwrap_or(u32::MAX))
    }
}

// === impl Handoff ===

impl Handoff {
    /// The session that the share's job came from.
    pub(crate) fn source(&self) -> SourceId {
        self.share.job().source
    }

    pub(crate) fn answer(&mut self, result: HandOver) {
        if let Some(answer) = self.answer.take() {
            // A session that is gone needs no answer; the share is booked all the same.
            answer.send(result).ok();
        }
    }
}

/// The limits of a pool in the core's terms.
pub(crate) fn timeouts(timeouts: &PoolTimeouts) -> Timeouts {
    Timeouts {
        handshake: Duration::from_millis(timeouts.handshake_ms),
        first_job: Duration::from_millis(timeouts.first_job_ms),
        job_silence: Duration::from_millis(timeouts.job_silence_ms),
        submit: Duration::from_millis(timeouts.submit_ms),
    }
}

/// The version bits to ask a pool for.
pub(crate) fn wanted_mask(pool: &Pool, route_mask: u32) -> VersionMask {
    match pool.version_rolling {
        VersionRolling::Enabled => VersionMask(route_mask),
        VersionRolling::Disabled => VersionMask::NONE,
    }
}

/// A tokio instant for a timer of the core.
pub(crate) fn at(instant: Instant) -> tokio::time::Instant {
    tokio::time::Instant::from_std(instant)
}
