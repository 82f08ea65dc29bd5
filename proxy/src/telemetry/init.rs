//! Sets up logs and traces once, at start.
//!
//! Logs go to standard error, so that standard output stays free for what a command prints. Trouble
//! with traces never keeps the proxy from starting: it is logged, and the proxy runs without them.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::time::SystemTime;

use tracing::{Subscriber, error, info};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use super::export;
use super::otlp::Otlp;
use super::{Inner, Metrics, Telemetry, Traces};
use crate::config::Environment;

/// Level when neither flag, environment nor document gives one.
const LEVEL_DEFAULT: &str = "info";

/// The only crate of ours that logs.
const OURS: &str = "loka_proxy";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line, for collectors.
    Json,
    /// For reading.
    Human,
}

/// How to log.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// Default: human on a terminal, else JSON.
    pub format: Option<LogFormat>,
    /// A level, or directives such as `info,loka_proxy=debug`. If given, it wins over the
    /// document's level.
    pub filter: Option<String>,
}

/// Logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The filter does not parse.
    #[error(
        "--log-level {value:?}: {reason}; give a level (error, warn, info, debug, trace) or directives such as \
         info,loka_proxy=debug"
    )]
    Filter { value: String, reason: String },
    /// Somebody else has set up logs in this process.
    #[error("logs are set up already: {0}")]
    Taken(#[from] TryInitError),
}

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
/// [`InitError`] when the filter does not parse or logs are set up already.
pub fn init(log: &LogSettings, environment: &Environment) -> Result<Telemetry, InitError> {
    let log = init_log(log)?;
    let metrics = Arc::new(Metrics::new(SystemTime::now()));
    let (traces, ratio_pinned) = init_traces(environment, &metrics);
    Ok(Telemetry(Arc::new(Inner { metrics, traces, ratio_pinned, log: Some(log) })))
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
        let changed =
            parse(level).and_then(|filter| self.filter.reload(filter).map_err(|e| e.to_string()));
        if let Err(error) = changed {
            error!(level, error, "log level not changed");
        }
    }
}

fn init_log(settings: &LogSettings) -> Result<LogControl, InitError> {
    let wanted = settings.filter.as_deref().unwrap_or(LEVEL_DEFAULT);
    let filter =
        parse(wanted).map_err(|reason| InitError::Filter { value: wanted.to_owned(), reason })?;
    let (filter, handle) = reload::Layer::new(filter);
    let format = settings.format.unwrap_or_else(|| {
        if io::stderr().is_terminal() { LogFormat::Human } else { LogFormat::Json }
    });
    tracing_subscriber::registry().with(filter).with(lines(format)).try_init()?;
    Ok(LogControl { filter: handle, pinned: settings.filter.is_some() })
}

/// A bare level is one of our own lines: what libraries have to say below INFO would drown them.
/// Who wants it writes directives.
fn parse(filter: &str) -> Result<EnvFilter, String> {
    let builder = EnvFilter::builder();
    let parsed = match filter.parse::<LevelFilter>() {
        Ok(level) if level > LevelFilter::INFO => builder.parse(format!("info,{OURS}={filter}")),
        Ok(_) | Err(_) => builder.parse(filter),
    };
    parsed.map_err(|error| error.to_string())
}

fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    match format {
        LogFormat::Json => json_lines(io::stderr).boxed(),
        LogFormat::Human => tracing_subscriber::fmt::layer()
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .with_writer(io::stderr)
            .boxed(),
    }
}

/// The ids of a trace, where there is one, stand under `span`.
pub(super) fn json_lines<S, W>(writer: W) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_writer(writer)
}

fn init_traces(environment: &Environment, metrics: &Arc<Metrics>) -> (Traces, bool) {
    let started = Otlp::read(environment).and_then(|otlp| {
        otlp.map(|otlp| export::start(&otlp, metrics).map(|traces| (otlp, traces))).transpose()
    });
    match started {
        Ok(None) => (Traces::default(), false),
        Ok(Some((otlp, traces))) => {
            info!(endpoint = otlp.endpoint, ratio = otlp.ratio, "exporting traces");
            (traces, otlp.ratio.is_some())
        }
        Err(error) => {
            error!(%error, "running without traces");
            (Traces::default(), false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &str, expected: &str) {
        assert_eq!(parse(given).unwrap().to_string(), expected, "{given}");
    }

    #[test]
    fn a_bare_level_is_for_our_own_lines_and_directives_are_taken_as_they_are() {
        check("warn", "warn");
        check("info", "info");
        check("debug", "loka_proxy=debug,info");
        check("trace", "loka_proxy=trace,info");
        check("h2=trace", "h2=trace");
    }

    #[test]
    fn a_filter_that_does_not_parse_is_told_with_the_value_and_the_remedy() {
        let settings = LogSettings { format: None, filter: Some("info,loka=loud".to_owned()) };
        let error = init_log(&settings).unwrap_err().to_string();
        assert!(error.starts_with("--log-level \"info,loka=loud\": "), "{error}");
        assert!(error.contains("give a level (error, warn, info, debug, trace)"), "{error}");
    }
}
