//! What happens on the streams, for whoever logs and counts it. Labels are closed sets; the names of
//! pods are for logs and traces, never for metrics.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use loka_api::control::Identity;

use crate::fleet::{PodId, ProxyKey};

/// Told of each event, on the task where it happens: it must not block.
pub type Events = Arc<dyn Fn(Event) + Send + Sync>;

/// Something happened. Texts of peers in it are cut, and have no control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A pod has greeted.
    StreamOpened {
        /// Its StratumProxy.
        proxy: ProxyKey,
        /// The pod.
        pod: PodId,
        /// Of its program.
        version: String,
    },
    /// The stream of a pod that had greeted has ended.
    StreamClosed {
        /// Its StratumProxy.
        proxy: ProxyKey,
        /// The pod.
        pod: PodId,
        /// Why.
        why: Closed,
    },
    /// The stream of a pod that had proven itself has ended before it greeted.
    Ungreeted {
        /// Its StratumProxy.
        proxy: ProxyKey,
        /// The pod.
        pod: PodId,
        /// Why.
        why: Closed,
    },
    /// A stream was refused before it was one.
    Refused {
        /// From where.
        peer: Option<SocketAddr>,
        /// Label.
        why: RefusedWhy,
        /// For the log.
        detail: String,
    },
    /// A pod runs what it was sent.
    Acked {
        /// Its StratumProxy.
        proxy: ProxyKey,
        /// The pod.
        pod: PodId,
        /// What it runs.
        identity: Identity,
        /// From sending to answer.
        after: Duration,
        /// W3C trace context of the pod's `config.apply`; empty where it traces nothing.
        traceparent: String,
    },
    /// A pod runs what the stream did not bring: its mounted file was faster.
    Runs {
        /// Its StratumProxy.
        proxy: ProxyKey,
        /// The pod.
        pod: PodId,
        /// What it runs.
        identity: Identity,
    },
    /// A pod refused what it was sent.
    Nacked {
        /// Its StratumProxy.
        proxy: ProxyKey,
        /// The pod.
        pod: PodId,
        /// What it refused.
        identity: Identity,
        /// From sending to answer.
        after: Duration,
        /// The first of its reasons.
        problem: String,
    },
    /// A pod has not answered in time. It still may; what is newer is sent meanwhile.
    Late {
        /// Its StratumProxy.
        proxy: ProxyKey,
        /// The pod.
        pod: PodId,
        /// What it has not answered.
        identity: Identity,
    },
    /// A pod answered to what is not under way: it was superseded, or answered before. Ignored.
    Stale {
        /// Its StratumProxy.
        proxy: ProxyKey,
        /// The pod.
        pod: PodId,
    },
    /// A connection ended before it was one.
    TlsFailed {
        /// From where.
        peer: SocketAddr,
        /// Label.
        why: TlsFailure,
    },
}

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Closed {
    /// The pod ended it.
    Peer,
    /// The connection broke.
    Lost,
    /// The pod has dialled again.
    Replaced,
    /// It was open for long; the pod dials again, with a fresh token.
    Aged,
    /// This replica no longer leads.
    NotLeading,
    /// The operator ends.
    Shutdown,
    /// The pod said what cannot be.
    Garbage,
    /// The pod did not greet in time.
    Silent,
    /// The pod says more than is bearable.
    Flood,
    /// Too many pods of its StratumProxy are connected.
    Full,
}

/// Why a stream was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusedWhy {
    /// This replica does not lead.
    NotLeading,
    /// No token, or one that is not accepted.
    Unauthenticated,
    /// A pod that is not one of the operator's.
    Denied,
    /// The API server could not be asked.
    Unavailable,
    /// Too many streams begin at once.
    Rate,
    /// Too many streams are open.
    Full,
    /// The operator ends.
    Shutdown,
}

/// Why a connection ended before it was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsFailure {
    /// What arrived is no TLS.
    Plain,
    /// The peer ended the handshake: it does not trust the operator's authority, or expects
    /// another name.
    Alert,
    /// The peer left.
    Lost,
    /// The handshake took too long.
    Timeout,
    /// Too many connections are open.
    Full,
    /// Anything else, such as an old version of TLS.
    Other,
}

// === impl Closed ===

impl Closed {
    /// The label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Lost => "lost",
            Self::Replaced => "replaced",
            Self::Aged => "aged",
            Self::NotLeading => "not_leading",
            Self::Shutdown => "shutdown",
            Self::Garbage => "garbage",
            Self::Silent => "silent",
            Self::Flood => "flood",
            Self::Full => "full",
        }
    }
}

// === impl RefusedWhy ===

impl RefusedWhy {
    /// The label.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotLeading => "not_leading",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Rate => "rate",
            Self::Full => "full",
            Self::Shutdown => "shutdown",
        }
    }
}

// === impl TlsFailure ===

impl TlsFailure {
    /// The label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Alert => "alert",
            Self::Lost => "lost",
            Self::Timeout => "timeout",
            Self::Full => "full",
            Self::Other => "other",
        }
    }
}

/// A text of a peer, fit for logs and terminals: at most so many characters, an ellipsis where it was
/// cut, and no character that moves the cursor or turns the writing around.
pub(super) fn clean(text: &str, chars_max: usize) -> String {
    let is_unfit = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let fit = |c: char| if is_unfit(c) { char::REPLACEMENT_CHARACTER } else { c };
    if text.chars().nth(chars_max).is_none() {
        return text.chars().map(fit).collect();
    }
    let kept = text.chars().take(chars_max.saturating_sub(1)).map(fit);
    kept.chain(std::iter::once('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_characters_and_lose_what_is_unfit() {
        let cases = [
            ("", ""),
            ("abc", "abc"),
            ("abcd", "abcd"),
            ("abcde", "abc…"),
            ("äöüß", "äöüß"),
            ("äöüßä", "äöü…"),
            ("a\r\nb", "a\u{fffd}\u{fffd}b"),
            ("a\u{202e}b", "a\u{fffd}b"),
        ];
        for (text, expected) in cases {
            assert_eq!(clean(text, 4), expected, "{text:?}");
        }
    }
}
