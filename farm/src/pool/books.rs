//! The pool's books: what it received, credited and refused, and to whom.
//!
//! They are the truth that a proxy's ledger is compared with, so they are written in one place
//! only, where a verdict is entered.

use std::collections::{BTreeMap, VecDeque};

use crate::judge::{Accepted, AcceptedHashes, Credit, Difficulty, Reason, Verdict};

use super::peer::ConnectionId;

/// User names that get a line of their own; the rest share [`OTHER_USERS`].
pub(super) const USERS_MAX: usize = 65_536;
pub const OTHER_USERS: &str = "(others)";
/// The line of shares under names that were never logged in on their connection.
pub const UNAUTHORIZED_USERS: &str = "(unauthorized)";
/// Accepted shares that are kept one by one, the newest: hours of a test's work.
pub(super) const SHARES_KEPT_MAX: usize = 1 << 18;

/// A snapshot of the books. At every moment `received = accepted + Σ rejected`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PoolCounts {
    /// Submits that were judged, whether or not they were answered.
    pub received: u64,
    pub accepted: u64,
    pub rejected: BTreeMap<Reason, u64>,
    /// The sum of the difficulties assigned to the accepted shares.
    pub credited: Credit,
    /// Of the rejected, those that should have been paid: the pool was told to refuse them.
    pub refused_on_command: u64,
    /// Accepted shares that meet the network's target.
    pub blocks: u64,
    pub users: BTreeMap<String, UserCounts>,
    /// Verdicts that were kept back on command: judged and booked, never answered.
    pub unanswered: u64,
    pub connections: u64,
    pub sessions: u64,
    pub sessions_resumed: u64,
    pub authorizations: u64,
    pub authorizations_refused: u64,
    pub jobs_sent: u64,
    /// Lines that were no Stratum message.
    pub malformed_lines: u64,
    pub unknown_methods: u64,
    /// Lines that came while the pool was silent: read, but never looked at.
    pub ignored_lines: u64,
    /// Replies to the pool's own requests, such as pings.
    pub replies: u64,
    /// Connections that were closed because nobody read them.
    pub slow_readers: u64,
}

/// The part of one user name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UserCounts {
    pub received: u64,
    pub accepted: u64,
    pub rejected: BTreeMap<Reason, u64>,
    pub credited: Credit,
}

/// One share that was paid.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AcceptedShare {
    pub connection: ConnectionId,
    pub user: String,
    /// The block hash in its display form.
    pub hash: String,
    /// What was credited.
    pub difficulty: Difficulty,
    pub job_id: String,
    pub unix_time: u32,
}

/// The books themselves.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) counts: PoolCounts,
    /// Every hash that was ever paid, across connections and sessions.
    pub(super) hashes: AcceptedHashes,
    shares: VecDeque<AcceptedShare>,
}

/// Whose verdict is entered, and for which job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) connection: ConnectionId,
    pub(super) user: &'a str,
    pub(super) job_id: &'a str,
    pub(super) unix_time: u32,
}

// === impl PoolCounts ===

impl PoolCounts {
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    pub fn rejected_for(&self, reason: Reason) -> u64 {
        self.rejected.get(&reason).copied().unwrap_or_default()
    }

    /// What each account was paid: the part of its users' names before the first point.
    pub fn accounts(&self) -> BTreeMap<String, UserCounts> {
        let mut accounts = BTreeMap::<String, UserCounts>::new();
        for (name, counts) in &self.users {
            let account = name.split_once('.').map_or(name.as_str(), |(account, _)| account);
            accounts.entry(account.to_owned()).or_default().add(counts);
        }
        accounts
    }
}

// === impl UserCounts ===

impl UserCounts {
    fn add(&mut self, other: &Self) {
        let Self { received, accepted, rejected, credited } = other;
        self.received += received;
        self.accepted += accepted;
        for (reason, count) in rejected {
            *self.rejected.entry(*reason).or_default() += count;
        }
        self.credited = self.credited.plus(*credited);
    }
}

// === impl Books ===

impl Books {
    pub(super) fn enter(&mut self, entry: Entry<'_>, verdict: Verdict) {
        let counts = &mut self.counts;
        let is_known = counts.users.contains_key(entry.user);
        let has_room = counts.users.len() < USERS_MAX;
        let name = if is_known || has_room { entry.user } else { OTHER_USERS };
        let user = counts.users.entry(name.to_owned()).or_default();
        counts.received += 1;
        user.received += 1;
        match verdict {
            Verdict::Accepted(accepted) => {
                for (count, credit) in [
                    (&mut counts.accepted, &mut counts.credited),
                    (&mut user.accepted, &mut user.credited),
                ] {
                    *count += 1;
                    credit.add(accepted.difficulty);
                }
                counts.blocks += u64::from(accepted.block);
                self.keep(entry, accepted);
            }
            Verdict::Rejected(reason) => {
                *counts.rejected.entry(reason).or_default() += 1;
                *user.rejected.entry(reason).or_default() += 1;
            }
        }
    }

    pub(super) fn shares(&self) -> Vec<AcceptedShare> {
        self.shares.iter().cloned().collect()
    }

    fn keep(&mut self, entry: Entry<'_>, accepted: Accepted) {
        if self.shares.len() >= SHARES_KEPT_MAX {
            self.shares.pop_front();
        }
        self.shares.push_back(AcceptedShare {
            connection: entry.connection,
            user: entry.user.to_owned(),
            hash: accepted.hash.to_string(),
            difficulty: accepted.difficulty,
            job_id: entry.job_id.to_owned(),
            unix_time: entry.unix_time,
        });
    }
}
