//! The identity of a span: all that a session keeps of its trace.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use tracing::span::EnteredSpan;

/// Identity of a sampled span, or [`TraceRef::NONE`]. 24 bytes and `Copy`: an idle session holds
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceRef {
    trace: [u8; 16],
    span: [u8; 8],
}

/// While it lives, log lines of this thread carry the ids of the trace. Not to be held across an
/// `.await`.
#[derive(Debug)]
#[must_use = "log lines carry the trace only while this lives"]
pub struct InTrace {
    _entered: Option<EnteredSpan>,
}

// === impl TraceRef ===

impl TraceRef {
    /// Not sampled.
    pub const NONE: Self = Self { trace: [0; 16], span: [0; 8] };

    /// Whether this is [`TraceRef::NONE`].
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Makes log lines carry this trace's ids, as `trace_id` and `span_id`, until the result is
    /// dropped.
    pub fn enter(self) -> InTrace {
        if self.is_none() {
            return InTrace { _entered: None };
        }
        let (trace_id, span_id) = (self.trace_id(), self.span_id());
        // The level is the highest, so that no filter takes the ids off a line that it lets
        // through.
        let span = tracing::error_span!("trace", %trace_id, %span_id);
        InTrace { _entered: Some(span.entered()) }
    }

    /// As W3C trace context; empty for [`TraceRef::NONE`].
    pub fn traceparent(self) -> String {
        if self.is_none() {
            return String::new();
        }
        format!("00-{}-{}-01", self.trace_id(), self.span_id())
    }

    // Ids need to be unique, not secret; a zero id is invalid and as likely as any other.
    pub(super) fn random() -> Self {
        let trace = fastrand::u128(1..).to_be_bytes();
        Self { trace, span: fastrand::u64(1..).to_be_bytes() }
    }

    pub(super) fn sibling(self) -> Self {
        Self { trace: self.trace, span: fastrand::u64(1..).to_be_bytes() }
    }

    pub(super) fn context(self) -> SpanContext {
        super::context_of(self)
    }

    pub(super) fn trace_id(self) -> TraceId {
        TraceId::from_bytes(self.trace)
    }

    pub(super) fn span_id(self) -> SpanId {
        SpanId::from_bytes(self.span)
    }
}

/// The span that a W3C `traceparent` of another process names; `None` if it is none.
pub(super) fn remote(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (_version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let exact = trace.len() == 32 && span.len() == 16 && flags.len() == 2;
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::default(),
    );
    (exact && context.is_valid()).then_some(context)
}
