//! Sets up logs and traces once, at start.
//!
//! Logs go to standard error, so that standard output stays free for what a command prints. Trouble
//! with traces never keeps the proxy from starting: it is logged, and the proxy runs without them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// Longest text of directives that is taken by hand.
const LEVEL_BYTES_MAX: usize = 256;

/// The level of a running proxy.
#[derive(Debug)]
pub(super) struct LogControl {
    filter: reload::Handle<EnvFilter, Registry>,
    /// By a flag or the environment, which the document does not change.
    pinned: Option<String>,
    /// Written when a configuration is applied, and by hand.
    standing: Mutex<Standing>,
}

#[derive(Clone, Debug, Default)]
struct Standing {
    /// By the document.
    document: Option<String>,
    by_hand: Option<String>,
}

/// How much is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel {
    /// A level, or directives.
    pub level: String,
    /// What it will be again, where it was set by hand.
    pub instead_of: Option<String>,
}

/// A log level could not be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogLevelError {
    /// Another program has set up the logs of this process, or none has.
    #[error("this process has set up no logs")]
    NoLogs,
    /// It does not parse.
    #[error("{0}")]
    Unreadable(String),
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
    /// Takes the level of a document, unless a flag, the environment or somebody by hand has settled it.
    pub(super) fn follow(&self, level: Option<&str>) {
        self.lock().document = level.map(str::to_owned);
        self.take();
    }

    /// Takes a level by hand, or goes back to the one before.
    pub(super) fn by_hand(&self, level: Option<&str>) -> Result<(), LogLevelError> {
        if let Some(level) = level {
            if level.is_empty() || level.len() > LEVEL_BYTES_MAX {
                let reason =
                    format!("it has {} bytes, and 1 to {LEVEL_BYTES_MAX} are read", level.len());
                return Err(LogLevelError::Unreadable(reason));
            }
            log::parse(level, OURS).map_err(LogLevelError::Unreadable)?;
        }
        self.lock().by_hand = level.map(str::to_owned);
        self.take();
        Ok(())
    }

    pub(super) fn level(&self) -> LogLevel {
        let Standing { document, by_hand } = self.lock().clone();
        let regular = self.pinned.clone().or(document).unwrap_or_else(|| LEVEL_DEFAULT.to_owned());
        match by_hand {
            Some(level) => LogLevel { level, instead_of: Some(regular) },
            None => LogLevel { level: regular, instead_of: None },
        }
    }

    fn take(&self) {
        let LogLevel { level, instead_of: _ } = self.level();
        // Whoever gave it has validated it; a filter that does not parse leaves the old one.
        let changed = log::parse(&level, OURS)
            .and_then(|filter| self.filter.reload(filter).map_err(|e| e.to_string()));
        if let Err(error) = changed {
            error!(level, error, "log level not changed");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn init_log(settings: &LogSettings) -> Result<LogControl, LogError> {
    let (filter, handle) = reload::Layer::new(settings.wanted(OURS)?);
    tracing_subscriber::registry().with(filter).with(settings.lines()).try_init()?;
    let (pinned, standing) = (settings.filter.clone(), Mutex::default());
    Ok(LogControl { filter: handle, pinned, standing })
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

    fn control(flag: Option<&str>) -> (LogControl, reload::Layer<EnvFilter, Registry>) {
        let (layer, filter) = reload::Layer::new(EnvFilter::new("info"));
        let pinned = flag.map(str::to_owned);
        (LogControl { filter, pinned, standing: Mutex::default() }, layer)
    }

    #[track_caller]
    fn check(control: &LogControl, level: &str, instead_of: Option<&str>, filter: &str) {
        let expected =
            LogLevel { level: level.to_owned(), instead_of: instead_of.map(str::to_owned) };
        assert_eq!(control.level(), expected);
        assert_eq!(control.filter.with_current(ToString::to_string).unwrap(), filter);
    }

    #[test]
    fn a_level_by_hand_holds_until_it_is_taken_back_whatever_the_document_says() {
        let (control, _layer) = control(None);
        control.follow(Some("warn"));
        check(&control, "warn", None, "warn");
        control.by_hand(Some("h2=trace")).unwrap();
        check(&control, "h2=trace", Some("warn"), "h2=trace");
        control.follow(Some("error"));
        check(&control, "h2=trace", Some("error"), "h2=trace");
        control.by_hand(None).unwrap();
        check(&control, "error", None, "error");
    }

    #[test]
    fn a_flag_outranks_the_document_and_a_hand_the_flag() {
        let (control, _layer) = control(Some("warn"));
        control.follow(Some("trace"));
        check(&control, "warn", None, "warn");
        control.by_hand(Some("error")).unwrap();
        check(&control, "error", Some("warn"), "error");
    }

    #[test]
    fn what_is_no_level_changes_nothing() {
        let (control, _layer) = control(None);
        for wrong in ["info,loka=loud", "", &"x".repeat(300)] {
            assert!(control.by_hand(Some(wrong)).is_err(), "{wrong}");
        }
        check(&control, "info", None, "info");
    }

    #[test]
    fn traces_name_the_proxy() {
        let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")];
        let otlp = Otlp::read(&environment.into_iter().collect(), &SERVICE).unwrap().unwrap();
        let name = otlp.resource().get(&"service.name".into()).map(|value| value.to_string());
        assert_eq!(name.as_deref(), Some("loka-proxy"));
    }
}
