//! Sets up logs and traces once, at start.
//!
//! Logs go to standard error, so that standard output stays free for what a command prints. Trouble
//! with traces never keeps the operator from starting: it is logged, and it runs without them.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Metadata, Subscriber, error, info};
use tracing_subscriber::filter::{
    EnvFilter, FilterExt as _, FilterFn, LevelFilter, Targets, filter_fn,
};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use super::Telemetry;
use super::export;
use super::metrics::Metrics;
use super::otlp::{Otlp, OtlpError};
use crate::environment::Environment;

/// Level when neither flag nor environment gives one.
const LEVEL_DEFAULT: &str = "info";

/// The only crate of ours that logs.
const OURS: &str = "loka_operator";

/// Where kube opens the span of each reconcile, the root of its trace.
const RECONCILES: &str = "kube_runtime::controller";

/// Where kube logs the whole of an answer that it cannot read. It may be a Secret, or a review of a token.
const BODIES: &str = "kube_client::client";

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
    /// A level, or directives such as `info,loka_operator=debug`.
    pub filter: Option<String>,
}

/// Logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The filter does not parse.
    #[error(
        "--log-level {value:?}: {reason}; give a level (error, warn, info, debug, trace) or directives such as \
         info,loka_operator=debug"
    )]
    Filter { value: String, reason: String },
    /// Somebody else has set up logs in this process.
    #[error("logs are set up already: {0}")]
    Taken(#[from] TryInitError),
}

/// Sets up logs for the process, and traces if the environment names a collector. Must be called
/// within the runtime that the exporter is to use.
///
/// # Errors
/// [`InitError`] when the filter does not parse or logs are set up already.
pub fn init(log: &LogSettings, environment: &Environment) -> Result<Telemetry, InitError> {
    let wanted = log.filter.as_deref().unwrap_or(LEVEL_DEFAULT);
    let filter =
        parse(wanted).map_err(|reason| InitError::Filter { value: wanted.to_owned(), reason })?;
    let format = log.format.unwrap_or_else(|| {
        if io::stderr().is_terminal() { LogFormat::Human } else { LogFormat::Json }
    });
    let metrics = Arc::new(Metrics::new(SystemTime::now()));
    // Told once there is a log to tell it.
    let traces = start_traces(environment, &metrics);
    let provider = traces.as_ref().ok().and_then(Option::as_ref).map(|(_, provider)| provider);
    tracing_subscriber::registry()
        .with(provider.map(spans))
        .with(lines(format).with_filter(filter.and(without_bodies())))
        .try_init()?;
    let provider = match traces {
        Ok(None) => None,
        Ok(Some((otlp, provider))) => {
            info!(endpoint = otlp.endpoint, "exporting traces");
            Some(provider)
        }
        Err(error) => {
            error!(%error, "running without traces");
            None
        }
    };
    Ok(Telemetry::new(metrics, provider))
}

fn start_traces(
    environment: &Environment,
    metrics: &Arc<Metrics>,
) -> Result<Option<(Otlp, SdkTracerProvider)>, OtlpError> {
    let Some(otlp) = Otlp::read(environment)? else { return Ok(None) };
    let provider = export::start(&otlp, metrics)?;
    Ok(Some((otlp, provider)))
}

/// Turns spans of `tracing` into those of OpenTelemetry: ours, and kube's of each reconcile. Those
/// of the libraries below (one per request to the API server, several per request to the collector)
/// would bury them, and never end.
fn spans(provider: &SdkTracerProvider) -> impl Layer<Registry> + Send + Sync + use<> {
    let wanted = Targets::new()
        .with_target(OURS, LevelFilter::INFO)
        .with_target(RECONCILES, LevelFilter::INFO);
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(OURS))
        // Where in the source a span stands, and on which thread it ran, is of no use to an
        // operator and most of its bytes.
        .with_location(false)
        .with_threads(false)
        .with_filter(wanted)
}

/// Whatever the filter asks for. What is lost is told by whoever asked, as the error that it gets.
fn without_bodies() -> FilterFn<fn(&Metadata<'_>) -> bool> {
    let is_fit: fn(&Metadata<'_>) -> bool = |metadata| metadata.target() != BODIES;
    filter_fn(is_fit).with_max_level_hint(LevelFilter::TRACE)
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
    let terminal = io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(terminal);
    match format {
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Human => layer.with_target(false).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SpanData, SpanExporter};
    use tracing::{debug_span, info_span};

    use super::*;

    #[derive(Clone, Debug, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Kept {
        async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().append(&mut batch);
            Ok(())
        }
    }

    fn check(given: &str, expected: &str) {
        assert_eq!(parse(given).unwrap().to_string(), expected, "{given}");
    }

    #[test]
    fn a_bare_level_is_for_our_own_lines_and_directives_are_taken_as_they_are() {
        check("warn", "warn");
        check("info", "info");
        check("debug", "loka_operator=debug,info");
        check("h2=trace", "h2=trace");
    }

    #[test]
    fn a_filter_that_does_not_parse_is_told_with_the_value_and_the_remedy() {
        let settings = LogSettings { format: None, filter: Some("info,loka=loud".to_owned()) };
        let error = init(&settings, &Environment::default()).unwrap_err().to_string();
        assert!(error.starts_with("--log-level \"info,loka=loud\": "), "{error}");
        assert!(error.contains("give a level (error, warn, info, debug, trace)"), "{error}");
    }

    #[derive(Clone, Debug, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        fn keep(&self, bytes: &[u8]) {
            self.0.lock().unwrap().extend_from_slice(bytes);
        }
    }

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.keep(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_answer_of_the_api_server_is_never_logged_whole_whatever_the_filter() {
        let written = Written::default();
        let writer = written.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let filter = parse("trace").unwrap().and(without_bodies());
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "kube_client::client", "SECRET-MARK");
            tracing::warn!(target: "kube_client::client::builder", "failed with status 500");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("failed with status 500") && !text.contains("SECRET-MARK"), "{text}");
    }

    #[test]
    fn spans_of_ours_and_of_reconciles_go_out_and_requests_do_not() {
        let kept = Kept::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).build();
        let subscriber = tracing_subscriber::registry().with(spans(&provider));
        tracing::subscriber::with_default(subscriber, || {
            let reconcile = info_span!(target: "kube_runtime::controller", "reconciling object");
            let _inside = reconcile.entered();
            let publish = info_span!("publish");
            publish.in_scope(|| drop(debug_span!(target: "kube_client::client::builder", "HTTP")));
            drop(info_span!(target: "h2", "Connection"));
        });
        let ended = kept.0.lock().unwrap().clone();
        let names: Vec<_> = ended.iter().map(|span| span.name.as_ref()).collect();
        assert_eq!(names, ["publish", "reconciling object"]);
        assert_eq!(ended[0].parent_span_id, ended[1].span_context.span_id());
    }
}
