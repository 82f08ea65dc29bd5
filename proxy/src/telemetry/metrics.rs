//! The registry: counters and histograms that events feed, as OpenMetrics text on demand.
//!
//! What can be read off the proxy's state (miners connected, pools up, the share ledger) is not
//! counted here: `admin` reads it at scrape time from its owner, so that no number has two sources.

mod family;

pub(crate) use family::Labels;
#[cfg(test)]
use family::SERIES_MAX;

use std::fmt;
use std::time::SystemTime;

use loka_ops::catalogue::register_constants;
use loka_ops::otlp::{ExportResult, SpanCount};
use loka_ops::throttle::Throttle;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use self::family::Series;
use super::catalogue as names;

/// Bounds of the buckets of durations inside the process or on a local network, in seconds.
const LOCAL_SECONDS: [f64; 10] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0];

/// Bounds of the buckets of durations that depend on a peer far away, in seconds.
pub(crate) const REMOTE_SECONDS: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Log lines about what miners do wrong: enough to see what is going on, 864 000 a day at the
/// worst.
const MINER_LINES_PER_SECOND: u32 = 10;

/// Log lines about pool connections of which each miner has its own.
const CROWD_LINES_PER_SECOND: u32 = 10;

/// Log lines about strangers at the admin API.
const ADMIN_LINES_PER_SECOND: u32 = 2;

/// Log lines about blocks.
const BLOCK_LINES_PER_SECOND: u32 = 10;

/// The numbers of the process. Fields are named as in [`super::catalogue`].
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub(super) admin_acts: Series<2, Counter>,
    pub(super) admin_denied: Series<1, Counter>,
    pub(super) audit_write_failures: Counter,
    pub(super) config_apply: Series<1, Counter>,
    pub(super) job_delivery: Histogram,
    pub(super) jobs_received: Series<3, Counter>,
    pub(super) ledger_keep_failures: Counter,
    pub(super) listener_failures: Series<1, Counter>,
    pub(super) login_hook: Series<2, Counter>,
    pub(super) miner_accept_failures: Series<1, Counter>,
    pub(super) miner_bans: Series<2, Counter>,
    pub(super) miner_closed: Series<2, Counter>,
    pub(super) miner_coinbase_too_long: Series<2, Counter>,
    pub(super) miner_connections: Series<1, Counter>,
    pub(super) miner_difficulty_changes: Series<1, Counter>,
    pub(super) miner_handshake: Series<1, Histogram>,
    pub(super) miner_logins: Series<1, Counter>,
    pub(super) miner_logins_refused: Series<2, Counter>,
    pub(super) miner_malformed: Series<1, Counter>,
    pub(super) miner_refused: Series<2, Counter>,
    pub(super) miner_renumbered: Series<1, Counter>,
    pub(super) miner_resumed: Series<1, Counter>,
    pub(super) miner_tls_failed: Series<2, Counter>,
    pub(super) pool_connects: Series<2, Counter>,
    pub(super) pool_down: Series<3, Counter>,
    pub(super) pool_login: Series<2, Histogram>,
    pub(super) pool_login_refused: Series<2, Counter>,
    pub(super) pool_messages: Series<2, Counter>,
    pub(super) pool_misbehaved: Series<2, Counter>,
    pub(super) pool_reconnects_asked: Series<3, Counter>,
    pub(super) pool_refused: Series<1, Counter>,
    pub(super) pool_unnamed_shares: Series<3, Counter>,
    pub(super) pool_unverified_jobs: Series<2, Counter>,
    pub(super) pool_suspected: Series<3, Counter>,
    pub(super) pool_verdict: Series<3, Histogram>,
    pub(super) route_no_pool: Series<1, Counter>,
    pub(super) route_rollouts: Series<2, Counter>,
    pub(super) route_switches: Series<2, Counter>,
    pub(super) spans_exported: Series<1, Counter>,
    /// Log lines that any miner can cause at will share this allowance.
    pub(super) miner_log: Throttle,
    /// Blocks are rare, except where the network is a test's.
    pub(super) block_log: Throttle,
    /// Lines about the connections of single miners.
    pub(super) crowd_log: Throttle,
    /// Lines about strangers at the admin API.
    pub(super) admin_log: Throttle,
}

// === impl Metrics ===

impl Metrics {
    pub(super) fn new(started: SystemTime) -> Self {
        let mut registry = Registry::default();
        let job_delivery = Histogram::new(LOCAL_SECONDS);
        let (name, help) = (names::JOB_DELIVERY.name, names::JOB_DELIVERY.help);
        registry.register(name, help, job_delivery.clone());
        let ledger_keep_failures = Counter::default();
        let (name, help) = (names::LEDGER_KEEP_FAILURES.name, names::LEDGER_KEEP_FAILURES.help);
        registry.register(name, help, ledger_keep_failures.clone());
        let audit_write_failures = Counter::default();
        let (name, help) = (names::AUDIT_WRITE_FAILURES.name, names::AUDIT_WRITE_FAILURES.help);
        registry.register(name, help, audit_write_failures.clone());
        let build = (&names::BUILD, env!("CARGO_PKG_VERSION"));
        register_constants(&mut registry, build, (&names::PROCESS_START, started));
        Self {
            admin_acts: Series::counts(&mut registry, &names::ADMIN_ACTS),
            admin_denied: Series::counts(&mut registry, &names::ADMIN_DENIED),
            audit_write_failures,
            config_apply: Series::counts(&mut registry, &names::CONFIG_APPLY),
            job_delivery,
            jobs_received: Series::counts(&mut registry, &names::JOBS_RECEIVED),
            ledger_keep_failures,
            listener_failures: Series::counts(&mut registry, &names::LISTENER_FAILURES),
            login_hook: Series::counts(&mut registry, &names::LOGIN_HOOK),
            miner_accept_failures: Series::counts(&mut registry, &names::MINER_ACCEPT_FAILURES),
            miner_bans: Series::counts(&mut registry, &names::MINER_BANS),
            miner_closed: Series::counts(&mut registry, &names::MINER_CLOSED),
            miner_coinbase_too_long: Series::counts(&mut registry, &names::MINER_COINBASE_TOO_LONG),
            miner_connections: Series::counts(&mut registry, &names::MINER_CONNECTIONS),
            miner_difficulty_changes: Series::counts(
                &mut registry,
                &names::MINER_DIFFICULTY_CHANGES,
            ),
            miner_handshake: Series::durations(&mut registry, &names::MINER_HANDSHAKE),
            miner_logins: Series::counts(&mut registry, &names::MINER_LOGINS),
            miner_logins_refused: Series::counts(&mut registry, &names::MINER_LOGINS_REFUSED),
            miner_malformed: Series::counts(&mut registry, &names::MINER_MALFORMED),
            miner_refused: Series::counts(&mut registry, &names::MINER_REFUSED),
            miner_renumbered: Series::counts(&mut registry, &names::MINER_RENUMBERED),
            miner_resumed: Series::counts(&mut registry, &names::MINER_RESUMED),
            miner_tls_failed: Series::counts(&mut registry, &names::MINER_TLS_FAILED),
            pool_connects: Series::counts(&mut registry, &names::POOL_CONNECTS),
            pool_down: Series::counts(&mut registry, &names::POOL_DOWN),
            pool_login: Series::durations(&mut registry, &names::POOL_LOGIN),
            pool_login_refused: Series::counts(&mut registry, &names::POOL_LOGIN_REFUSED),
            pool_messages: Series::counts(&mut registry, &names::POOL_MESSAGES),
            pool_misbehaved: Series::counts(&mut registry, &names::POOL_MISBEHAVED),
            pool_refused: Series::counts(&mut registry, &names::POOL_REFUSED),
            pool_reconnects_asked: Series::counts(&mut registry, &names::POOL_RECONNECTS_ASKED),
            pool_unnamed_shares: Series::counts(&mut registry, &names::POOL_UNNAMED_SHARES),
            pool_unverified_jobs: Series::counts(&mut registry, &names::POOL_UNVERIFIED_JOBS),
            pool_suspected: Series::counts(&mut registry, &names::POOL_SUSPECTED),
            pool_verdict: Series::durations(&mut registry, &names::POOL_VERDICT),
            route_no_pool: Series::counts(&mut registry, &names::ROUTE_NO_POOL),
            route_rollouts: Series::counts(&mut registry, &names::ROUTE_ROLLOUTS),
            route_switches: Series::counts(&mut registry, &names::ROUTE_SWITCHES),
            spans_exported: Series::counts(&mut registry, &names::SPANS_EXPORTED),
            miner_log: Throttle::per_second(MINER_LINES_PER_SECOND),
            block_log: Throttle::per_second(BLOCK_LINES_PER_SECOND),
            crowd_log: Throttle::per_second(CROWD_LINES_PER_SECOND),
            admin_log: Throttle::per_second(ADMIN_LINES_PER_SECOND),
            registry,
        }
    }

    /// Appends the registry and then `scraped`, which the caller read off the proxy's state just
    /// now.
    ///
    /// # Errors
    /// Only those of `out`.
    pub fn encode(&self, out: &mut impl fmt::Write, scraped: &Registry) -> fmt::Result {
        text::encode_registry(out, &self.registry)?;
        text::encode_registry(out, scraped)?;
        text::encode_eof(out)
    }
}

impl SpanCount for Metrics {
    fn count(&self, result: ExportResult, spans: u64) {
        self.spans_exported.add([result.label()], spans);
    }
}

#[cfg(test)]
mod tests;
