//! What became of each ticket, as machines, pools and the wire saw it.
//!
//! Three witnesses enter what they saw, none of which asks the proxy: the machine that emitted the
//! ticket, the pools' judges, and whoever watches the connections from a proxy to the pools. This
//! module only keeps; what it comes to is for [`super::judgement`].

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::plan::PoolId;
use super::tickets::TicketId;
use crate::judge::{Reason, Verdict};
use crate::pool::{Judged, ShareKey};

/// What a machine did with a ticket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It had no job.
    NoJob,
    /// It was powering up.
    Ramp,
    /// The difficulty that it was told hid it.
    Hidden,
    /// It was written to the connection.
    Submitted,
}

/// What the machine was answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    None,
    Yes,
    /// With this code of the refusal, where there was one.
    No(Option<i64>),
}

/// What a pool's judge said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AtPool {
    NotSeen,
    /// So many times, on the account meant for that pool.
    Credited(u8),
    /// On another account.
    Misdirected,
    Refused(Reason),
}

/// One ticket.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub ticket: TicketId,
    /// When it was due.
    pub at: Duration,
    pub fate: Fate,
    pub answer: Answer,
    pub pool: AtPool,
    /// A proxy wrote it into a connection to a pool.
    pub left_proxy: bool,
    /// It was refused while a pool would have paid it.
    pub wrongly_refused: bool,
}

/// A ticket's place in its book.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place(usize);

/// The records of one farm.
#[derive(Debug)]
pub struct Book {
    /// The accounts meant for the pools.
    accounts: [String; 2],
    /// Machines, the watch on the wire and the pools' reader contend, each for a moment.
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    records: Vec<Record>,
    /// Looked up only: the order of a hash map is never seen.
    submitted: HashMap<ShareKey, Place>,
    /// Tickets beyond [`RECORDS_MAX`].
    dropped: u64,
    /// Shares at pools that nobody emitted.
    unknown: u64,
}

/// A day of 600 machines at a ticket every fifteen seconds.
const RECORDS_MAX: usize = 4 << 20;

// === impl Book ===

impl Book {
    /// For a farm whose pools are to pay these accounts.
    #[must_use]
    pub fn new(accounts: [&str; 2]) -> Self {
        let accounts = accounts.map(str::to_owned);
        Self { accounts, pages: Mutex::default() }
    }

    /// Enters a ticket that was due at `at`.
    pub fn enter(&self, ticket: TicketId, at: Duration, fate: Fate) -> Place {
        let mut pages = self.pages();
        let place = Place(pages.records.len());
        if pages.records.len() >= RECORDS_MAX {
            pages.dropped += 1;
            return place;
        }
        pages.records.push(Record {
            ticket,
            at,
            fate,
            answer: Answer::None,
            pool: AtPool::NotSeen,
            left_proxy: false,
            wrongly_refused: false,
        });
        place
    }

    /// It is about to be written, recognisable by this.
    pub fn submitted(&self, place: Place, key: ShareKey) {
        self.pages().submitted.insert(key, place);
    }

    /// The machine was answered.
    pub fn answered(&self, place: Place, answer: Answer) {
        self.with(place, |record| record.answer = answer);
    }

    /// It was refused, and a pool would have paid it.
    pub fn wrongly_refused(&self, place: Place) {
        self.with(place, |record| record.wrongly_refused = true);
    }

    /// A line that a proxy wrote to a pool.
    pub fn left_proxy(&self, line: &str) {
        let Some(key) = submit_key(line) else { return };
        let mut pages = self.pages();
        if let Some(Place(index)) = pages.submitted.get(&key).copied()
            && let Some(record) = pages.records.get_mut(index)
        {
            record.left_proxy = true;
        }
    }

    /// What a pool judged.
    pub fn judged(&self, pool: PoolId, judged: &Judged) {
        let account = judged.user.split_once('.').map_or(judged.user.as_str(), |(name, _)| name);
        let is_meant = self.accounts.get(pool.index()).is_some_and(|meant| meant == account);
        let mut pages = self.pages();
        let Some(Place(index)) = pages.submitted.get(&judged.key).copied() else {
            pages.unknown += 1;
            return;
        };
        let Some(record) = pages.records.get_mut(index) else { return };
        record.pool = match (judged.verdict, record.pool) {
            (Verdict::Accepted(_), _) if !is_meant => AtPool::Misdirected,
            (Verdict::Accepted(_), AtPool::Credited(times)) => {
                AtPool::Credited(times.saturating_add(1))
            }
            (Verdict::Accepted(_), _) => AtPool::Credited(1),
            // A share sent again after it was paid.
            (Verdict::Rejected(_), paid @ (AtPool::Credited(_) | AtPool::Misdirected)) => paid,
            (Verdict::Rejected(reason), AtPool::NotSeen | AtPool::Refused(_)) => {
                AtPool::Refused(reason)
            }
        };
    }

    /// All tickets by machine and number.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let mut records = self.pages().records.clone();
        records.sort_by_key(|record| record.ticket);
        records
    }

    /// Tickets that found no room, and judged shares that no ticket was entered for: both nought
    /// in a sound experiment.
    #[must_use]
    pub fn strays(&self) -> (u64, u64) {
        let pages = self.pages();
        (pages.dropped, pages.unknown)
    }

    /// How many were entered so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pages().records.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn with(&self, Place(index): Place, act: impl FnOnce(&mut Record)) {
        if let Some(record) = self.pages().records.get_mut(index) {
            act(record);
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The share that a line submits, if it does.
fn submit_key(line: &str) -> Option<ShareKey> {
    if !line.contains("mining.submit") {
        return None;
    }
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |index: usize| line.get("params")?.get(index)?.as_str();
    ShareKey::of(text(2)?, text(3)?, text(4)?)
}
