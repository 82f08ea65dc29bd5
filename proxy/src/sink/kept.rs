//! The ledger as it is kept for the next start: what stands in the file, whether it adds up, and how a process goes on from it.
//! It touches no disk.
//!
//! What was on its way when a process was killed is settled here: its verdict, if there is one, was said to nobody.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::blocks::{BLOCKS_MAX, Block, Fate, Found};
use super::ledger::{Counts, Imbalance, Ledger, RowKey, RowSnapshot};
use super::time::{Work, WorkSnapshot};

/// Rises when a reader of the former would misread it.
const FORMAT: u32 = 1;

/// A count beyond this was never counted: 2^53 shares. With it no sum over rows overflows unnoticed.
const COUNT_MAX: u64 = 1 << 53;

/// The ledger in a file.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeptLedger {
    format: u32,
    /// When the first of the processes that it is about started, in Unix seconds.
    pub begun: u64,
    /// When it was written.
    pub written: u64,
    /// How the process that wrote it was.
    pub life: Life,
    rows: Vec<KeptRow>,
    work: Vec<KeptWork>,
    /// The latest first.
    blocks: Vec<KeptBlock>,
}

/// How a process was when it wrote the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Life {
    /// Up: if it wrote no more, it was killed.
    Running,
    /// At its orderly end; nothing was on its way any more.
    Ended,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KeptRow {
    key: RowKey,
    counts: Counts,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KeptWork {
    listener: Arc<str>,
    route: Arc<str>,
    work: Work,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KeptBlock {
    found: Found,
    fate: Fate,
}

/// Only the format, of any version.
#[derive(Deserialize)]
struct Header {
    format: u32,
}

/// What a process goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// When the ledger began, in Unix seconds.
    pub begun: u64,
    /// How the earlier process was when it wrote.
    pub life: Life,
    /// Shares of the earlier processes.
    pub received: u64,
    /// Of those, shares that awaited a verdict.
    pub unanswered: u64,
    /// Of those, shares that were not yet written.
    pub lost: u64,
}

/// Why a file is no ledger to go on from.
#[derive(Debug, thiserror::Error)]
pub enum NoLedger {
    /// It is of another version.
    #[error(
        "format {0}, and this version reads {FORMAT}: run the version that wrote it to go on from it"
    )]
    Format(u32),
    /// It cannot be read as one.
    #[error("no ledger: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// A row does not add up.
    #[error("row {row}: {source}")]
    Imbalance { row: String, source: Imbalance },
    /// A row or the sum over rows has a number that cannot be.
    #[error("row {row}: {what} is beyond {COUNT_MAX}")]
    TooMany { row: String, what: &'static str },
    /// Two rows about the same.
    #[error("row {0} is there twice")]
    Twice(String),
    /// More of something than a ledger has.
    #[error("{found} blocks, and a ledger has at most {BLOCKS_MAX}")]
    Blocks { found: usize },
}

// === impl KeptLedger ===

impl KeptLedger {
    /// What `ledger` holds now.
    pub fn of(ledger: &Ledger, now: Instant, begun: u64) -> Self {
        let rows = ledger.snapshot().rows.into_iter();
        // Rows are made before the first share of theirs.
        let counted = rows.filter(|row| row.counts != Counts::default());
        let row = |RowSnapshot { key, counts }| KeptRow { key, counts };
        let work = |WorkSnapshot { listener, route, work }| KeptWork { listener, route, work };
        let block = |Block { found, fate }| KeptBlock { found, fate };
        Self {
            format: FORMAT,
            begun,
            written: 0,
            life: Life::Running,
            rows: counted.map(row).collect(),
            work: ledger.time().snapshot(now).into_iter().map(work).collect(),
            blocks: ledger.blocks().last().into_iter().map(block).collect(),
        }
    }

    /// The same, written at this time by a process that is so.
    #[must_use]
    pub fn written(self, at: u64, life: Life) -> Self {
        Self { written: at, life, ..self }
    }

    /// Whether both are about the same shares, work and blocks.
    pub fn is_same(&self, other: &Self) -> bool {
        let Self { format: _, begun, written: _, life: _, rows, work, blocks } = other;
        (&self.begun, &self.rows, &self.work, &self.blocks) == (begun, rows, work, blocks)
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// [`NoLedger`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, NoLedger> {
        let Header { format } = serde_json::from_str(text)?;
        if format != FORMAT {
            return Err(NoLedger::Format(format));
        }
        let kept: Self = serde_json::from_str(text)?;
        kept.check()?;
        Ok(kept)
    }

    /// As a file's text.
    pub fn to_text(&self) -> String {
        // Names and numbers: nothing that JSON cannot hold. An empty file would be set aside by its reader.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn check(&self) -> Result<(), NoLedger> {
        let mut seen = BTreeSet::new();
        let (mut received, mut candidates) = (0_u64, 0_u64);
        for KeptRow { key, counts } in &self.rows {
            let row = || name(key);
            let too_many = |what| NoLedger::TooMany { row: row(), what };
            counts.bounded(COUNT_MAX).map_err(too_many)?;
            counts.balance().map_err(|source| NoLedger::Imbalance { row: row(), source })?;
            received += counts.received;
            candidates += counts.block_candidates;
            if received.max(candidates) > COUNT_MAX {
                return Err(too_many("the sum of shares up to here"));
            }
            if !seen.insert(key) {
                return Err(NoLedger::Twice(row()));
            }
        }
        match self.blocks.len() {
            0..=BLOCKS_MAX => Ok(()),
            found => Err(NoLedger::Blocks { found }),
        }
    }

    /// Has `ledger` go on from here.
    pub fn restore(self, ledger: &Ledger) -> Restored {
        let Self { format: _, begun, written: _, life, rows, work, blocks } = self;
        let (mut received, mut unanswered, mut lost) = (0, 0, 0);
        for KeptRow { key, mut counts } in rows {
            received += counts.received;
            unanswered += counts.outstanding;
            lost += counts.held;
            counts.settle_killed();
            ledger.add(&key, &counts);
        }
        for KeptWork { listener, route, work } in &work {
            ledger.time().add(listener, route, work);
        }
        let block = |KeptBlock { found, fate }| Block { found, fate };
        ledger.blocks().add(blocks.into_iter().rev().map(block).collect());
        Restored { begun, life, received, unanswered, lost }
    }
}

fn name(key: &RowKey) -> String {
    let RowKey { listener, route, pool, account, class } = key;
    format!("{listener}/{route}/{pool}/{account}/{class}")
}

#[cfg(test)]
mod tests;
