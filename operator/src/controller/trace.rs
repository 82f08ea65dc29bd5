//! The trace context of the reconcile, for the snapshot that it publishes: the pods' own traces link to it.

use opentelemetry::trace::TraceContextExt as _;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The current span as W3C `traceparent`; empty where nothing is traced.
pub(super) fn traceparent() -> String {
    let context = Span::current().context();
    let span = context.span().span_context().clone();
    if !span.is_valid() {
        return String::new();
    }
    format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_collector_there_is_no_trace_context() {
        assert_eq!(traceparent(), "");
    }
}
