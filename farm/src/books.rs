//! Whether three sets of books agree: a proxy's ledger, the pools' and the miners'.
//!
//! The pools' judge and the miners count for themselves and share no code with the proxy, so an
//! equality here is evidence. The ledger is read as JSON, as anybody could. This module compares;
//! what a disagreement means is for the caller.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::miner::counts::MinerCounts;
use crate::pool::PoolCounts;

/// The ledger as `/ledger` shows it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Ledger {
    /// One entry per listener, route, pool and account.
    pub rows: Vec<Row>,
    /// The sum of all rows.
    pub total: Counts,
}

/// A row of the ledger.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Row {
    /// What the miners took.
    #[serde(default)]
    pub route: String,
    /// Empty when the shares named no known job.
    pub pool: String,
    /// Who is paid there.
    #[serde(default)]
    pub account: String,
    /// What was counted.
    #[serde(flatten)]
    pub counts: Counts,
}

/// The counts of a row or of all.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Counts {
    pub received: u64,
    pub rejected: BTreeMap<String, u64>,
    pub accepted: u64,
    pub below_pool_difficulty: u64,
    pub due: u64,
    pub held: u64,
    pub outstanding: u64,
    pub pool_accepted: u64,
    pub pool_rejected: BTreeMap<String, u64>,
    pub unanswered: BTreeMap<String, u64>,
    pub lost: BTreeMap<String, u64>,
    pub accepted_difficulty: f64,
    pub due_difficulty: f64,
    pub pool_accepted_difficulty: f64,
}

/// Which miners' connections were cut by the scenario, so that their last words may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinerLinks {
    /// Some were cut.
    Cut,
    /// Every answer arrived.
    Whole,
}

/// Relative error of a sum of a few thousand `f64` against an exact one.
const ROUNDING: f64 = 1e-9;

/// What does not agree, each in words with its numbers.
pub type Disagreements = Vec<String>;

// === impl Ledger ===

impl Ledger {
    /// All counts of one pool.
    #[must_use]
    pub fn pool(&self, name: &str) -> Counts {
        let rows = self.rows.iter().filter(|row| row.pool == name);
        rows.fold(Counts::default(), |sum, row| sum.plus(&row.counts))
    }

    /// Nothing is on its way.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.total.held + self.total.outstanding == 0
    }

    /// Where the ledger does not add up by itself, as it must at any moment.
    #[must_use]
    pub fn imbalances(&self) -> Disagreements {
        let mut found = Vec::new();
        for counts in self.rows.iter().map(|row| &row.counts).chain([&self.total]) {
            found.extend(counts.imbalances());
        }
        let received: u64 = self.rows.iter().map(|row| row.counts.received).sum();
        if received != self.total.received {
            found.push(format!("rows received {received}, the total {}", self.total.received));
        }
        found
    }

    /// Compares with the books of the pool that the proxy calls `name`: every verdict that it gave
    /// is in the ledger. A share without a verdict may have been paid or not, and that is the only
    /// doubt.
    #[must_use]
    pub fn compare_with_pool(&self, name: &str, pool: &PoolCounts) -> Disagreements {
        let ours = self.pool(name);
        let doubt = total(&ours.unanswered);
        let refused = total(&ours.pool_rejected);
        // What was submitted once more to a resumed session may have been received twice, and where the pool said no to it,
        // it was refused at least then. It was accepted once at most: the other time it is a duplicate.
        let of = |reason: &str| ours.unanswered.get(reason).copied().unwrap_or_default();
        let again = of("received_before") + of("refused_again");
        let mut found = Vec::new();
        for (what, theirs, ours, least, most) in [
            ("accepted", pool.accepted, ours.pool_accepted, 0, doubt),
            ("refused", pool.rejected_total(), refused, again, 2 * doubt),
            ("received", pool.received, ours.pool_accepted + refused, again, 2 * doubt),
        ] {
            if !(ours + least..=ours + most).contains(&theirs) {
                found.push(format!(
                    "pool {name} {what} {theirs}; the ledger says {ours}, and {doubt} in doubt"
                ));
            }
        }
        let (theirs, ours) = (pool.credited.as_f64(), ours.pool_accepted_difficulty);
        if doubt == 0 && (theirs - ours).abs() > ROUNDING * theirs {
            found.push(format!("pool {name} credited {theirs}; the ledger says {ours}"));
        }
        found
    }

    /// Compares with the miners' counts: every share that they sent is in the ledger, with the
    /// answer that they were given.
    #[must_use]
    pub fn compare_with_miners(&self, miners: &MinerCounts, links: MinerLinks) -> Disagreements {
        let ours = &self.total;
        let (lost, refused) = (total(&ours.lost), total(&ours.rejected));
        // A share whose pool broke off in the middle of its line may be paid, and its miner was
        // told no.
        let broken = ours.unanswered.get("connection_lost").copied().unwrap_or_default();
        let told_yes = ours.accepted - lost;
        let told_no = refused + lost;
        let sent = miners.submitted + miners.resent;
        let of_cut = |ours: u64| if links == MinerLinks::Cut { 0 } else { ours };
        let mut found = Vec::new();
        for (what, theirs, least, most) in [
            ("wait for", miners.outstanding, 0, 0),
            (
                "were not answered",
                miners.unanswered,
                0,
                if links == MinerLinks::Cut { sent } else { 0 },
            ),
            ("were told yes", miners.accepted, of_cut(told_yes - broken), told_yes),
            ("were told no", miners.rejected.total(), of_cut(told_no), told_no + broken),
        ] {
            if !(least..=most).contains(&theirs) {
                found.push(format!("miners {what} {theirs}; the ledger says {least} to {most}"));
            }
        }
        let arrived =
            if links == MinerLinks::Cut { ours.received <= sent } else { ours.received == sent };
        if !arrived {
            found.push(format!("miners sent {sent}; the ledger received {}", ours.received));
        }
        found
    }
}

// === impl Counts ===

impl Counts {
    fn imbalances(&self) -> Disagreements {
        let settled = self.pool_accepted
            + total(&self.pool_rejected)
            + total(&self.unanswered)
            + total(&self.lost);
        let lines = [
            (
                "received = rejected + accepted",
                self.received,
                total(&self.rejected) + self.accepted,
            ),
            ("accepted = below + due", self.accepted, self.below_pool_difficulty + self.due),
            (
                "due = held + outstanding + settled",
                self.due,
                self.held + self.outstanding + settled,
            ),
        ];
        let broken = lines.into_iter().filter(|(_, left, right)| left != right);
        broken.map(|(line, left, right)| format!("{line}: {left} against {right}")).collect()
    }

    fn plus(mut self, other: &Self) -> Self {
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
            accepted_difficulty,
            due_difficulty,
            pool_accepted_difficulty,
        } = other;
        self.received += received;
        merge(&mut self.rejected, rejected);
        self.accepted += accepted;
        self.below_pool_difficulty += below_pool_difficulty;
        self.due += due;
        self.held += held;
        self.outstanding += outstanding;
        self.pool_accepted += pool_accepted;
        merge(&mut self.pool_rejected, pool_rejected);
        merge(&mut self.unanswered, unanswered);
        merge(&mut self.lost, lost);
        self.accepted_difficulty += accepted_difficulty;
        self.due_difficulty += due_difficulty;
        self.pool_accepted_difficulty += pool_accepted_difficulty;
        self
    }
}

/// The sum over all reasons.
#[must_use]
pub fn total(reasons: &BTreeMap<String, u64>) -> u64 {
    reasons.values().sum()
}

fn merge(sum: &mut BTreeMap<String, u64>, other: &BTreeMap<String, u64>) {
    for (reason, count) in other {
        *sum.entry(reason.clone()).or_default() += count;
    }
}
