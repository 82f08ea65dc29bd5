//! Events of pools' connections.

use std::net::SocketAddr;
use std::time::Duration;

use loka_ops::said::Said;
use tracing::{debug, error, info, trace, warn};

use super::super::Metrics;
use super::super::blame::Finding;
use super::super::reasons::{
    Clean, Obeyed, PoolDownReason, RefusedPool, SuspectReason, UnnamedReason, Verdict,
};
use super::super::traces::ShareOutcome;
use super::{AUDIT, seconds};

/// Something happened to a pool's connection. Every variant names the route and the pool.
#[derive(Debug)]
pub enum PoolEvent<'a> {
    /// Logged in with a job again, after a drop that nobody needed to hear of.
    Back { route: &'a str, pool: &'a str, after: Duration },
    /// The pool has judged a block.
    BlockJudged {
        route: &'a str,
        pool: &'a str,
        hash: &'a str,
        verdict: Verdict,
        outcome: ShareOutcome,
    },
    /// A connection is being tried.
    Connecting { route: &'a str, pool: &'a str, endpoint: &'a str },
    /// The pool cannot be used; it is tried again after `retry_in`, if at all.
    Down {
        route: &'a str,
        pool: &'a str,
        reason: PoolDownReason,
        detail: &'a str,
        retry_in: Option<Duration>,
    },
    /// A connection ended that nothing depended on, or a first try failed: it is tried again at once, and only if that
    /// fails as well is the pool down.
    Dropped { route: &'a str, pool: &'a str, reason: PoolDownReason, detail: &'a str },
    /// The pool sent a job.
    JobReceived { route: &'a str, pool: &'a str, clean: Clean },
    /// The pool does not let us in.
    LoginRefused { route: &'a str, pool: &'a str, user: &'a str, message: &'a str },
    /// The pool asked its operator to be told something (`client.show_message`).
    Message { route: &'a str, pool: &'a str, text: &'a str },
    /// The pool broke the protocol or a bound.
    Misbehaved { route: &'a str, pool: &'a str, what: &'a str },
    /// The pool's name stands for another address.
    Moved { route: &'a str, pool: &'a str, from: &'a SocketAddr, to: &'a SocketAddr },
    /// The allow-list does not have the pool, or not its account: in a configuration, or when it was to be connected to.
    NotAllowed {
        route: &'a str,
        pool: &'a str,
        endpoint: &'a str,
        account: &'a str,
        reason: RefusedPool,
    },
    /// The pool does not let in a name that work was to go under: it goes under the plain login.
    NameRefused { route: &'a str, pool: &'a str, login: &'a str, message: &'a str },
    /// The pool asked us to connect anew, there or elsewhere (`client.reconnect`).
    ReconnectAsked { route: &'a str, pool: &'a str, to: &'a str, wait: Duration, obeyed: Obeyed },
    /// A job after an unverified one is no better.
    StillUnverified { route: &'a str, pool: &'a str, detail: &'a str },
    /// A share went under the plain login although its pool is told names.
    Unnamed { route: &'a str, pool: &'a str, login: &'a str, reason: UnnamedReason },
    /// The pool's job does not pay whom it must: it is not mined on.
    Unverified { route: &'a str, pool: &'a str, detail: &'a str },
    /// The pool is connected, and not to be mined on while another can be.
    Suspected { route: &'a str, pool: &'a str, reason: SuspectReason },
    /// Connected, logged in and with a job, `after` the attempt began.
    Up { route: &'a str, pool: &'a str, after: Duration },
    /// The pool judged a share, `after` it was written.
    Verdict { route: &'a str, pool: &'a str, verdict: Verdict, after: Duration },
}

// === impl PoolEvent ===

impl PoolEvent<'_> {
    pub(super) fn is_routine(&self) -> bool {
        matches!(self, Self::Connecting { .. } | Self::JobReceived { .. } | Self::Verdict { .. })
    }

    pub(super) fn observe(&self, metrics: &Metrics) {
        match *self {
            Self::Back { route, pool, after } => {
                metrics.pool_login.observe([route, pool], after);
                debug!(route, pool, after_seconds = seconds(after), "pool back");
            }
            Self::BlockJudged { route, pool, hash, verdict, outcome } => {
                if let Some(unlogged) = metrics.block_log.admit() {
                    warn!(target: AUDIT, route, pool, hash, %verdict, ?outcome, unlogged, "THE POOL HAS JUDGED A BLOCK");
                }
            }
            Self::Connecting { .. } | Self::JobReceived { .. } | Self::Verdict { .. } => {
                self.observe_routine(metrics);
            }
            Self::Down { route, pool, reason, detail, retry_in } => {
                metrics.pool_down.inc([route, pool, reason.label()]);
                down(route, pool, reason, (detail, retry_in));
            }
            Self::Dropped { route, pool, reason, detail } => {
                debug!(route, pool, %reason, detail = %Said(detail), "pool dropped us, trying again");
            }
            Self::LoginRefused { route, pool, user, message } => {
                metrics.pool_login_refused.inc([route, pool]);
                login_refused(route, pool, user, message);
            }
            Self::Message { route, pool, text } => {
                metrics.pool_messages.inc([route, pool]);
                info!(route, pool, text = %Said(text), "message from pool");
            }
            Self::Misbehaved { route, pool, what } => {
                metrics.pool_misbehaved.inc([route, pool]);
                misbehaved(route, pool, what);
            }
            Self::Moved { route, pool, from, to } => {
                info!(target: AUDIT, route, pool, %from, %to, "pool has moved");
            }
            Self::NotAllowed { route, pool, endpoint, account, reason } => {
                metrics.pool_refused.inc([reason.label()]);
                not_allowed(route, pool, (endpoint, account), &reason);
            }
            Self::NameRefused { route, pool, login, message } => {
                name_refused(route, pool, login, message);
            }
            Self::ReconnectAsked { route, pool, to, wait, obeyed } => {
                metrics.pool_reconnects_asked.inc([route, pool, obeyed.label()]);
                reconnect_asked(route, pool, (to, wait), obeyed);
            }
            Self::StillUnverified { route, pool, detail } => {
                metrics.pool_unverified_jobs.inc([route, pool]);
                debug!(route, pool, detail = %Said(detail), "pool still pays somebody else");
            }
            Self::Unnamed { route, pool, login, reason } => {
                metrics.pool_unnamed_shares.inc([route, pool, reason.label()]);
                trace!(route, pool, login = %Said(login), %reason, "share under the plain login");
            }
            Self::Unverified { route, pool, detail } => {
                metrics.pool_unverified_jobs.inc([route, pool]);
                unverified(route, pool, detail);
            }
            Self::Suspected { route, pool, reason } => {
                metrics.pool_suspected.inc([route, pool, reason.label()]);
                suspected(route, pool, reason);
            }
            Self::Up { route, pool, after } => {
                metrics.pool_login.observe([route, pool], after);
                info!(route, pool, after_seconds = seconds(after), "pool up");
            }
        }
    }

    /// What comes all day long.
    fn observe_routine(&self, metrics: &Metrics) {
        if let Self::Connecting { route, pool, endpoint } = *self {
            metrics.pool_connects.inc([route, pool]);
            debug!(route, pool, endpoint, "connecting to pool");
        } else if let Self::JobReceived { route, pool, clean } = *self {
            metrics.jobs_received.inc([route, pool, clean.label()]);
            debug!(route, pool, %clean, "job received");
        } else if let Self::Verdict { route, pool, verdict, after } = *self {
            metrics.pool_verdict.observe([route, pool, verdict.label()], after);
            trace!(route, pool, %verdict, after_seconds = seconds(after), "verdict");
        }
    }
}

fn down(
    route: &str,
    pool: &str,
    reason: PoolDownReason,
    (detail, retry_in): (&str, Option<Duration>),
) {
    let (detail, retry) = (Said(detail), retry_in.map(seconds));
    let (remedy, Finding { blame, action }) = (reason.remedy(), reason.finding());
    warn!(
        route, pool, %reason, %blame, %action, %detail, retry_in_seconds = retry, remedy,
        "pool down"
    );
}

fn not_allowed(
    route: &str,
    pool: &str,
    (endpoint, account): (&str, &str),
    reason: &dyn std::fmt::Display,
) {
    let remedy = "nothing, if the list is right: whoever changed the StratumPool is to be asked";
    error!(
        target: AUDIT, route, pool, endpoint, account, %reason, remedy,
        "refused: not on the allow-list"
    );
}

fn misbehaved(route: &str, pool: &str, what: &str) {
    let remedy = "check that host and port are those of the pool's Stratum V1 service";
    warn!(route, pool, what = %Said(what), remedy, "pool broke the protocol");
}

fn suspected(route: &str, pool: &str, reason: SuspectReason) {
    let Finding { blame, action } = reason.finding();
    let remedy = "none needed unless it lasts; another pool is mined on meanwhile";
    warn!(route, pool, %reason, %blame, %action, remedy, "pool suspected");
}

fn name_refused(route: &str, pool: &str, login: &str, message: &str) {
    let (login, message) = (Said(login), Said(message));
    warn!(route, pool, %login, said = %message, "pool refused a worker's name");
}

fn login_refused(route: &str, pool: &str, user: &str, message: &str) {
    let message = Said(message);
    let remedy = "compare spec.account, workerName and the credentials Secret of the StratumPool with \
                  what the pool expects";
    error!(route, pool, user, said = %message, remedy, "pool refused the login");
}

fn unverified(route: &str, pool: &str, detail: &str) {
    let remedy = "compare verify.payoutAddress of the StratumPool with the account at the pool; nothing is \
                  mined on it meanwhile";
    let detail = Said(detail);
    error!(target: AUDIT, route, pool, %detail, remedy, "pool pays somebody else");
}

fn reconnect_asked(route: &str, pool: &str, (to, wait): (&str, Duration), obeyed: Obeyed) {
    let (to, wait_seconds) = (Said(to), seconds(wait));
    warn!(target: AUDIT, route, pool, %to, wait_seconds, %obeyed, "pool asked us to reconnect");
}
