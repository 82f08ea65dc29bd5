//! One connection as the pool's records know it. It does no IO: lines wait in its outbox.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::judge::Difficulty;

use super::outbox::{Lane, Outbox, Overflow};
use super::session::SessionKey;

/// Names a connection of this pool; it is never given twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub(super) u64);

/// How a connection is to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// With an orderly close.
    Close,
    /// Likewise, but only after everything queued has left.
    CloseOnceSent,
    Reset,
}

/// What has become of a line that was to be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sending {
    Queued,
    /// The peer reads too slowly and is closed for it.
    Overflowed,
    /// The connection is ending; nothing more is said.
    TooLate,
}

/// What a connection's task has to do now.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) bytes: Vec<u8>,
    pub(super) next: Option<Instant>,
    pub(super) ending: Option<Ending>,
}

/// Whether the peer asked to be told of a new extranonce1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ExtranonceNews {
    NotWanted,
    Wanted,
}

/// Whether jobs are sent yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum JobFlow {
    Awaited,
    Flowing,
}

/// A negotiated version mask (BIP310).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Rolling {
    requested: u32,
    granted: u32,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) outbox: Outbox,
    /// Wakes the connection's task when the outbox has something new.
    pub(super) wake: Arc<Notify>,
    pub(super) ending: Option<Ending>,
    /// Interrupts a write that nobody reads once an ending is set.
    pub(super) ended: CancellationToken,
    pub(super) session: Option<SessionKey>,
    pub(super) users: BTreeSet<String>,
    pub(super) user_agent: String,
    /// What the peer asked to roll, and the part of it that is granted now.
    pub(super) rolling: Option<Rolling>,
    pub(super) extranonce_news: ExtranonceNews,
    pub(super) flow: JobFlow,
    /// The difficulty that the peer was last told.
    pub(super) told: Option<Difficulty>,
    pub(super) random: fastrand::Rng,
}

/// A connection as shown to tests and reports.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionView {
    pub id: ConnectionId,
    pub user_agent: String,
    pub users: Vec<String>,
    /// Hex; empty before the subscription.
    pub extranonce1: String,
    pub extranonce2_bytes: usize,
    pub version_mask: Option<u32>,
    pub wants_extranonce_news: bool,
    /// In force from the next job on.
    pub difficulty: Option<Difficulty>,
}

// === impl ConnectionId ===

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection-{}", self.0)
    }
}

// === impl Rolling ===

impl Rolling {
    pub(super) fn grant(requested: u32, mask: u32) -> Self {
        Self { requested, granted: requested & mask }
    }

    /// A new mask of the pool's, within what the peer asked for.
    pub(super) fn regrant(&mut self, mask: u32) -> u32 {
        *self = Self::grant(self.requested, mask);
        self.granted
    }

    pub(super) fn mask(self) -> u32 {
        self.granted
    }
}

// === impl Peer ===

impl Peer {
    pub(super) fn new(seed: u64, ended: CancellationToken) -> Self {
        Self {
            outbox: Outbox::default(),
            wake: Arc::new(Notify::new()),
            ending: None,
            ended,
            session: None,
            users: BTreeSet::new(),
            user_agent: String::new(),
            rolling: None,
            extranonce_news: ExtranonceNews::NotWanted,
            flow: JobFlow::Awaited,
            told: None,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    pub(super) fn send(&mut self, lane: Lane, due: Instant, line: Vec<u8>) -> Sending {
        if self.ending.is_some() {
            return Sending::TooLate;
        }
        self.wake.notify_one();
        match self.outbox.push(lane, due, line) {
            Ok(()) => Sending::Queued,
            Err(Overflow) => {
                self.end(Ending::Reset);
                Sending::Overflowed
            }
        }
    }

    /// The first ending stands, but for one that still waits for its last words.
    pub(super) fn end(&mut self, ending: Ending) {
        if matches!(self.ending, None | Some(Ending::CloseOnceSent)) {
            self.ending = Some(ending);
        }
        if ending != Ending::CloseOnceSent {
            self.ended.cancel();
        }
        self.wake.notify_one();
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Due {
        let bytes = self.outbox.take_due(now);
        let has_more = !bytes.is_empty() || !self.outbox.is_empty();
        let ending = self.ending.filter(|ending| *ending != Ending::CloseOnceSent || !has_more);
        Due { bytes, next: self.outbox.next_due(), ending }
    }

    pub(super) fn drawn_latency(&mut self, base: Duration, jitter: Duration) -> Duration {
        if jitter.is_zero() { base } else { base + jitter.mul_f64(self.random.f64()) }
    }
}
