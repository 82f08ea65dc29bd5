//! What the process's memory is used for, as far as it is accounted.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::StatusReader;
use crate::audit::Audited;
use crate::listener::MinerCount;
use crate::room::{MemoryUse, SHARE_BYTES};

// === impl StatusReader ===

impl StatusReader {
    /// What is accounted now.
    pub fn memory(&self) -> MemoryUse {
        let shared = self.shared();
        let (under_way, rows) = shared.ledger.sizes();
        let mut used = MemoryUse {
            jobs: shared.jobs.load(Ordering::Relaxed) as u64,
            queues: under_way.saturating_mul(SHARE_BYTES),
            tables: rows,
            audit: shared.audit.as_ref().map_or(0, |audit| Audited::counts(audit).queued_bytes),
            sessions: 0,
        };
        let view = shared.view.lock().unwrap_or_else(PoisonError::into_inner);
        for miners in view.listeners.iter().filter_map(|listener| listener.miners.as_ref()) {
            let (sessions, tables) = MinerCount::bytes(miners);
            used.sessions = used.sessions.saturating_add(sessions);
            used.tables = used.tables.saturating_add(tables);
        }
        used
    }
}
