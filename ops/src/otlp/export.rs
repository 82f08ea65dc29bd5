//! Sends spans to a collector over OTLP/gRPC. What queues them is the program's, and bounded; what
//! does not fit is dropped.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tracing::{info, warn};

use super::{ExportResult, Otlp, OtlpError};

/// Who counts what becomes of spans.
pub trait SpanCount: fmt::Debug + Send + Sync {
    /// So many spans came to this.
    fn count(&self, result: ExportResult, spans: u64);
}

/// Counts what becomes of spans, and logs when that changes; the SDK keeps it to itself.
#[derive(Debug)]
pub struct Exporter {
    inner: OtlpExporter,
    count: Arc<dyn SpanCount>,
    failing: AtomicBool,
}

impl Otlp {
    /// Connects to the collector. Must be called within a runtime, which the connection then lives
    /// on.
    ///
    /// # Errors
    /// [`OtlpError`] when the endpoint is none.
    pub fn exporter(&self, count: Arc<dyn SpanCount>) -> Result<Exporter, OtlpError> {
        let inner = OtlpExporter::builder().with_tonic().with_endpoint(&self.endpoint).build();
        let inner = inner.map_err(|error| OtlpError {
            variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
            value: format!("{} ({error})", self.endpoint),
            remedy: "write http://HOST:4317, the OTLP/gRPC port of a collector",
        })?;
        Ok(Exporter { inner, count, failing: AtomicBool::new(false) })
    }
}

// === impl Exporter ===

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let result = self.inner.export(batch).await;
        let failed = result.is_err();
        let label = if failed { ExportResult::Failed } else { ExportResult::Exported };
        self.count.count(label, spans);
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
