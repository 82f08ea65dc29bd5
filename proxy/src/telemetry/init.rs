//! Sets up logs and traces once, at start.
//!
//! Logs go to standard error, so that standard output stays free for what a command prints. Trouble
//! with traces never keeps the proxy from starting: it is logged, and the proxy runs without them.

use std::sync::Arc;
use std::time::SystemTime;

use loka_ops::environment::Environment;
use loka_ops::log::{self, LEVEL_DEFAULT, LogError, LogSettings};
use loka_ops::otlp::{Otlp, OtlpError, Service};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanProcessor as _};
use tracing::{error, info};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::audit::AuditTap;
use super::traces::Sampling;
use super::{Inner, Metrics, SAMPLING_RATIO_DEFAULT, Telemetry, Traces, Voice, sampler};

/// This crate, whose lines and those of `loka_ops` a bare level is about.
const OURS: &str = "loka_proxy";

/// Who traces come from when the environment does not say it.
const SERVICE: Service =
    Service { name: "loka-proxy", version: env!("CARGO_PKG_VERSION"), attributes: &[] };

/// The level of a running proxy.
#[derive(Debug)]
pub(super) struct LogControl {
    filter: reload::Handle<EnvFilter, Registry>,
    /// A flag or the environment has settled the level.
    pinned: bool,
}

/// Sets up logs for the process, and traces if the environment names a collector. Must be called
/// within the runtime that the exporter is to use.
///
/// # Errors
/// [`LogError`] when the filter does not parse or logs are set up already.
pub fn init(
    log: &LogSettings,
    environment: &Environment,
    audit: Option<Arc<AuditTap>>,
) -> Result<Telemetry, LogError> {
    let log = init_log(log)?;
    let metrics = Arc::new(Metrics::new(SystemTime::now()));
    let (traces, ratio_pinned) = init_traces(environment, &metrics);
    let inner = Inner { metrics, traces, ratio_pinned, log: Some(log), audit };
    Ok(Telemetry(Arc::new(inner), Voice::Single))
}

// === impl LogControl ===

impl LogControl {
    /// Takes the level of a document, unless a flag or the environment has settled it.
    pub(super) fn follow(&self, level: Option<&str>) {
        if self.pinned {
            return;
        }
        let level = level.unwrap_or(LEVEL_DEFAULT);
        // The document's validation knows the levels; a filter that does not parse leaves the old
        // one.
        let changed = log::parse(level, OURS)
            .and_then(|filter| self.filter.reload(filter).map_err(|e| e.to_string()));
        if let Err(error) = changed {
            error!(level, error, "log level not changed");
        }
    }
}

fn init_log(settings: &LogSettings) -> Result<LogControl, LogError> {
    let (filter, handle) = reload::Layer::new(settings.wanted(OURS)?);
    tracing_subscriber::registry().with(filter).with(settings.lines()).try_init()?;
    Ok(LogControl { filter: handle, pinned: settings.filter.is_some() })
}

fn init_traces(environment: &Environment, metrics: &Arc<Metrics>) -> (Traces, bool) {
    match start_traces(environment, metrics) {
        Ok(None) => (Traces::default(), false),
        Ok(Some((otlp, ratio, traces))) => {
            info!(endpoint = otlp.endpoint, ratio, "exporting traces");
            (traces, ratio.is_some())
        }
        Err(error) => {
            error!(%error, "running without traces");
            (Traces::default(), false)
        }
    }
}

/// Where traces go, the ratio that the environment asks for, and where spans are handed in. A
/// collector that is away costs spans, never shares: the SDK's queue is bounded.
fn start_traces(
    environment: &Environment,
    metrics: &Arc<Metrics>,
) -> Result<Option<(Otlp, Option<f64>, Traces)>, OtlpError> {
    let Some(otlp) = Otlp::read(environment, &SERVICE)? else { return Ok(None) };
    let ratio = sampler::ratio(environment)?;
    let exporter = otlp.exporter(Arc::<Metrics>::clone(metrics))?;
    let mut processor = BatchSpanProcessor::builder(exporter).build();
    processor.set_resource(&otlp.resource());
    let sampling = Sampling::new(ratio.unwrap_or(SAMPLING_RATIO_DEFAULT));
    Ok(Some((otlp, ratio, Traces::new(Box::new(processor), sampling))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_name_the_proxy() {
        let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")];
        let otlp = Otlp::read(&environment.into_iter().collect(), &SERVICE).unwrap().unwrap();
        let name = otlp.resource().get(&"service.name".into()).map(|value| value.to_string());
        assert_eq!(name.as_deref(), Some("loka-proxy"));
    }
}
