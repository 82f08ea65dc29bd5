//! Events of the admin API: what somebody did by hand, and who was not let do it.

use std::net::IpAddr;

use loka_ops::said::Said;
use tracing::{info, warn};

use super::super::Metrics;
use super::super::reasons::{ActResult, AdminAct, AdminDenied};
use super::AUDIT;

/// Something happened at the admin API.
#[derive(Clone, Copy, Debug)]
pub enum AdminEvent<'a> {
    /// Somebody acted, or tried to; `detail` is what came of it, or why nothing did.
    Acted {
        /// By what he was let in: `loopback` or `token`.
        who: &'a str,
        from: IpAddr,
        act: AdminAct,
        /// The session, worker, address, route or listener that it was about; empty: the process.
        on: &'a str,
        result: ActResult,
        detail: &'a str,
    },
    /// Somebody was not let in.
    Denied { from: IpAddr, reason: AdminDenied },
    /// A log level that was set by hand is over.
    LogLevelOver { level: &'a str },
}

// === impl AdminEvent ===

impl AdminEvent<'_> {
    pub(super) fn observe(&self, metrics: &Metrics) {
        match *self {
            Self::Acted { who, from, act, on, result, detail } => {
                metrics.admin_acts.inc([act.label(), result.label()]);
                let (on, detail) = (Said(on), Said(detail));
                match result {
                    ActResult::Done => {
                        info!(target: AUDIT, who, %from, %act, %on, %result, %detail, "done by hand");
                    }
                    ActResult::Refused => {
                        warn!(target: AUDIT, who, %from, %act, %on, %result, %detail, "not done, though asked for by hand");
                    }
                }
            }
            Self::Denied { from, reason } => {
                metrics.admin_denied.inc([reason.label()]);
                if let Some(unlogged) = metrics.admin_log.admit() {
                    let remedy = reason.remedy();
                    warn!(target: AUDIT, %from, %reason, unlogged, remedy, "not let in to the admin API");
                }
            }
            Self::LogLevelOver { level } => {
                info!(target: AUDIT, level, "the log level that was set by hand is over");
            }
        }
    }
}
