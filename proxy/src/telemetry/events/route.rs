//! Events of routes: which pool the miners work for.

use std::time::Duration;

use tracing::{error, info, warn};

use super::super::Metrics;
use super::super::reasons::{NoPoolAction, RolloutEnd, SwitchCause};
use super::seconds;

/// The target of log lines that an audit keeps: whatever changes whom the hash goes to by a decision.
const AUDIT: &str = "audit";

/// Something happened to a route.
#[derive(Debug)]
pub enum RouteEvent<'a> {
    /// No pool of the route can be used; `action` happens to its miners `after` a while.
    NoPool { route: &'a str, action: NoPoolAction, after: Duration },
    /// So much of the hashrate works for the new pool of a change that is made in steps.
    RolloutStep { route: &'a str, from: &'a str, to: &'a str, percent: u8 },
    /// Such a change is done, or was taken back.
    RolloutEnded { route: &'a str, from: &'a str, to: &'a str, end: RolloutEnd },
    /// The route's miners work for another pool.
    Switched { route: &'a str, from: Option<&'a str>, to: &'a str, cause: SwitchCause },
}

// === impl RouteEvent ===

impl RouteEvent<'_> {
    pub(super) fn observe(&self, metrics: &Metrics) {
        match *self {
            Self::NoPool { route, action, after } => {
                metrics.route_no_pool.inc([route]);
                let after_seconds = seconds(after);
                let remedy = "see the log lines of each pool of this route";
                error!(route, %action, after_seconds, remedy, "no pool left");
            }
            Self::RolloutStep { route, from, to, percent } => {
                info!(target: AUDIT, route, from, to, percent, "change of pool: step");
            }
            Self::RolloutEnded { route, from, to, end } => {
                metrics.route_rollouts.inc([route, end.label()]);
                if end == RolloutEnd::Done {
                    info!(target: AUDIT, route, from, to, "change of pool: done");
                } else {
                    let remedy =
                        "see the pool's log lines; the next change of the document tries again";
                    warn!(target: AUDIT, route, from, to, reason = %end, remedy, "change of pool: taken back");
                }
            }
            Self::Switched { route, from, to, cause } => {
                metrics.route_switches.inc([route, cause.label()]);
                info!(route, from, to, %cause, "route switched to pool");
            }
        }
    }
}
