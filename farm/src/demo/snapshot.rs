//! The farm at one moment, for terminal, page and summary alike.

use std::collections::BTreeMap;
use std::time::Duration;

use loka_farm::books::{Ledger, total};
use loka_farm::miner::{MinerState, MinerStatus};
use loka_farm::pool::PoolCounts;
use serde::Serialize;
use serde_json::Value;

/// Snapshots that a page can plot; when they are this many, every second one goes.
const HISTORY_MAX: usize = 1_200;

/// Lines of news that are kept.
const NEWS_MAX: usize = 50;

/// One moment.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshot {
    /// Seconds since the miners were switched on.
    pub(super) at: f64,
    pub(super) pools: Vec<Pool>,
    pub(super) firmware: Vec<Firmware>,
    pub(super) shares: Shares,
    /// Hashes a second over the last few seconds.
    pub(super) hashrate: f64,
    /// Shares found that meet their pool's target, where it is known.
    pub(super) worth: Option<u64>,
    /// Of these, credited.
    pub(super) credited: u64,
    pub(super) idle_seconds: f64,
    pub(super) reconnects: u64,
}

/// A pool as proxy and pool see it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) active: bool,
    pub(super) extranonce: String,
    pub(super) mask: String,
    pub(super) difficulty: f64,
    /// By the pool's own books; by the ledger where the pool is somebody else's.
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) credited: f64,
}

/// The miners of one firmware.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Firmware {
    pub(super) name: &'static str,
    pub(super) miners: u64,
    pub(super) mining: u64,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) reconnects: u64,
}

/// Shares by outcome, as the ledger has them.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shares {
    pub(super) received: u64,
    pub(super) rejected: BTreeMap<String, u64>,
    pub(super) below_pool: u64,
    pub(super) on_the_way: u64,
    pub(super) credited: u64,
    pub(super) pool_rejected: BTreeMap<String, u64>,
    pub(super) unanswered: u64,
    pub(super) lost: u64,
}

/// What has been.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct History {
    pub(super) snapshots: Vec<Snapshot>,
    /// Time and text.
    pub(super) news: Vec<(f64, String)>,
    /// Seconds in all.
    pub(super) duration: f64,
}

// === impl Snapshot ===

impl Snapshot {
    pub(super) fn of(
        at: Duration,
        status: &Value,
        ledger: &Ledger,
        miners: &[MinerStatus],
        books: &[(&str, PoolCounts)],
    ) -> Self {
        let none = Value::Null;
        let route = status.pointer("/routes/0").unwrap_or(&none);
        let pools = route["pools"].as_array().into_iter().flatten();
        let totals = MinerStatus::totals(miners);
        Self {
            at: at.as_secs_f64(),
            pools: pools.map(|pool| Pool::of(pool, &route["activePool"], ledger, books)).collect(),
            firmware: firmware(miners),
            shares: Shares::of(ledger),
            hashrate: 0.0,
            worth: None,
            credited: ledger.total.pool_accepted,
            idle_seconds: totals.idle.as_secs_f64(),
            reconnects: totals.reconnects,
        }
    }
}

// === impl Pool ===

impl Pool {
    fn of(shown: &Value, active: &Value, ledger: &Ledger, books: &[(&str, PoolCounts)]) -> Self {
        let text = |field: &str| shown[field].as_str().unwrap_or_default().to_owned();
        let name = text("name");
        let ours = ledger.pool(&name);
        let theirs = books.iter().find(|(known, _)| *known == name).map(|(_, books)| books);
        let (accepted, rejected, credited) = match theirs {
            Some(books) => (books.accepted, books.rejected_total(), books.credited.as_f64()),
            None => (ours.pool_accepted, total(&ours.pool_rejected), ours.pool_accepted_difficulty),
        };
        let bytes =
            |field: &str| shown[field].as_u64().map_or_else(|| "?".to_owned(), |n| n.to_string());
        Self {
            state: text("state"),
            active: active.as_str() == Some(&name),
            extranonce: format!("{}+{}", bytes("extranonce1Bytes"), bytes("extranonce2Bytes")),
            mask: text("versionMask"),
            difficulty: shown["difficulty"].as_f64().unwrap_or_default(),
            accepted,
            rejected,
            credited,
            name,
        }
    }
}

// === impl Shares ===

impl Shares {
    fn of(ledger: &Ledger) -> Self {
        let sum = &ledger.total;
        Self {
            received: sum.received,
            rejected: sum.rejected.clone(),
            below_pool: sum.below_pool_difficulty,
            on_the_way: sum.held + sum.outstanding,
            credited: sum.pool_accepted,
            pool_rejected: sum.pool_rejected.clone(),
            unanswered: total(&sum.unanswered),
            lost: total(&sum.lost),
        }
    }
}

// === impl History ===

impl History {
    pub(super) fn tell(&mut self, at: Duration, news: String) {
        if self.news.len() >= NEWS_MAX {
            self.news.remove(0);
        }
        self.news.push((at.as_secs_f64(), news));
    }

    pub(super) fn push(&mut self, snapshot: Snapshot) {
        if self.snapshots.len() >= HISTORY_MAX {
            let mut place = 0;
            self.snapshots.retain(|_| {
                place += 1;
                place % 2 == 0
            });
        }
        self.snapshots.push(snapshot);
    }
}

fn firmware(miners: &[MinerStatus]) -> Vec<Firmware> {
    let mut kinds: BTreeMap<&'static str, Firmware> = BTreeMap::new();
    for miner in miners {
        let kind = kinds.entry(miner.profile).or_default();
        kind.name = miner.profile;
        kind.miners += 1;
        kind.mining += u64::from(miner.state == MinerState::Mining);
        kind.accepted += miner.counts.accepted;
        kind.rejected += miner.counts.rejected.total();
        kind.reconnects += miner.counts.reconnects;
    }
    kinds.into_values().collect()
}
