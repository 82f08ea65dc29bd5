//! What the proxy says about itself: log lines, counters, traces. [`Telemetry::emit`] is the one
//! door for what happens; spans go through [`Telemetry::traces`].
//!
//! It owns the registry and the exporter. It does not own state that can be read elsewhere (who is
//! connected, the share ledger): `admin` reads that from its owner when asked.

pub mod audit;
pub mod blame;
pub mod catalogue;
pub mod events;
mod init;
mod metrics;
pub mod reasons;
mod sampler;
pub mod traces;

pub use events::{
    AdminEvent, AuditEvent, Event, LedgerEvent, MinerEvent, PoolEvent, ProcessEvent, RouteEvent,
};
pub use init::{LogLevel, LogLevelError, init};
pub(crate) use metrics::Labels;
pub use metrics::Metrics;
pub use traces::{TraceRef, Traces};

pub(crate) use events::listen_remedy;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use loka_api::runtime_config::Observability;
use tracing::subscriber::{NoSubscriber, with_default};

use self::audit::AuditTap;
use self::init::LogControl;

/// Longest that the last spans may take on their way out.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Share of the traces that is kept when neither the environment nor the document says.
const SAMPLING_RATIO_DEFAULT: f64 = 0.01;

/// A handle on all of it; cheap to clone.
#[derive(Clone, Debug)]
pub struct Telemetry(Arc<Inner>, Voice);

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    /// One of very many alike, whose lines share an allowance. Their counts are exact.
    Crowd,
    /// One of few.
    Single,
}

#[derive(Debug)]
struct Inner {
    metrics: Arc<Metrics>,
    traces: Traces,
    /// Whether the environment settles the sampling ratio, so that the document may not.
    ratio_pinned: bool,
    log: Option<LogControl>,
    /// If there is an audit log.
    audit: Option<Arc<AuditTap>>,
}

// === impl Telemetry ===

impl Telemetry {
    /// Counts, and neither logs nor traces: for simulations, tests and the demo.
    pub fn silent() -> Self {
        Self::with_traces(Traces::default())
    }

    fn with_traces(traces: Traces) -> Self {
        let metrics = Arc::new(Metrics::new(SystemTime::now()));
        Self(
            Arc::new(Inner { metrics, traces, ratio_pinned: false, log: None, audit: None }),
            Voice::Single,
        )
    }

    /// Logs and counts what happened.
    pub fn emit<'a>(&self, event: impl Into<Event<'a>>) {
        let (event, metrics) = (event.into(), &self.0.metrics);
        if let Some(audit) = &self.0.audit
            && let Some(entry) = event.audited()
        {
            audit.record(entry);
        }
        let is_said = match self.1 {
            Voice::Single => true,
            Voice::Crowd => event.is_routine() || metrics.crowd_log.admit().is_some(),
        };
        match is_said {
            true => event.observe(metrics),
            false => with_default(NoSubscriber::default(), || event.observe(metrics)),
        }
    }

    /// For one of thousands of connections that do the same: what all of them go through is not logged for each.
    pub(crate) fn of_a_crowd(&self) -> Self {
        Self(Arc::clone(&self.0), Voice::Crowd)
    }

    /// Where spans are handed in.
    pub fn traces(&self) -> &Traces {
        &self.0.traces
    }

    /// The numbers, for `/metrics`.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Takes over what a document says about logs and traces, except where a flag or the
    /// environment says it.
    pub fn configure(&self, observability: &Observability) {
        let Observability { log_level, tracing_sampling_ratio } = observability;
        if let Some(log) = &self.0.log {
            log.follow(log_level.as_deref());
        }
        if !self.0.ratio_pinned {
            let ratio = tracing_sampling_ratio.as_deref().and_then(|text| text.parse().ok());
            self.0.traces.set_ratio(ratio.unwrap_or(SAMPLING_RATIO_DEFAULT));
        }
    }

    /// How much is logged; none where this process has not set up logs.
    pub fn log_level(&self) -> Option<LogLevel> {
        self.0.log.as_ref().map(LogControl::level)
    }

    /// Logs at another level, whatever flag and document say; without one, at theirs again.
    ///
    /// # Errors
    /// If `level` is no level, or there are no logs.
    pub fn log_by_hand(&self, level: Option<&str>) -> Result<(), LogLevelError> {
        self.0.log.as_ref().ok_or(LogLevelError::NoLogs)?.by_hand(level)
    }

    /// Sends the spans that are queued. Blocks for at most five seconds; the runtime must still
    /// run.
    pub fn shutdown(&self) {
        if let Err(error) = self.0.traces.shutdown(FLUSH_TIMEOUT) {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

#[cfg(test)]
mod tests;
