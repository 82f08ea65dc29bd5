//! Whether three sets of books agree: the proxy's ledger, the pools' and the miners'.
//!
//! The pools' judge and the miners count for themselves and share no code with the proxy, so an
//! equality here is evidence.

use std::collections::BTreeMap;

use loka_farm::miner::counts::MinerCounts;
use loka_farm::pool::PoolCounts;
use serde::Deserialize;

/// The ledger as `/ledger` shows it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Ledger {
    /// One entry per listener, route, pool and account.
    pub rows: Vec<Row>,
    /// The sum of all rows.
    pub total: Counts,
}

/// A row of the ledger.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Row {
    /// Empty when the shares named no known job.
    pub pool: String,
    /// What was counted.
    #[serde(flatten)]
    pub counts: Counts,
}

/// The counts of a row or of all.
#[derive(Clone, Debug, Default, Deserialize)]
#[expect(missing_docs, reason = "the words of the ledger")]
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

// === impl Ledger ===

impl Ledger {
    /// All counts of one pool.
    pub fn pool(&self, name: &str) -> Counts {
        let rows = self.rows.iter().filter(|row| row.pool == name);
        rows.fold(Counts::default(), |sum, row| sum.plus(&row.counts))
    }

    /// Nothing is on its way.
    pub fn is_quiet(&self) -> bool {
        self.total.held + self.total.outstanding == 0
    }

    /// The ledger adds up by itself, at any moment.
    #[track_caller]
    pub fn assert_balanced(&self) {
        for counts in self.rows.iter().map(|row| &row.counts).chain([&self.total]) {
            let settled = counts.pool_accepted
                + total(&counts.pool_rejected)
                + total(&counts.unanswered)
                + total(&counts.lost);
            assert_eq!(counts.received, total(&counts.rejected) + counts.accepted, "{counts:?}");
            assert_eq!(counts.accepted, counts.below_pool_difficulty + counts.due, "{counts:?}");
            assert_eq!(counts.due, counts.held + counts.outstanding + settled, "{counts:?}");
        }
        let received: u64 = self.rows.iter().map(|row| row.counts.received).sum();
        assert_eq!(received, self.total.received, "rows against total");
    }

    /// Every verdict that the pool gave is in the ledger. A share without a verdict may have been
    /// paid or not, and that is the only doubt.
    #[track_caller]
    pub fn assert_agrees_with_pool(&self, name: &str, pool: &PoolCounts) {
        let ours = self.pool(name);
        let doubt = total(&ours.unanswered);
        let rejected = total(&ours.pool_rejected);
        within(pool.accepted, ours.pool_accepted, doubt, "accepted", name);
        within(pool.rejected_total(), rejected, doubt, "rejected", name);
        let settled = ours.pool_accepted + rejected;
        within(pool.received, settled, doubt, "received", name);
        if doubt == 0 {
            let (theirs, ours) = (pool.credited.as_f64(), ours.pool_accepted_difficulty);
            let error = (theirs - ours).abs();
            assert!(error <= ROUNDING * theirs, "{name} credited {theirs}, we booked {ours}");
        }
    }

    /// Every share that the miners sent is in the ledger, with the answer that they were given.
    #[track_caller]
    pub fn assert_agrees_with_miners(&self, miners: &MinerCounts, links: MinerLinks) {
        let ours = &self.total;
        let lost = total(&ours.lost);
        let sent = miners.submitted + miners.resent;
        assert_eq!(miners.outstanding, 0, "miners still wait: {miners:?}");
        // A share whose pool broke off in the middle of its line may be paid, and its miner was told no.
        let broken = ours.unanswered.get("connection_lost").copied().unwrap_or_default();
        let told_yes = (ours.accepted - lost - broken)..=(ours.accepted - lost);
        let told_no = total(&ours.rejected) + lost;
        let told_no = told_no..=(told_no + broken);
        match links {
            MinerLinks::Whole => {
                assert_eq!(miners.unanswered, 0, "a miner was not answered: {miners:?}");
                assert_eq!(ours.received, sent, "received, sent: {ours:?} {miners:?}");
                assert!(told_yes.contains(&miners.accepted), "{told_yes:?}: {ours:?} {miners:?}");
                let refused = miners.rejected.total();
                assert!(told_no.contains(&refused), "{told_no:?}: {ours:?} {miners:?}");
            }
            MinerLinks::Cut => {
                assert!(ours.received <= sent, "received, sent: {ours:?} {miners:?}");
                assert!(*told_yes.end() >= miners.accepted, "{told_yes:?}: {ours:?} {miners:?}");
                let refused = miners.rejected.total();
                assert!(*told_no.end() >= refused, "{told_no:?}: {ours:?} {miners:?}");
            }
        }
    }
}

// === impl Counts ===

impl Counts {
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
        self.due_difficulty += due_difficulty;
        self.pool_accepted_difficulty += pool_accepted_difficulty;
        self
    }
}

/// The sum over all reasons.
pub fn total(reasons: &BTreeMap<String, u64>) -> u64 {
    reasons.values().sum()
}

fn merge(sum: &mut BTreeMap<String, u64>, other: &BTreeMap<String, u64>) {
    for (reason, count) in other {
        *sum.entry(reason.clone()).or_default() += count;
    }
}

#[track_caller]
fn within(theirs: u64, ours: u64, doubt: u64, what: &str, pool: &str) {
    assert!(
        (ours..=ours + doubt).contains(&theirs),
        "{pool} {what} {theirs}; the ledger says {ours} and {doubt} in doubt"
    );
}
