//! Events of the audit log itself: written, or not.

use tracing::{error, info};

use super::super::Metrics;

/// Something happened to the audit log.
#[derive(Debug)]
pub enum AuditEvent<'a> {
    /// Records cannot be written; they wait, and are lost when there are too many.
    NotWritten { to: &'a str, error: &'a str },
    /// Once more, for the same reason.
    StillNotWritten,
    /// They are written again.
    WrittenAgain { to: &'a str },
}

// === impl AuditEvent ===

impl AuditEvent<'_> {
    pub(super) fn observe(&self, metrics: &Metrics) {
        match *self {
            Self::NotWritten { to, error } => {
                metrics.audit_write_failures.inc();
                let remedy = "give --audit a place that can be written to and has room; mining goes on, and what waits for too long is counted as lost";
                error!(to, error, remedy, "cannot write the audit log");
            }
            Self::StillNotWritten => {
                metrics.audit_write_failures.inc();
            }
            Self::WrittenAgain { to } => info!(to, "the audit log is written again"),
        }
    }
}
