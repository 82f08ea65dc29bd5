//! What the operator says about itself: log lines, counters, traces. [`Telemetry::emit`] is the one
//! door for what happens; spans are those of `tracing`, which go out over OTLP if the environment
//! names a collector.
//!
//! It owns the registry and the exporter. It does not own state that can be read elsewhere.

pub mod catalogue;
pub mod context;
mod events;
mod init;
mod metrics;
pub mod reasons;

pub use events::Event;
pub use init::init;
pub use metrics::Metrics;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry_sdk::trace::SdkTracerProvider;

/// Longest that the last spans may take on their way out.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// A handle on all of it; cheap to clone.
#[derive(Clone, Debug)]
pub struct Telemetry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    metrics: Arc<Metrics>,
    traces: Option<SdkTracerProvider>,
}

// === impl Telemetry ===

impl Telemetry {
    /// Counts, and neither sets up logs nor traces: for tests.
    pub fn silent() -> Self {
        Self::new(Arc::new(Metrics::new(SystemTime::now())), None)
    }

    fn new(metrics: Arc<Metrics>, traces: Option<SdkTracerProvider>) -> Self {
        Self(Arc::new(Inner { metrics, traces }))
    }

    /// Logs and counts what happened.
    pub fn emit(&self, event: &Event<'_>) {
        event.observe(&self.0.metrics);
    }

    /// The numbers, for `/metrics`.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Sends the spans that are queued. Blocks for at most five seconds; the runtime must still
    /// run.
    pub fn shutdown(&self) {
        let Some(traces) = &self.0.traces else { return };
        if let Err(error) = traces.shutdown_with_timeout(FLUSH_TIMEOUT) {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}
