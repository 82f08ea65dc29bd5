//! What a farm came to: the books of all, and what must hold of them.

use std::fmt::Write as _;
use std::time::Duration;

use loka_farm::miner::MinerStatus;
use loka_farm::miner::counts::Disconnect;
use loka_farm::pool::PoolCounts;
use loka_farm::trap::{Fault, Trap};
use loka_tests::books::{Books as _, Ledger, MinerLinks};

/// What a farm came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ledger: Ledger,
    /// As the proxy calls each pool.
    pub(crate) names: Vec<&'static str>,
    pub(crate) pools: Vec<PoolCounts>,
    pub(crate) miners: Vec<MinerStatus>,
    pub(crate) links: MinerLinks,
    /// Shares that the pools accepted after the last fault.
    pub(crate) accepted_in_calm: u64,
    /// How long the drain took.
    pub(crate) drained_in: Duration,
    /// Virtual time of all.
    pub(crate) length: Duration,
}

// === impl Outcome ===

impl Outcome {
    #[track_caller]
    pub(crate) fn assert_books_agree(&self) {
        self.ledger.assert_balanced();
        assert!(self.ledger.is_quiet(), "still on its way: {:?}", self.ledger.total);
        for (name, pool) in self.names.iter().zip(&self.pools) {
            self.ledger.assert_agrees_with_pool(name, pool);
        }
        let miners = MinerStatus::totals(&self.miners);
        // Firmware that gives up a farm without any pool hangs up by itself.
        let links = if miners.reconnects > 0 { MinerLinks::Cut } else { self.links };
        self.ledger.assert_agrees_with_miners(&miners, links);
    }

    /// Every miner on the one connection that it made, and every book equal.
    #[track_caller]
    pub(crate) fn assert_nobody_noticed(&self) {
        self.assert_books_agree();
        for miner in &self.miners {
            assert_eq!(miner.traps, [], "{}", miner.profile);
            assert_eq!(miner.counts.connects, 1, "{} reconnected", miner.profile);
        }
    }

    /// Shares are refused only for what a farm cannot know in time, and nobody was let go.
    #[track_caller]
    pub(crate) fn assert_nothing_was_wrong_but_the_faults(&self) {
        let total = &self.ledger.total;
        // Firmware that rolls nTime may meet the refreshed nTime of a keep-alive job: the very same header.
        let ours = ["stale", "unknown_job", "version_bits", "duplicate"];
        for (reason, count) in &total.rejected {
            assert!(ours.contains(&reason.as_str()), "{count} rejected as {reason}: {total:?}");
        }
        let theirs = ["stale", "other", "low_difficulty"];
        for (reason, count) in &total.pool_rejected {
            assert!(theirs.contains(&reason.as_str()), "{count} refused as {reason}: {total:?}");
        }
        assert!(!total.lost.contains_key("dropped"), "{total:?}");
        for miner in &self.miners {
            let starved = |trap: &Trap| matches!(trap.what, Fault::NoJob { .. });
            assert!(miner.traps.iter().all(starved), "{}: {:?}", miner.profile, miner.traps);
            let ends = &miner.counts.disconnects;
            if self.links == MinerLinks::Whole {
                let starved = ends.of(Disconnect::NoJob);
                assert_eq!(miner.counts.reconnects, starved, "{} reconnected", miner.profile);
            }
        }
        assert!(self.accepted_in_calm > 20, "only {} in the calm", self.accepted_in_calm);
    }

    /// Nobody was closed for what others did.
    #[track_caller]
    pub(crate) fn assert_nobody_was_let_go(&self) {
        for miner in &self.miners {
            let closed = miner.counts.disconnects.of(Disconnect::ServerClosed);
            assert_eq!(closed, 0, "{} was let go", miner.profile);
        }
    }

    /// Everything that was counted, as text.
    pub(crate) fn digest(&self) -> String {
        let mut text = format!("{:?}\n{:?}\n", self.ledger, self.length);
        for pool in &self.pools {
            writeln!(text, "{pool:?}").ok();
        }
        for miner in &self.miners {
            writeln!(text, "{} {:?}", miner.worker, miner.counts).ok();
        }
        text
    }
}
