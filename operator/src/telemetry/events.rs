//! What happens, as values. [`Telemetry::emit`](super::Telemetry::emit) hands each to the one match
//! here, which logs it and counts it; nothing else in the operator counts.
//!
//! Names of objects and pods, and what peers say, are log fields; they never become labels. No
//! event holds a secret.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use loka_ops::said::Said;
use tracing::{debug, error, info, warn};

use super::context;
use super::metrics::Metrics;
use super::reasons::{
    Answer, Publish, ReconcileResult, Reconciled, StatusWrite, StreamRefusal, Watch,
};

const MICROSECONDS: f64 = 1_000_000.0;

/// Something happened. `object` is a `NAMESPACE/NAME`.
pub enum Event<'a> {
    /// A pod said what it makes of a configuration, or nothing for too long; `detail` is why it
    /// refused.
    Answered {
        object: &'a dyn Display,
        pod: &'a str,
        sequence: u64,
        answer: Answer,
        detail: &'a str,
    },
    /// The Lease could not be read or written.
    LeaseFailed { error: &'a dyn Display },
    /// Another replica leads.
    LeaseFollowed { holder: &'a str, address: Option<SocketAddr> },
    /// This replica no longer leads, and must not write any more.
    LeaseLost { why: &'a dyn Display },
    /// This replica gave the Lease up, as asked.
    LeaseReleased,
    /// This replica leads.
    LeaseTaken { identity: &'a str },
    /// Every ready pod runs a configuration, `after` it was rendered.
    Propagated { object: &'a dyn Display, sequence: u64, pods: usize, after: Duration },
    /// A configuration was to be published; `detail` is what went wrong.
    Published {
        object: &'a dyn Display,
        sequence: u64,
        hash: &'a str,
        result: Publish,
        detail: &'a str,
    },
    /// A reconcile ended; `error` is why it did not end well.
    Reconciled {
        kind: Reconciled,
        object: &'a dyn Display,
        result: ReconcileResult,
        after: Duration,
        error: Option<&'a dyn Display>,
    },
    /// A status was to be written.
    StatusWritten { object: &'a dyn Display, result: StatusWrite, error: Option<&'a dyn Display> },
    /// A pod is no longer connected.
    StreamClosed { object: &'a dyn Display, pod: &'a str, why: &'a dyn Display },
    /// A pod is connected. Every one must be followed by a [`Self::StreamClosed`].
    StreamOpened { object: &'a dyn Display, pod: &'a str, version: &'a str },
    /// A stream was not taken.
    StreamRefused { peer: Option<SocketAddr>, reason: StreamRefusal, detail: &'a str },
    /// A watch failed; it is tried again. `repeated` is how often it failed the same way since the last
    /// line, and nothing if that line is enough for now.
    WatchFailed {
        kind: Watch,
        error: &'a dyn Display,
        remedy: Option<&'a str>,
        repeated: Option<u64>,
    },
}

// === impl Event ===

impl Event<'_> {
    pub(super) fn observe(&self, metrics: &Metrics) {
        match *self {
            Self::Answered { object, pod, sequence, answer, detail } => {
                metrics.config_acks.inc([answer.label()]);
                answered(object, pod, sequence, (answer, detail));
            }
            Self::LeaseFailed { error } => {
                metrics.lease_errors.inc();
                warn!(%error, "the Lease could not be read or written; tried again");
            }
            Self::LeaseFollowed { holder, address } => {
                let address = address.map(tracing::field::display);
                info!(holder = %Said(holder), address, "following the replica that leads");
            }
            Self::LeaseLost { why } => {
                metrics.leader.set(0);
                metrics.lease_transitions.inc();
                error!(%why, "no longer leading");
            }
            Self::LeaseReleased => {
                metrics.leader.set(0);
                metrics.lease_transitions.inc();
                info!("gave the Lease up");
            }
            Self::LeaseTaken { identity } => {
                metrics.leader.set(1);
                metrics.lease_transitions.inc();
                info!(identity, "leading");
            }
            Self::Propagated { object, sequence, pods, after } => {
                metrics.config_propagation.observe(after.as_secs_f64());
                let after_seconds = seconds(after);
                info!(%object, sequence, pods, after_seconds, "every ready pod runs the configuration");
            }
            Self::Published { object, sequence, hash, result, detail } => {
                metrics.config_publish.inc([result.label()]);
                published(object, (sequence, hash), result, detail);
            }
            Self::Reconciled { kind, object, result, after, error } => {
                metrics.reconciles.inc([kind.label(), result.label()]);
                let trace = context::sampled_trace_id();
                metrics.reconcile_duration.observe(kind.label(), after, trace);
                reconciled((kind, object), result, after, error);
            }
            Self::StatusWritten { object, result, error } => {
                metrics.status_writes.inc([result.label()]);
                status_written(object, result, error);
            }
            Self::StreamClosed { object, pod, why } => {
                metrics.config_streams.dec();
                info!(%object, pod, %why, "pod disconnected");
            }
            Self::StreamOpened { object, pod, version } => {
                metrics.config_streams.inc();
                info!(%object, pod, version = %Said(version), "pod connected");
            }
            Self::StreamRefused { peer, reason, detail } => {
                metrics.streams_refused.inc([reason.label()]);
                stream_refused(metrics, peer, reason, detail);
            }
            Self::WatchFailed { kind, error, remedy, repeated } => {
                metrics.watch_errors.inc([kind.label()]);
                if let Some(repeated) = repeated {
                    warn!(%kind, %error, remedy, repeated, "a watch failed; tried again");
                }
            }
        }
    }
}

fn answered(object: &dyn Display, pod: &str, sequence: u64, (answer, detail): (Answer, &str)) {
    match answer {
        Answer::Ack => debug!(%object, pod, sequence, "a pod runs the configuration"),
        Answer::Nack => {
            let detail = Said(detail);
            error!(%object, pod, sequence, %detail, "a pod refused the configuration");
        }
        Answer::Timeout => warn!(%object, pod, sequence, "a pod is silent about a configuration"),
    }
}

fn published(object: &dyn Display, (sequence, hash): (u64, &str), result: Publish, detail: &str) {
    let detail = Said(detail);
    match result {
        Publish::Failed => {
            warn!(%object, sequence, hash, %detail, "configuration not published; tried again");
        }
        Publish::Published => info!(%object, sequence, hash, "configuration published"),
        Publish::Rejected => {
            error!(%object, sequence, hash, %detail, "configuration rejected: nothing was changed");
        }
    }
}

fn reconciled(
    (kind, object): (Reconciled, &dyn Display),
    result: ReconcileResult,
    after: Duration,
    error: Option<&dyn Display>,
) {
    let (after_seconds, error) = (seconds(after), error.map(tracing::field::display));
    match result {
        ReconcileResult::Ok => debug!(%kind, %object, after_seconds, "reconciled"),
        ReconcileResult::Conflict => {
            debug!(%kind, %object, after_seconds, error, "changed by somebody else; tried again");
        }
        ReconcileResult::Invalid => {
            info!(%kind, %object, error, "waits for its document to change")
        }
        ReconcileResult::Forbidden => {
            let remedy = "compare the operator's roles with those of the chart";
            error!(%kind, %object, error, remedy, "the API server forbids it");
        }
        ReconcileResult::Failed | ReconcileResult::TimedOut => {
            warn!(%kind, %object, %result, after_seconds, error, "not reconciled; tried again");
        }
    }
}

fn status_written(object: &dyn Display, result: StatusWrite, error: Option<&dyn Display>) {
    let error = error.map(tracing::field::display);
    match result {
        StatusWrite::Ok | StatusWrite::Unchanged => debug!(%object, %result, "status"),
        StatusWrite::Conflict => debug!(%object, error, "status not written: a conflict"),
        // The reconcile that it fails says so, with the same error.
        StatusWrite::Failed => debug!(%object, error, "status not written; tried again"),
    }
}

fn stream_refused(
    metrics: &Metrics,
    peer: Option<SocketAddr>,
    reason: StreamRefusal,
    detail: &str,
) {
    let (peer, detail) = (peer.map(tracing::field::display), Said(detail));
    match reason {
        // The ordinary way of a proxy to its leader.
        StreamRefusal::NotLeader => debug!(peer, %reason, "stream not taken"),
        StreamRefusal::AuthUnavailable
        | StreamRefusal::Forbidden
        | StreamRefusal::Full
        | StreamRefusal::Malformed
        | StreamRefusal::TooFast
        | StreamRefusal::Unauthenticated => {
            if let Some(suppressed) = metrics.stranger_log.admit() {
                warn!(peer, %reason, %detail, suppressed, "stream not taken");
            }
        }
    }
}

/// A duration as a log field: to the microsecond, which is as exact as anybody reads.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * MICROSECONDS).round() / MICROSECONDS
}

#[cfg(test)]
mod tests;
