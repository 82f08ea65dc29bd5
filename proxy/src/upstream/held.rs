//! Due shares that wait for their pool's session to come back. Bounded in number and in time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use loka_stratum::downstream::HandOver;
use loka_stratum::types::SourceId;

use super::{BLOCKS_MAX, Handoff};
use crate::sink::ledger::{Lost, Unanswered};

/// How long a share waits. Its miner is not answered meanwhile and is read no further, so this is short: a pool that
/// resets is back in tenths of a second.
pub(crate) const HOLD_MAX: Duration = Duration::from_secs(2);

/// Shares that wait at most.
pub(super) const HELD_MAX: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Held(VecDeque<(Instant, Handoff)>);

// === impl Held ===

impl Held {
    pub(super) fn hold(&mut self, now: Instant, handoff: Handoff) {
        let blocks = if handoff.share.block_candidate() { BLOCKS_MAX } else { 0 };
        if self.0.len() < HELD_MAX + blocks {
            self.0.push_back((now + HOLD_MAX, handoff));
        } else {
            give_up(handoff, Lost::Backlog);
        }
    }

    /// When the next one has waited for too long.
    pub(super) fn expires_at(&self) -> Option<Instant> {
        self.0.front().map(|(deadline, _)| *deadline)
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while self.expires_at().is_some_and(|deadline| deadline <= now) {
            if let Some((_, handoff)) = self.0.pop_front() {
                give_up(handoff, Lost::SessionLost);
            }
        }
    }

    /// The shares that session `source` can still take; all others are lost.
    pub(super) fn resume(&mut self, source: SourceId) -> Vec<Handoff> {
        let (resumed, lost): (Vec<_>, Vec<_>) =
            self.0.drain(..).map(|(_, handoff)| handoff).partition(|h| h.source() == source);
        for handoff in lost {
            give_up(handoff, Lost::SessionLost);
        }
        resumed
    }

    pub(super) fn give_up_all(&mut self, reason: Lost) {
        for (_, handoff) in self.0.drain(..) {
            give_up(handoff, reason);
        }
    }
}

/// Books a share that never reached its pool, and tells its miner.
pub(crate) fn give_up(mut handoff: Handoff, reason: Lost) {
    if let Some(due) = handoff.due.take() {
        due.abandoned(Unanswered::ConnectionLost, reason);
    }
    handoff.answer(HandOver::Lost);
}
