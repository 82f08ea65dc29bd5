//! The trace of a share: submit → verify → the pool's verdict.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use loka_ops::said::cut;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Link, SpanKind, Status};

use super::{Recorder, SpanDraft, TraceRef, Traces, Wall};

/// A share that took longer than this from its arrival to its last word is always recorded: pools
/// answer in tenths of a second, and a second old share is near to being stale.
pub(super) const SLOW_SHARE: Duration = Duration::from_secs(1);

/// What became of a share. Reasons are the labels of the ledger's closed sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareOutcome {
    /// Valid, and below the pool's difficulty: nothing to forward.
    BelowPool,
    /// Due, and never written to the pool.
    Lost(&'static str),
    /// Credited by the pool.
    PoolAccepted,
    /// Refused by the pool.
    PoolRejected(&'static str),
    /// Refused by the proxy.
    Refused(&'static str),
    /// Written to the pool and never judged.
    Unanswered(&'static str),
}

/// A share that has had its last word.
#[derive(Clone, Copy, Debug)]
pub struct ShareTrace<'a> {
    /// The miner's connection, to be linked to; [`TraceRef::NONE`] if that is not sampled.
    pub connection: TraceRef,
    pub listener: &'a str,
    pub route: &'a str,
    /// Empty when the share names no job that we know.
    pub pool: &'a str,
    pub peer: SocketAddr,
    /// Its line was read.
    pub received: Instant,
    /// Its validation was done.
    pub verified: Instant,
    /// It was written to the pool's socket.
    pub handed: Option<Instant>,
    /// The miner was answered.
    pub answered: Option<Instant>,
    /// The pool answered, or was given up.
    pub verdict: Option<Instant>,
    pub outcome: ShareOutcome,
    /// What the share is credited for.
    pub difficulty: f64,
}

// === impl ShareOutcome ===

impl ShareOutcome {
    /// The outcome as an attribute.
    pub const fn label(self) -> &'static str {
        match self {
            Self::BelowPool => "below_pool_difficulty",
            Self::Lost(_) => "lost",
            Self::PoolAccepted => "pool_accepted",
            Self::PoolRejected(_) => "pool_rejected",
            Self::Refused(_) => "rejected",
            Self::Unanswered(_) => "unanswered",
        }
    }

    const fn reason(self) -> Option<&'static str> {
        match self {
            Self::BelowPool | Self::PoolAccepted => None,
            Self::Lost(reason)
            | Self::PoolRejected(reason)
            | Self::Refused(reason)
            | Self::Unanswered(reason) => Some(reason),
        }
    }
}

// === impl ShareTrace ===

impl ShareTrace<'_> {
    fn ended(&self) -> Instant {
        [Some(self.verified), self.handed, self.answered, self.verdict]
            .into_iter()
            .flatten()
            .max()
            .unwrap_or(self.verified)
    }

    fn must_be_kept(&self) -> bool {
        self.outcome.reason().is_some()
            || self.ended().saturating_duration_since(self.received) > SLOW_SHARE
    }

    fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = vec![
            KeyValue::new("loka.listener", cut(self.listener)),
            KeyValue::new("loka.route", cut(self.route)),
            KeyValue::new("loka.pool", cut(self.pool)),
            KeyValue::new("network.peer.address", self.peer.ip().to_string()),
            KeyValue::new("network.peer.port", i64::from(self.peer.port())),
            KeyValue::new("stratum.share.difficulty", self.difficulty),
            KeyValue::new("stratum.share.outcome", self.outcome.label()),
        ];
        if let Some(reason) = self.outcome.reason() {
            attributes.push(KeyValue::new("stratum.share.reason", reason));
        }
        attributes
    }
}

// === impl Traces ===

impl Traces {
    /// Records a share that has had its last word, if it is sampled, was refused or was slow. The
    /// result is the identity of its trace, for the log.
    pub fn share(&self, trace: &ShareTrace<'_>) -> TraceRef {
        let Some(recorder) = self.recorder() else { return TraceRef::NONE };
        let reference = TraceRef::random();
        let keep = recorder.sampling.keeps(reference)
            || (trace.must_be_kept() && recorder.kept.admit().is_some());
        if !keep {
            return TraceRef::NONE;
        }
        record_share(recorder, reference, trace);
        reference
    }
}

fn record_share(recorder: &Recorder, reference: TraceRef, trace: &ShareTrace<'_>) {
    let wall = Wall::now();
    let (received, verified) = (wall.at(trace.received), wall.at(trace.verified));
    let mut submit = SpanDraft::new(reference, "share.submit", received, wall.at(trace.ended()));
    submit.kind = SpanKind::Server;
    submit.attributes = trace.attributes();
    if let Some(reason) = trace.outcome.reason() {
        submit.status = Status::error(reason);
    }
    if !trace.connection.is_none() {
        submit.links = vec![Link::with_context(trace.connection.context())];
    }

    let mut verify = submit.child("share.verify", received, verified);
    if let ShareOutcome::Refused(reason) = trace.outcome {
        verify.status = Status::error(reason);
    }
    recorder.record(verify);
    if let Some(handed) = trace.handed {
        let end = trace.verdict.unwrap_or_else(|| trace.ended());
        let mut verdict = submit.child("pool.verdict", wall.at(handed), wall.at(end));
        verdict.kind = SpanKind::Client;
        verdict.status = submit.status.clone();
        verdict.attributes = vec![KeyValue::new("loka.pool", cut(trace.pool))];
        recorder.record(verdict);
    }
    recorder.record(submit);
}
