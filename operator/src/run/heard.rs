//! What the stream's server hears, as events of the operator.

use std::sync::Arc;

use crate::push::{Event as Heard, Events, RefusedWhy, TlsFailure};
use crate::telemetry::reasons::{Answer, StreamRefusal};
use crate::telemetry::{Event, Telemetry};

/// Logs and counts each.
pub(super) fn events(telemetry: Telemetry) -> Events {
    Arc::new(move |heard| emit(&telemetry, heard))
}

fn emit(telemetry: &Telemetry, heard: Heard) {
    match heard {
        Heard::StreamOpened { proxy, pod, version } => {
            telemetry.emit(&Event::StreamOpened {
                object: &proxy,
                pod: &pod.name,
                version: &version,
            });
        }
        Heard::StreamClosed { proxy, pod, why } => {
            telemetry.emit(&Event::StreamClosed {
                object: &proxy,
                pod: &pod.name,
                why: &why.label(),
            });
        }
        Heard::Ungreeted { proxy: _, pod: _, why } => telemetry.emit(&Event::StreamRefused {
            peer: None,
            reason: StreamRefusal::Malformed,
            detail: why.label(),
        }),
        Heard::Refused { peer, why, detail } => {
            telemetry.emit(&Event::StreamRefused { peer, reason: refusal(why), detail: &detail });
        }
        Heard::TlsFailed { peer, why } => telemetry.emit(&Event::StreamRefused {
            peer: Some(peer),
            reason: match why {
                TlsFailure::Full => StreamRefusal::Full,
                TlsFailure::Plain
                | TlsFailure::Alert
                | TlsFailure::Lost
                | TlsFailure::Timeout
                | TlsFailure::Other => StreamRefusal::Malformed,
            },
            detail: why.label(),
        }),
        Heard::Acked { proxy, pod, identity, after: _, traceparent: _ } => {
            let (sequence, pod) = (identity.sequence, pod.name.as_str());
            let (answer, detail) = (Answer::Ack, "");
            telemetry.emit(&Event::Answered { object: &proxy, pod, sequence, answer, detail });
        }
        Heard::Runs { proxy, pod, identity } => {
            tracing::debug!(%proxy, pod = pod.name, %identity, "a pod runs what its mounted file brought");
        }
        Heard::Nacked { proxy, pod, identity, after: _, problem } => {
            let (sequence, pod) = (identity.sequence, pod.name.as_str());
            let (answer, detail) = (Answer::Nack, problem.as_str());
            telemetry.emit(&Event::Answered { object: &proxy, pod, sequence, answer, detail });
        }
        Heard::Late { proxy, pod, identity } => {
            let (sequence, pod) = (identity.sequence, pod.name.as_str());
            let (answer, detail) = (Answer::Timeout, "");
            telemetry.emit(&Event::Answered { object: &proxy, pod, sequence, answer, detail });
        }
        Heard::Stale { proxy, pod } => {
            tracing::debug!(%proxy, pod = pod.name, "an answer to what is not under way");
        }
    }
}

const fn refusal(why: RefusedWhy) -> StreamRefusal {
    match why {
        RefusedWhy::NotLeading | RefusedWhy::Shutdown => StreamRefusal::NotLeader,
        RefusedWhy::Unauthenticated => StreamRefusal::Unauthenticated,
        RefusedWhy::Denied => StreamRefusal::Forbidden,
        RefusedWhy::Unavailable => StreamRefusal::AuthUnavailable,
        RefusedWhy::Rate => StreamRefusal::TooFast,
        RefusedWhy::Full => StreamRefusal::Full,
    }
}
