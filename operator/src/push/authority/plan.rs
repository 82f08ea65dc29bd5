//! When the authority is made, renewed and put to use: the decision alone, without clock, key or cluster.

use jiff::{SignedDuration, Timestamp};

/// How long a new authority lies beside the old one, trusted and unused: far longer than a mounted
/// ConfigMap takes to reach a pod, and long enough for a cluster that is down over a weekend.
pub(super) const OVERLAP: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The overlap is at most this part of a life, for authorities of a short one.
const OVERLAP_PART: i32 = 6;

/// From when until when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

/// The authorities whose keys are in the Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    /// Signs.
    pub(super) current: Life,
    /// Is trusted already, and will sign.
    pub(super) next: Option<Life>,
}

/// What is to be done to the Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing, until then.
    Keep { until: Timestamp },
    /// Begin anew: there is none, or none that is still valid.
    Create,
    /// Let a new one be trusted.
    AddNext,
    /// Let the next one sign. The one before stays trusted until it expires.
    Promote,
}

/// Decides. Repeated after each step, it ends with [`Step::Keep`].
pub(super) fn plan(now: Timestamp, stored: Option<&Stored>) -> Step {
    let Some(Stored { current, next }) = stored else { return Step::Create };
    // One that has expired is as good as none, in either place.
    let next = next.as_ref().filter(|next| !next.is_over(now));
    match next {
        // Who trusts it by now does so; there is nothing to wait for when the other is worthless.
        Some(_) if current.is_over(now) => Step::Promote,
        Some(next) => {
            let due = later(next.from, current.overlap());
            if now >= due { Step::Promote } else { Step::Keep { until: due.min(current.until) } }
        }
        None if current.is_over(now) => Step::Create,
        None if now >= current.two_thirds() => Step::AddNext,
        None => Step::Keep { until: current.two_thirds() },
    }
}

/// Addition that stops at the end of time, which no certificate reaches.
pub(super) fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

// === impl Life ===

impl Life {
    /// Whether it has expired.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.until
    }

    /// When a certificate is to be renewed.
    pub(super) fn two_thirds(&self) -> Timestamp {
        later(self.from, self.length() / 3 * 2)
    }

    fn overlap(&self) -> SignedDuration {
        OVERLAP.min(self.length() / OVERLAP_PART)
    }

    fn length(&self) -> SignedDuration {
        self.until.duration_since(self.from)
    }
}
