//! Sends spans to a collector over OTLP/gRPC, in batches, from a thread of the SDK. A collector
//! that is away costs spans and nothing else: the queue is bounded and what does not fit is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing::{info, warn};

use super::metrics::Metrics;
use super::otlp::{Otlp, OtlpError};
use super::reasons::ExportResult;

/// Starts the exporter. Must be called within a runtime, which the connection then lives on.
pub(super) fn start(otlp: &Otlp, metrics: &Arc<Metrics>) -> Result<SdkTracerProvider, OtlpError> {
    let inner =
        OtlpExporter::builder().with_tonic().with_endpoint(&otlp.endpoint).build().map_err(
            |error| OtlpError {
                variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
                value: format!("{} ({error})", otlp.endpoint),
                remedy: "write http://HOST:4317, the OTLP/gRPC port of a collector",
            },
        )?;
    let exporter =
        Counting { inner, metrics: Arc::clone(metrics), failing: AtomicBool::new(false) };
    let attributes = otlp.resource.iter().map(|(key, value)| KeyValue::new(*key, value.clone()));
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_attributes(attributes).build())
        .build())
}

/// Counts what becomes of spans, and logs when that changes; the SDK keeps it to itself.
#[derive(Debug)]
struct Counting<E> {
    inner: E,
    metrics: Arc<Metrics>,
    failing: AtomicBool,
}

// === impl Counting ===

impl<E: SpanExporter> SpanExporter for Counting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let result = self.inner.export(batch).await;
        let failed = result.is_err();
        let label = if failed { ExportResult::Failed } else { ExportResult::Exported };
        self.metrics.spans_exported.add([label.label()], spans);
        let failed_before = self.failing.swap(failed, Ordering::Relaxed);
        match &result {
            Err(error) if !failed_before => {
                let remedy = "check OTEL_EXPORTER_OTLP_ENDPOINT and that a collector listens there";
                warn!(%error, remedy, "spans cannot be exported; logged once until they can");
            }
            Ok(()) if failed_before => info!("spans are exported again"),
            Ok(()) | Err(_) => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
