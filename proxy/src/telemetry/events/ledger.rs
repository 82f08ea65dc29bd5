//! Events of the ledger's file: gone on from, written, or not.

use std::path::Path;

use tracing::{error, info, warn};

use super::super::Metrics;

/// Something happened to the ledger's file.
#[derive(Debug)]
pub enum LedgerEvent<'a> {
    /// The ledger goes on from the process before, which was killed, or lost its power: what was on its way then is settled.
    OfKilled { path: &'a Path, begun: u64, received: u64, unanswered: u64, lost: u64 },
    /// The ledger goes on from the process before.
    Restored { path: &'a Path, begun: u64, received: u64 },
    /// No process can go on from this file: it is out of the way, and the ledger begins anew.
    SetAside { path: &'a Path, aside: &'a Path, why: &'a str },
    /// The ledger cannot be kept for the next start.
    NotKept { path: &'a Path, error: &'a str },
    /// Once more, for the same reason.
    StillNotKept,
    /// It is kept again.
    KeptAgain { path: &'a Path },
}

// === impl LedgerEvent ===

impl LedgerEvent<'_> {
    pub(super) fn observe(&self, metrics: &Metrics) {
        match *self {
            Self::OfKilled { path, begun, received, unanswered, lost } => {
                warn!(
                    path = %path.display(), begun, received, unanswered, lost,
                    "the ledger goes on from a process that was killed"
                );
            }
            Self::Restored { path, begun, received } => {
                info!(path = %path.display(), begun, received, "the ledger goes on from its last end");
            }
            Self::SetAside { path, aside, why } => {
                error!(
                    path = %path.display(), aside = %aside.display(), why,
                    "the ledger begins anew: the file of the former one is set aside"
                );
            }
            Self::NotKept { path, error } => {
                metrics.ledger_keep_failures.inc();
                not_kept(path, error);
            }
            Self::StillNotKept => {
                metrics.ledger_keep_failures.inc();
            }
            Self::KeptAgain { path } => {
                info!(path = %path.display(), "the ledger is kept again");
            }
        }
    }
}

fn not_kept(path: &Path, error: &str) {
    let remedy = "give --state a directory that can be written to and has room; mining goes on, and a restart would begin from what was kept last";
    error!(path = %path.display(), error, remedy, "cannot keep the ledger");
}
