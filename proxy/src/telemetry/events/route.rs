//! Events of routes: which pool the miners work for.

use std::time::Duration;

use tracing::{error, info};

use super::super::Metrics;
use super::super::reasons::{NoPoolAction, SwitchCause};
use super::seconds;

/// Something happened to a route.
#[derive(Debug)]
pub enum RouteEvent<'a> {
    /// No pool of the route can be used; `action` happens to its miners `after` a while.
    NoPool { route: &'a str, action: NoPoolAction, after: Duration },
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
            Self::Switched { route, from, to, cause } => {
                metrics.route_switches.inc([route, cause.label()]);
                info!(route, from, to, %cause, "route switched to pool");
            }
        }
    }
}
