//! Traces of connections, shares and configurations, built after the fact from the times that their
//! owners noted: nothing is open while a miner is idle, and with tracing off nothing is built at
//! all.
//!
//! Spans go straight to the SDK's batch processor instead of through a `Tracer`, because their ids
//! must be known before they end (log lines and links name them) and because whether a share is
//! kept depends on its outcome. This module knows no exporter (`export` does) and no
//! configuration.

mod config;
mod connection;
mod reference;
mod sampling;
mod share;

pub use config::{ConfigOutcome, ConfigTrace};
pub use connection::{ConnectionTrace, HandshakeTrace};
pub use reference::{InTrace, TraceRef};
pub(super) use sampling::Sampling;
pub use share::{ShareOutcome, ShareTrace};

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use loka_ops::throttle::Throttle;
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks, SpanProcessor};

/// Spans kept although the ratio would not keep them (refused or slow shares), per second: a miner
/// that only sends bad shares must not fill the exporter's queue.
const KEPT_PER_SECOND: u32 = 100;

/// Where spans are handed in. Cheap to clone; off by default, and then every call returns at once.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Recorder>>);

#[derive(Debug)]
struct Recorder {
    processor: Box<dyn SpanProcessor>,
    sampling: Sampling,
    scope: InstrumentationScope,
    kept: Throttle,
}

/// One span, before it has the form of the SDK.
struct SpanDraft {
    id: TraceRef,
    parent: SpanId,
    name: &'static str,
    kind: SpanKind,
    start: SystemTime,
    end: SystemTime,
    attributes: Vec<KeyValue>,
    links: Vec<Link>,
    status: Status,
}

// === impl Traces ===

impl Traces {
    pub(super) fn new(processor: Box<dyn SpanProcessor>, sampling: Sampling) -> Self {
        let scope = InstrumentationScope::builder("loka_proxy")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        let kept = Throttle::per_second(KEPT_PER_SECOND);
        Self(Some(Arc::new(Recorder { processor, sampling, scope, kept })))
    }

    /// Whether anything is recorded. Worth asking before an expensive argument is made.
    pub fn enabled(&self) -> bool {
        self.0.is_some()
    }

    /// The identity of a new trace, or [`TraceRef::NONE`] when it is not sampled.
    pub fn begin(&self) -> TraceRef {
        let Some(recorder) = &self.0 else { return TraceRef::NONE };
        let reference = TraceRef::random();
        if recorder.sampling.keeps(reference) { reference } else { TraceRef::NONE }
    }

    pub(super) fn set_ratio(&self, ratio: f64) {
        if let Some(recorder) = &self.0 {
            recorder.sampling.set_ratio(ratio);
        }
    }

    /// Sends what is queued and stops. Blocks for at most `timeout`; the runtime must still run.
    pub(super) fn shutdown(&self, timeout: Duration) -> Result<(), Box<str>> {
        let Some(recorder) = &self.0 else { return Ok(()) };
        recorder
            .processor
            .shutdown_with_timeout(timeout)
            .map_err(|error| error.to_string().into_boxed_str())
    }

    fn recorder(&self) -> Option<&Recorder> {
        self.0.as_deref()
    }
}

// === impl Recorder ===

impl Recorder {
    fn record(&self, draft: SpanDraft) {
        let mut links = SpanLinks::default();
        links.links = draft.links;
        self.processor.on_end(SpanData {
            span_context: draft.id.context(),
            parent_span_id: draft.parent,
            parent_span_is_remote: false,
            span_kind: draft.kind,
            name: Cow::Borrowed(draft.name),
            start_time: draft.start,
            end_time: draft.end,
            attributes: draft.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status: draft.status,
            instrumentation_scope: self.scope.clone(),
        });
    }
}

// === impl SpanDraft ===

impl SpanDraft {
    fn new(id: TraceRef, name: &'static str, start: SystemTime, end: SystemTime) -> Self {
        Self {
            id,
            parent: SpanId::INVALID,
            name,
            kind: SpanKind::Internal,
            start,
            end,
            attributes: Vec::new(),
            links: Vec::new(),
            status: Status::Unset,
        }
    }

    /// A new span of the same trace, under this one.
    fn child(&self, name: &'static str, start: SystemTime, end: SystemTime) -> Self {
        Self { parent: self.id.span_id(), ..Self::new(self.id.sibling(), name, start, end) }
    }
}

/// Translates the monotonic times of the proxy into wall time, as of now.
#[derive(Clone, Copy)]
struct Wall {
    instant: Instant,
    time: SystemTime,
}

// === impl Wall ===

impl Wall {
    fn now() -> Self {
        // Tokio's clock, so that a paused clock yields consistent spans.
        Self { instant: tokio::time::Instant::now().into_std(), time: SystemTime::now() }
    }

    fn at(self, instant: Instant) -> SystemTime {
        let ago = self.instant.saturating_duration_since(instant);
        self.time.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

fn context_of(reference: TraceRef) -> SpanContext {
    SpanContext::new(
        reference.trace_id(),
        reference.span_id(),
        TraceFlags::SAMPLED,
        false,
        TraceState::default(),
    )
}

/// An identity as if sampled, for tests elsewhere.
#[cfg(test)]
pub(super) fn sampled() -> TraceRef {
    TraceRef::random()
}

#[cfg(test)]
mod tests;
