//! The trace that the running code is part of, for what leaves the process: a published
//! configuration carries it, so that the proxies' traces can link to the reconcile behind it.

use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// W3C trace context of the current span; empty where nothing is traced.
pub fn traceparent() -> String {
    current().map_or_else(String::new, |context| {
        let (trace, span) = (context.trace_id(), context.span_id());
        format!("00-{trace}-{span}-{:02x}", context.trace_flags().to_u8())
    })
}

/// Id of the current trace, if a collector will have it.
pub(super) fn sampled_trace_id() -> Option<String> {
    current().filter(SpanContext::is_sampled).map(|context| context.trace_id().to_string())
}

fn current() -> Option<SpanContext> {
    let context = Span::current().context();
    let context = context.span().span_context().clone();
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn a_traced_span_has_a_context_and_other_code_has_none() {
        assert_eq!((traceparent(), sampled_trace_id()), (String::new(), None));
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            assert_eq!(traceparent(), "");
            let _inside = tracing::info_span!("reconcile").entered();
            let text = traceparent();
            let parts: Vec<_> = text.split('-').collect();
            let [version, trace, span, flags] = parts.as_slice() else { panic!("{text}") };
            assert_eq!((*version, trace.len(), span.len(), *flags), ("00", 32, 16, "01"));
            assert_eq!(sampled_trace_id().as_deref(), Some(*trace));
        });
    }
}
