//! The share ledger: every `mining.submit` ends in exactly one outcome and the counts add up at every moment.
//!
//! ```text
//! received = rejected{reason} + accepted
//! accepted = below_pool_difficulty + due
//! due      = held + outstanding + pool_accepted + pool_rejected{reason} + unanswered{reason} + lost{reason}
//! ```
//! *held*: due, and not yet written to a pool's socket. *outstanding*: written, verdict awaited. *unanswered*: written,
//! connection gone before a verdict (it may be paid). *lost*: never written; its miner was told so (21) unless the process died.
//! A share is *due* when it meets the target of its pool job; [`DueShare`] is the proof that it is booked, and a
//! `DueShare` that is dropped unsettled books itself, so no path through the code can make a share vanish.
//!
//! It does not decide outcomes and knows no protocol.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use loka_stratum::share::Reject;
use loka_stratum::upstream::PoolReject;
use serde::{Deserialize, Serialize};

use super::blocks::Blocks;
use super::exact;
use super::time::TimeLedger;

mod reasons;
mod rows;
#[cfg(test)]
mod tests;

pub(super) use self::reasons::by_label;
pub use self::reasons::{Labelled, Lost, Reasons, Unanswered};
pub use self::rows::Rows;

/// Rows beyond this many are booked under one overflow row, or under the class [`CLASS_OTHER`]: rows come from
/// configuration, so only a configuration that changes names for ever could reach it. 16 listeners of 64 pools, with
/// 16 classes each; or 512 routes with miners of 4 classes by one listener, on 8 pools each.
pub const ROWS_MAX: usize = 16_384;

/// The class of workers whose firmware no profile is about.
pub const CLASS_OTHER: &str = "other";

/// What a row of the ledger is about. All come from configuration or closed sets, never from a peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RowKey {
    /// Listener that the miner is connected to.
    pub listener: Arc<str>,
    /// Route that the listener feeds from.
    pub route: Arc<str>,
    /// Pool whose job the share is for; empty when the share names no job that we know.
    pub pool: Arc<str>,
    /// Account that the pool credits; empty as for `pool`.
    pub account: Arc<str>,
    /// Class of the worker: the name of its firmware's profile, or [`CLASS_OTHER`].
    pub class: Arc<str>,
}

/// The counts of one row, or of all.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Every `mining.submit` that could be read as one.
    pub received: u64,
    /// Refused by the proxy's own validation, by reason.
    pub rejected: Reasons<Reject>,
    /// Valid and at or below the miner's target.
    pub accepted: u64,
    /// Accepted, and above its pool job's target: nothing to forward.
    pub below_pool_difficulty: u64,
    /// Accepted, and meets its pool job's target.
    pub due: u64,
    /// Due, not yet written.
    pub held: u64,
    /// Written, verdict awaited.
    pub outstanding: u64,
    /// Credited by the pool.
    pub pool_accepted: u64,
    /// Refused by the pool, by reason.
    pub pool_rejected: Reasons<PoolReject>,
    /// Written, no verdict, by reason.
    pub unanswered: Reasons<Unanswered>,
    /// Never written, by reason.
    pub lost: Reasons<Lost>,
    /// Shares that meet the network's target, whatever else became of them. Apart from the identity.
    pub block_candidates: u64,
    /// Σ of the difficulty that accepted shares were judged at, as credited to the miners.
    #[serde(deserialize_with = "exact::sum")]
    pub accepted_difficulty: f64,
    /// Σ of the pool difficulty of due shares.
    #[serde(deserialize_with = "exact::sum")]
    pub due_difficulty: f64,
    /// Σ of the pool difficulty of shares that the pool accepted: the work that is paid.
    #[serde(deserialize_with = "exact::sum")]
    pub pool_accepted_difficulty: f64,
}

/// The ledger does not add up: a defect of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ledger out of balance: {line}: {left} on the left, {right} on the right")]
pub struct Imbalance {
    line: &'static str,
    left: u64,
    right: u64,
}

// === impl Counts ===

impl Counts {
    /// Checks the three lines of the ledger.
    ///
    /// # Errors
    /// [`Imbalance`] names the first line that does not hold.
    pub fn balance(&self) -> Result<(), Imbalance> {
        let settled = self.pool_accepted
            + self.pool_rejected.total()
            + self.unanswered.total()
            + self.lost.total();
        for (line, left, right) in [
            (
                "received = rejected + accepted",
                self.received,
                self.rejected.total() + self.accepted,
            ),
            ("accepted = below + due", self.accepted, self.below_pool_difficulty + self.due),
            (
                "due = held + outstanding + settled",
                self.due,
                self.held + self.outstanding + settled,
            ),
        ] {
            if left != right {
                return Err(Imbalance { line, left, right });
            }
        }
        Ok(())
    }

    /// The first count, or sum of one, that is beyond `most`.
    pub(super) fn bounded(&self, most: u64) -> Result<(), &'static str> {
        let Self {
            received,
            rejected,
            accepted,
            below_pool_difficulty,
            due,
            held,
            outstanding,
            pool_accepted,
            pool_rejected,
            unanswered,
            lost,
            block_candidates,
            accepted_difficulty: _,
            due_difficulty: _,
            pool_accepted_difficulty: _,
        } = self;
        let counts = [
            ("received", Some(*received)),
            ("rejected", rejected.bounded_total()),
            ("accepted", Some(*accepted)),
            ("below_pool_difficulty", Some(*below_pool_difficulty)),
            ("due", Some(*due)),
            ("held", Some(*held)),
            ("outstanding", Some(*outstanding)),
            ("pool_accepted", Some(*pool_accepted)),
            ("pool_rejected", pool_rejected.bounded_total()),
            ("unanswered", unanswered.bounded_total()),
            ("lost", lost.bounded_total()),
            ("block_candidates", Some(*block_candidates)),
        ];
        let beyond = counts.into_iter().find(|(_, count)| count.is_none_or(|count| count > most));
        beyond.map_or(Ok(()), |(what, _)| Err(what))
    }

    /// What was on its way when the process was killed has no verdict, or was never written.
    pub(super) fn settle_killed(&mut self) {
        self.lost.add_all(Lost::Killed, std::mem::take(&mut self.held));
        self.unanswered.add_all(Unanswered::Killed, std::mem::take(&mut self.outstanding));
    }

    fn merge(&mut self, other: &Self) {
        // Without `..`: a new count must not be forgotten in the total.
        let Self {
            received,
            rejected,
            accepted,
            below_pool_difficulty,
            due,
            held,
            outstanding,
            pool_accepted,
            pool_rejected,
            unanswered,
            lost,
            block_candidates,
            accepted_difficulty,
            due_difficulty,
            pool_accepted_difficulty,
        } = other;
        self.received += received;
        self.rejected.merge(rejected);
        self.accepted += accepted;
        self.below_pool_difficulty += below_pool_difficulty;
        self.due += due;
        self.held += held;
        self.outstanding += outstanding;
        self.pool_accepted += pool_accepted;
        self.pool_rejected.merge(pool_rejected);
        self.unanswered.merge(unanswered);
        self.lost.merge(lost);
        self.block_candidates += block_candidates;
        self.accepted_difficulty += accepted_difficulty;
        self.due_difficulty += due_difficulty;
        self.pool_accepted_difficulty += pool_accepted_difficulty;
    }
}

/// One row: the counts of one listener, route, pool, account and class.
#[derive(Debug)]
pub struct Row {
    key: RowKey,
    /// Contended by the sessions of one listener (on their worker threads), the pool's task and a scrape;
    /// held for a few additions. One lock, so that the identity holds at every moment.
    counts: Mutex<Counts>,
}

// === impl Row ===

impl Row {
    fn new(key: RowKey) -> Self {
        Self { key, counts: Mutex::default() }
    }

    fn update(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What the row is about.
    pub fn key(&self) -> &RowKey {
        &self.key
    }

    /// A share that our own validation refused.
    pub fn rejected(&self, reason: Reject) {
        self.update(|counts| {
            counts.received += 1;
            counts.rejected.add(reason);
        });
    }

    /// A share that meets its miner's target and not its pool's.
    pub fn below_pool_difficulty(&self, credited: f64) {
        self.update(|counts| {
            counts.received += 1;
            counts.accepted += 1;
            counts.below_pool_difficulty += 1;
            counts.accepted_difficulty += credited;
        });
    }

    /// A share that meets the network's target.
    pub fn block_candidate(&self) {
        self.update(|counts| counts.block_candidates += 1);
    }

    /// A share that is due to its pool; it is held until [`DueShare::written`].
    pub fn due(self: &Arc<Self>, credited: f64, pool_difficulty: f64) -> DueShare {
        self.update(|counts| {
            counts.received += 1;
            counts.accepted += 1;
            counts.due += 1;
            counts.held += 1;
            counts.accepted_difficulty += credited;
            counts.due_difficulty += pool_difficulty;
        });
        DueShare { row: Arc::clone(self), pool_difficulty, stage: Stage::Held }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Held,
    Written,
    Settled,
}

/// A share that is booked as due and not yet settled.
#[derive(Debug)]
#[must_use = "a due share that is dropped is booked as lost or unanswered"]
pub struct DueShare {
    row: Arc<Row>,
    pool_difficulty: f64,
    stage: Stage,
}

// === impl DueShare ===

impl DueShare {
    /// The share's bytes were taken by the pool's socket.
    pub fn written(&mut self) {
        if self.stage == Stage::Held {
            self.stage = Stage::Written;
            self.row.update(|counts| {
                counts.held -= 1;
                counts.outstanding += 1;
            });
        }
    }

    /// The pool credited it.
    pub fn pool_accepted(mut self) {
        let credited = self.pool_difficulty;
        self.settle(|counts| {
            counts.pool_accepted += 1;
            counts.pool_accepted_difficulty += credited;
        });
    }

    /// The pool refused it.
    pub fn pool_rejected(mut self, reason: PoolReject) {
        self.settle(|counts| counts.pool_rejected.add(reason));
    }

    /// Its connection is gone: unanswered if it was written, else lost.
    pub fn abandoned(mut self, unanswered: Unanswered, lost: Lost) {
        self.give_up(unanswered, lost);
    }

    /// What the row is about.
    pub fn row(&self) -> &Arc<Row> {
        &self.row
    }

    fn give_up(&mut self, unanswered: Unanswered, lost: Lost) {
        match self.stage {
            Stage::Held => self.settle(|counts| counts.lost.add(lost)),
            Stage::Written => self.settle(|counts| counts.unanswered.add(unanswered)),
            Stage::Settled => {}
        }
    }

    fn settle(&mut self, book: impl FnOnce(&mut Counts)) {
        let stage = std::mem::replace(&mut self.stage, Stage::Settled);
        self.row.update(|counts| {
            match stage {
                Stage::Held => counts.held -= 1,
                Stage::Written => counts.outstanding -= 1,
                Stage::Settled => return,
            }
            book(counts);
        });
    }
}

impl Drop for DueShare {
    fn drop(&mut self) {
        self.give_up(Unanswered::ConnectionLost, Lost::Dropped);
    }
}

/// All rows of the process.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By a key of the class [`CLASS_OTHER`]. Written when a session starts or meets a new pool, read by scrapes; shares
    /// go to the rows themselves.
    rows: DashMap<RowKey, Arc<Rows>>,
    count: Arc<AtomicUsize>,
    blocks: Blocks,
    time: TimeLedger,
}

/// What the ledger held at one moment. Each row adds up by itself, and so does the total.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LedgerSnapshot {
    /// One entry per row, in the order of their keys.
    pub rows: Vec<RowSnapshot>,
    /// The sum over all rows.
    pub total: Counts,
}

// === impl LedgerSnapshot ===

impl LedgerSnapshot {
    /// Its rows, all classes of a listener, route, pool and account in one.
    pub fn without_classes(&self) -> Vec<RowSnapshot> {
        let mut merged: Vec<RowSnapshot> = Vec::new();
        // The class is the last part of the key that the rows are sorted by.
        for row in &self.rows {
            let RowKey { listener, route, pool, account, class: _ } = &row.key;
            let same = |key: &RowKey| {
                (&key.listener, &key.route, &key.pool, &key.account)
                    == (listener, route, pool, account)
            };
            match merged.last_mut().filter(|last| same(&last.key)) {
                Some(last) => last.counts.merge(&row.counts),
                None => merged.push(row.clone()),
            }
        }
        merged
    }

    /// The sums over all rows of one listener and class.
    pub fn by_class(&self) -> BTreeMap<(Arc<str>, Arc<str>), Counts> {
        let mut sums = BTreeMap::new();
        for row in &self.rows {
            let key = (Arc::clone(&row.key.listener), Arc::clone(&row.key.class));
            let sum: &mut Counts = sums.entry(key).or_default();
            sum.merge(&row.counts);
        }
        sums
    }
}

/// One row of a [`LedgerSnapshot`].
#[derive(Clone, Debug, Serialize)]
pub struct RowSnapshot {
    /// What the row is about.
    #[serde(flatten)]
    pub key: RowKey,
    /// Its counts.
    #[serde(flatten)]
    pub counts: Counts,
}

// === impl Ledger ===

impl Ledger {
    /// The row of `key`, made at first use.
    pub fn row(&self, key: &RowKey) -> Arc<Row> {
        self.rows(key).of(&key.class)
    }

    /// The rows of all classes with the other parts of `key`.
    pub fn rows(&self, key: &RowKey) -> Arc<Rows> {
        let key = RowKey { class: CLASS_OTHER.into(), ..key.clone() };
        if let Some(rows) = self.rows.get(&key) {
            return Arc::clone(&rows);
        }
        let is_room = self.count.load(Ordering::Relaxed) < ROWS_MAX;
        let key = if is_room { key } else { RowKey::overflow() };
        let rows = self.rows.entry(key.clone());
        Arc::clone(&rows.or_insert_with(|| Arc::new(Rows::new(key, &self.count))))
    }

    /// Adds what an earlier process counted.
    pub(super) fn add(&self, key: &RowKey, counts: &Counts) {
        self.row(key).update(|now| now.merge(counts));
    }

    /// What miners had to work on.
    pub fn time(&self) -> &TimeLedger {
        &self.time
    }

    /// The last blocks that were found.
    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// Shares that are on their way to a pool or await its verdict, and the bytes of the rows.
    pub fn sizes(&self) -> (u64, u64) {
        let rows = self.rows.iter();
        rows.flat_map(|rows| rows.all()).fold((0, 0), |(under_way, bytes), row| {
            let counts = row.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = counts.held.saturating_add(counts.outstanding);
            (under_way + waiting, bytes + size_of::<Row>() as u64)
        })
    }

    /// What the ledger holds now.
    pub fn snapshot(&self) -> LedgerSnapshot {
        let mut rows: Vec<RowSnapshot> = self
            .rows
            .iter()
            .flat_map(|rows| rows.all())
            .map(|row| RowSnapshot {
                key: row.key.clone(),
                counts: row.counts.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            })
            .collect();
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        let mut total = Counts::default();
        for row in &rows {
            total.merge(&row.counts);
        }
        LedgerSnapshot { rows, total }
    }
}

// === impl RowKey ===

impl RowKey {
    fn overflow() -> Self {
        let other: Arc<str> = Arc::from(CLASS_OTHER);
        Self {
            listener: Arc::clone(&other),
            route: Arc::clone(&other),
            pool: Arc::clone(&other),
            account: Arc::clone(&other),
            class: other,
        }
    }
}
