//! Sets up logs and traces once, at start.
//!
//! Logs go to standard error, so that standard output stays free for what a command prints. Trouble
//! with traces never keeps the operator from starting: it is logged, and it runs without them.

use std::sync::Arc;
use std::time::SystemTime;

use loka_ops::environment::Environment;
use loka_ops::log::{LogError, LogSettings};
use loka_ops::otlp::{Otlp, OtlpError, Service};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Metadata, error, info};
use tracing_subscriber::filter::{FilterExt as _, FilterFn, LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::Telemetry;
use super::metrics::Metrics;

/// This crate, whose lines and those of `loka_ops` a bare level is about.
const OURS: &str = "loka_operator";

/// Where kube opens the span of each reconcile, the root of its trace.
const RECONCILES: &str = "kube_runtime::controller";

/// Where kube logs the whole of an answer that it cannot read. It may be a Secret, or a review of a token.
const BODIES: &str = "kube_client::client";

/// Who traces come from when the environment does not say it; the downward API gives the rest.
const SERVICE: Service = Service {
    name: "loka-operator",
    version: env!("CARGO_PKG_VERSION"),
    attributes: &[
        ("k8s.namespace.name", "POD_NAMESPACE"),
        ("k8s.pod.name", "POD_NAME"),
        ("k8s.pod.uid", "POD_UID"),
        ("k8s.node.name", "NODE_NAME"),
    ],
};

/// Sets up logs for the process, and traces if the environment names a collector. Must be called
/// within the runtime that the exporter is to use.
///
/// # Errors
/// [`LogError`] when the filter does not parse or logs are set up already.
pub fn init(log: &LogSettings, environment: &Environment) -> Result<Telemetry, LogError> {
    let filter = log.wanted(OURS)?;
    let metrics = Arc::new(Metrics::new(SystemTime::now()));
    // Told once there is a log to tell it.
    let traces = start_traces(environment, &metrics);
    let provider = traces.as_ref().ok().and_then(Option::as_ref).map(|(_, provider)| provider);
    tracing_subscriber::registry()
        .with(provider.map(spans))
        .with(log.lines().with_filter(filter.and(without_bodies())))
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
    let Some(otlp) = Otlp::read(environment, &SERVICE)? else { return Ok(None) };
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(otlp.exporter(Arc::<Metrics>::clone(metrics))?)
        .with_resource(otlp.resource())
        .build();
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

    #[test]
    fn traces_name_the_operator_and_its_pod_where_the_downward_api_names_it() {
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"),
            ("POD_NAME", "op-1"),
            ("POD_NAMESPACE", "loka"),
        ];
        let otlp = Otlp::read(&environment.into_iter().collect(), &SERVICE).unwrap().unwrap();
        let resource = otlp.resource();
        let value = |key: &'static str| resource.get(&key.into()).map(|value| value.to_string());
        assert_eq!(value("service.name").as_deref(), Some("loka-operator"));
        assert_eq!(value("k8s.pod.name").as_deref(), Some("op-1"));
        assert_eq!(value("k8s.namespace.name").as_deref(), Some("loka"));
        assert_eq!(value("k8s.node.name"), None);
    }

    #[derive(Clone, Debug, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        fn keep(&self, bytes: &[u8]) {
            self.0.lock().unwrap().extend_from_slice(bytes);
        }
    }

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.keep(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_answer_of_the_api_server_is_never_logged_whole_whatever_the_filter() {
        let written = Written::default();
        let writer = written.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let filter = LevelFilter::TRACE.and(without_bodies());
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
