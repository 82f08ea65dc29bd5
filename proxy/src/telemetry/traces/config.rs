//! The trace of a configuration: read, validated and applied, or refused. Always recorded; they are
//! rare.

use std::time::Instant;

use loka_ops::said::cut;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Link, Status};

use super::super::reasons::ConfigSource;
use super::reference::remote;
use super::{SpanDraft, TraceRef, Traces, Wall};

/// What became of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigOutcome {
    /// In use.
    Applied,
    /// Invalid, for this many reasons; the last good one stays.
    Refused { problems: usize },
}

/// A configuration that was applied or refused.
#[derive(Clone, Copy, Debug)]
pub struct ConfigTrace<'a> {
    /// Where it came from.
    pub origin: &'a str,
    /// Its hash; empty when it could not be read.
    pub hash: &'a str,
    pub source: ConfigSource,
    /// Of a snapshot.
    pub sequence: Option<u64>,
    /// W3C trace context of what published it, to be linked to; empty where nothing did.
    pub published: &'a str,
    /// When it began to be read.
    pub started: Instant,
    pub outcome: ConfigOutcome,
}

// === impl Traces ===

impl Traces {
    /// Records a configuration as of now.
    pub fn config_applied(&self, trace: ConfigTrace<'_>) -> TraceRef {
        let Some(recorder) = self.recorder() else { return TraceRef::NONE };
        let (reference, wall) = (TraceRef::random(), Wall::now());
        let mut span = SpanDraft::new(reference, "config.apply", wall.at(trace.started), wall.time);
        span.attributes = vec![
            KeyValue::new("loka.config.origin", cut(trace.origin)),
            KeyValue::new("loka.config.hash", cut(trace.hash)),
            KeyValue::new("loka.config.source", trace.source.label()),
        ];
        if let Some(sequence) = trace.sequence {
            let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
            span.attributes.push(KeyValue::new("loka.config.sequence", sequence));
        }
        // A link and no parent: a thousand pods in the trace of one reconcile would be unreadable.
        span.links = remote(trace.published).map(Link::with_context).into_iter().collect();
        match trace.outcome {
            ConfigOutcome::Applied => {
                span.attributes.push(KeyValue::new("loka.config.outcome", "applied"));
            }
            ConfigOutcome::Refused { problems } => {
                span.attributes.push(KeyValue::new("loka.config.outcome", "refused"));
                let problems = i64::try_from(problems).unwrap_or(i64::MAX);
                span.attributes.push(KeyValue::new("loka.config.problems", problems));
                span.status = Status::error("the documents are invalid");
            }
        }
        recorder.record(span);
        reference
    }
}
