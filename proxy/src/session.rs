//! Miners: one task per connection, which owns the machine towards the miner and its socket.
//!
//! A session reads one watch, holds no buffer while idle, and answers on the thread that owns the socket; only a share
//! that is due crosses to its pool's task. What the machine decides is carried out here and nowhere else: bytes, ledger,
//! telemetry, close.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use loka_stratum::downstream::{Close, Terms};
use loka_stratum::work::Work;

use crate::clock::Clock;
use crate::pipeline::Conduct;
use crate::room::Room;
use crate::seats::Seats;
use crate::sink::ledger::{Ledger, Rows};
use crate::sink::time::TimeRow;
use crate::telemetry::reasons::CloseReason;
use crate::telemetry::{Telemetry, TraceRef};
use crate::upstream::{PoolHandle, PoolId};

mod card;
mod driver;
mod ids;
mod memory;
mod outcome;
mod passage;
mod resumable;
mod shared;
mod switch;
mod time;
mod under_way;
mod visitors;
mod wakes;
mod weight;

pub(crate) use self::card::{Card, Facts, Numbers, SessionId, Sessions};
pub(crate) use self::driver::{Session, SessionParts};
pub(crate) use self::ids::MinerIds;
pub(crate) use self::memory::Memory;
pub(crate) use self::resumable::Resumables;
pub(crate) use self::switch::{Answers, Generation, Opening, Stage, Switch, Switchboard, Way};
pub(crate) use self::visitors::Visitors;

/// All that a session reads: its route's work and its listener's terms, as one value.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    pub(crate) route: Arc<str>,
    pub(crate) stage: Stage,
    pub(crate) generation: Generation,
    pub(crate) answers: Answers,
    pub(crate) work: Work,
    /// Where its miners sit.
    pub(crate) seats: Arc<Seats>,
    pub(crate) terms: Terms,
    pub(crate) conduct: Conduct,
    pub(crate) line_bytes_max: usize,
    pub(crate) pools: Vec<FeedPool>,
    /// Where shares are booked that name no job that we know.
    pub(crate) unknown: Arc<Rows>,
    /// Where the time of its miners is booked.
    pub(crate) time: Arc<TimeRow>,
    /// Miners shall leave, over this window.
    pub(crate) leave: Option<Leave>,
}

/// A pool of the feed: where shares for its jobs go and are booked.
#[derive(Clone, Debug)]
pub(crate) struct FeedPool {
    pub(crate) handle: Arc<PoolHandle>,
    pub(crate) rows: Arc<Rows>,
}

/// An order to every miner of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leave {
    pub(crate) reason: Close,
    pub(crate) window: Duration,
}

/// What all sessions of a listener share.
#[derive(Debug)]
pub(crate) struct SessionContext {
    pub(crate) listener: Arc<str>,
    pub(crate) clock: Clock,
    pub(crate) telemetry: Telemetry,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) ids: Arc<MinerIds>,
    pub(crate) resumables: Resumables,
    pub(crate) memory: Memory,
    pub(crate) miners: AtomicUsize,
    /// Bytes of buffers and of remembered shares, of all of them.
    pub(crate) growth: AtomicUsize,
    /// Of the whole process.
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) visitors: Visitors,
    pub(crate) room: Room,
    pub(crate) switchboard: Switchboard,
}

/// Who a session is with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) trace: TraceRef,
    /// The session's own part, 0 to 1, of any window over which miners are moved.
    pub(crate) spread: f32,
}

// === impl Feed ===

impl Feed {
    /// Where shares for the jobs of `pool` go; none when the configuration has dropped it.
    pub(crate) fn pool(&self, pool: PoolId) -> Option<&FeedPool> {
        self.pools.iter().find(|known| known.handle.id == pool)
    }
}

/// Why a session ended, in the words of telemetry.
fn close_reason(close: Close) -> CloseReason {
    match close {
        Close::Drained => CloseReason::Drained,
        Close::ExtranonceExhausted => CloseReason::ExtranonceExhausted,
        Close::HandshakeTimeout => CloseReason::HandshakeTimeout,
        Close::Idle => CloseReason::Idle,
        Close::Kicked => CloseReason::Kicked,
        Close::LayoutChanged => CloseReason::LayoutChanged,
        Close::ListenerRemoved => CloseReason::ListenerRemoved,
        Close::Malformed => CloseReason::TooManyMalformed,
        Close::NoPool => CloseReason::NoPool,
    }
}
