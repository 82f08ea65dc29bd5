//! What the trace of a due share needs, kept until the pool's last word. Nothing of it decides anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::sink::ledger::Row;
use crate::telemetry::traces::{ShareOutcome, ShareTrace};
use crate::telemetry::{Telemetry, TraceRef};

/// The times of a share on its way.
#[derive(Clone, Debug)]
pub(crate) struct ShareRecord {
    pub(crate) connection: TraceRef,
    pub(crate) row: Arc<Row>,
    pub(crate) peer: SocketAddr,
    pub(crate) received: Instant,
    pub(crate) verified: Instant,
    pub(crate) handed: Option<Instant>,
    pub(crate) difficulty: f64,
}

// === impl ShareRecord ===

impl ShareRecord {
    /// Ends the trace of a share that the pool, or the loss of it, has decided.
    pub(crate) fn end(&self, telemetry: &Telemetry, at: Instant, outcome: ShareOutcome) {
        telemetry.traces().share(&ShareTrace {
            connection: self.connection,
            listener: &self.row.key().listener,
            route: &self.row.key().route,
            pool: &self.row.key().pool,
            peer: self.peer,
            received: self.received,
            verified: self.verified,
            handed: self.handed,
            answered: self.handed,
            verdict: Some(at),
            outcome,
            difficulty: self.difficulty,
        });
    }
}
