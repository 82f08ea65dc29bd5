//! Sessions whose miner may come back: those that have ended lately, and those that are still up and would give way.
//!
//! A listener has one table. What a session leaves is taken from it once, so two connections never have the same session.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use loka_stratum::downstream::{Resumable, Resume, SessionToken};

use super::card::Card;

/// How long what a session left is kept: cgminer sends its shares again for two minutes, and no job is worked on for
/// longer than this. Its ids stay its own as long.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// Sessions of one listener that are kept after their end. Each is some hundred bytes and its shares of the last blocks.
const ENDED_MAX: usize = 16_384;

/// The sessions of a listener.
#[derive(Debug, Default)]
pub(crate) struct Resumables {
    /// Contended when miners connect and leave, never by a share.
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// Looked up only.
    known: HashMap<SessionToken, Known>,
    /// When each of those that have ended is given up, soonest first. One that was resumed is still named here.
    ended: VecDeque<(Instant, SessionToken)>,
    /// Of what has ended and is still kept.
    bytes: usize,
}

#[derive(Debug)]
enum Known {
    Ended { until: Instant, session: Box<Resumable> },
    Live(Arc<Card>),
}

// === impl Resumables ===

impl Resumables {
    /// A session is up under this name, and is told by its card to give way.
    pub(super) fn began(&self, token: SessionToken, card: &Arc<Card>) {
        self.lock().known.insert(token, Known::Live(Arc::clone(card)));
    }

    /// A session that may not be resumed has ended.
    pub(super) fn ended(&self, token: SessionToken) {
        self.lock().known.remove(&token);
    }

    /// Keeps what a session has left.
    pub(super) fn keep(&self, now: Instant, session: Box<Resumable>) {
        let (token, until) = (session.token(), now + KEPT_FOR);
        let mut table = self.lock();
        table.bytes += session.bytes();
        table.known.insert(token, Known::Ended { until, session });
        table.ended.push_back((until, token));
    }

    /// What a miner left that was given this name, or that it has to wait for it a moment.
    pub(super) fn resume(&self, now: Instant, name: &str) -> Resume {
        let Some(token) = SessionToken::parse(name) else { return Resume::Unknown };
        let mut table = self.lock();
        match table.known.remove(&token) {
            Some(Known::Ended { until, session }) if now < until => {
                table.bytes = table.bytes.saturating_sub(session.bytes());
                Resume::Ready(session)
            }
            Some(Known::Live(card)) => {
                card.claim();
                table.known.insert(token, Known::Live(card));
                Resume::Busy
            }
            Some(ended @ Known::Ended { .. }) => {
                // Its ids are yet to be taken back.
                table.known.insert(token, ended);
                Resume::Unknown
            }
            None => Resume::Unknown,
        }
    }

    /// Takes out those whose time is over, and the oldest beyond the bound, whose ids are then nobody's.
    pub(super) fn given_up(&self, now: Instant) -> Vec<Resumable> {
        let mut table = self.lock();
        let mut given_up = Vec::new();
        while let Some((until, token)) = table.ended.front().copied()
            && (until <= now || table.ended.len() > ENDED_MAX)
        {
            table.ended.pop_front();
            let is_this =
                |known: &Known| matches!(known, Known::Ended { until: at, .. } if *at == until);
            if table.known.get(&token).is_some_and(is_this)
                && let Some(Known::Ended { session, .. }) = table.known.remove(&token)
            {
                table.bytes = table.bytes.saturating_sub(session.bytes());
                given_up.push(*session);
            }
        }
        given_up
    }

    /// Bytes of the table and of what it keeps.
    pub(crate) fn bytes(&self) -> usize {
        let table = self.lock();
        let known = table.known.capacity() * (size_of::<(SessionToken, Known)>() + 1);
        let ended = table.ended.capacity() * size_of::<(Instant, SessionToken)>();
        known + ended + table.bytes
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
