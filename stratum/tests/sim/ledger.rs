//! The proxy's books in a run, and the sums that must hold after every step.

use std::collections::{BTreeMap, HashSet};

use loka_stratum::share::VerifiedShare;

use crate::chain::Hash;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) received: u64,
    pub(crate) rejected: BTreeMap<&'static str, u64>,
    pub(crate) below_pool: u64,
    pub(crate) due: u64,
    pub(crate) pool_accepted: u64,
    pub(crate) pool_rejected: BTreeMap<&'static str, u64>,
    pub(crate) unanswered: u64,
    pub(crate) lost: u64,
    pub(crate) candidates: u64,
    pub(crate) candidates_ended: u64,
    /// What the pools said of which share, as the proxy understood it.
    pub(crate) verdicts: BTreeMap<Hash, bool>,
    accepted: HashSet<Hash>,
}

/// What is on its way: handed to a pool, or held for a session that may come back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Underway {
    pub(crate) outstanding: u64,
    pub(crate) held: u64,
}

impl Ledger {
    /// Books a share that our validation accepted. None may be accepted twice, whoever sends it.
    pub(crate) fn accept(&mut self, share: &VerifiedShare) {
        assert!(self.accepted.insert(*share.hash().as_bytes()), "a duplicate passed: {share:?}");
    }

    pub(crate) fn check(&self, underway: Underway) {
        let rejected: u64 = self.rejected.values().sum();
        assert_eq!(self.received, rejected + self.below_pool + self.due, "received: {self:?}");
        let verdicts = self.pool_accepted + self.pool_rejected.values().sum::<u64>();
        let ended = verdicts + self.unanswered + self.lost;
        let due = ended + underway.outstanding + underway.held;
        assert_eq!(self.due, due, "due: {underway:?} {self:?}");
    }
}
