//! Why a share ended as it did, and counts by reason. Each reason has one label, under which it is shown and kept.

use std::collections::BTreeMap;

use loka_stratum::share::Reject;
use loka_stratum::upstream::PoolReject;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a share that was written to a pool has no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unanswered {
    /// The pool's connection ended first.
    ConnectionLost,
    /// The process was killed first: it awaited a verdict when the ledger was last kept.
    Killed,
    /// Submitted once more to a session that was resumed, and the pool said that it has the share: it knows the verdict, and
    /// we do not.
    ReceivedBefore,
    /// Submitted once more to a session that was resumed, and refused: that says nothing about the first time.
    RefusedAgain,
    /// The proxy stopped first.
    Shutdown,
    /// The pool stayed silent for longer than the submit timeout.
    TimedOut,
}

/// Why a due share was never written to a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lost {
    /// More shares waited for the pool than the queue holds.
    Backlog,
    /// A path through the code dropped the share; a defect, to be reported.
    Dropped,
    /// The process was killed first: it was not written when the ledger was last kept.
    Killed,
    /// The pool's session ended and could not be resumed in time.
    SessionLost,
    /// The proxy stopped first.
    Shutdown,
}

// === impl Unanswered ===

impl Unanswered {
    /// Every reason, for exposition.
    pub const ALL: [Self; 6] = [
        Self::ConnectionLost,
        Self::Killed,
        Self::ReceivedBefore,
        Self::RefusedAgain,
        Self::Shutdown,
        Self::TimedOut,
    ];

    /// The reason as a metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ConnectionLost => "connection_lost",
            Self::Killed => "killed",
            Self::ReceivedBefore => "received_before",
            Self::RefusedAgain => "refused_again",
            Self::Shutdown => "shutdown",
            Self::TimedOut => "timed_out",
        }
    }
}

// === impl Lost ===

impl Lost {
    /// Every reason, for exposition.
    pub const ALL: [Self; 5] =
        [Self::Backlog, Self::Dropped, Self::Killed, Self::SessionLost, Self::Shutdown];

    /// The reason as a metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Backlog => "backlog",
            Self::Dropped => "dropped",
            Self::Killed => "killed",
            Self::SessionLost => "session_lost",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Counts per reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reasons<R: Ord>(BTreeMap<R, u64>);

/// A reason that has a label of a closed set.
pub trait Labelled: Ord + Copy + 'static {
    /// The closed set.
    const SET: &'static [Self];

    /// The label, snake case.
    fn reason(self) -> &'static str;
}

impl Labelled for Reject {
    const SET: &'static [Self] = &Self::ALL;

    fn reason(self) -> &'static str {
        self.label()
    }
}

impl Labelled for PoolReject {
    const SET: &'static [Self] = &Self::ALL;

    fn reason(self) -> &'static str {
        self.label()
    }
}

impl Labelled for Unanswered {
    const SET: &'static [Self] = &Self::ALL;

    fn reason(self) -> &'static str {
        self.label()
    }
}

impl Labelled for Lost {
    const SET: &'static [Self] = &Self::ALL;

    fn reason(self) -> &'static str {
        self.label()
    }
}

/// A reason by its label, for serde.
pub(in crate::sink) mod by_label {
    use super::{Deserialize, Deserializer, Labelled, Serializer, named};

    pub(in crate::sink) fn serialize<R: Labelled, S: Serializer>(
        reason: &R,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(reason.reason())
    }

    pub(in crate::sink) fn deserialize<'de, R: Labelled, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<R, D::Error> {
        named(&String::deserialize(deserializer)?)
    }
}

fn named<R: Labelled, E: serde::de::Error>(label: &str) -> Result<R, E> {
    let known = R::SET.iter().find(|reason| reason.reason() == label);
    known.copied().ok_or_else(|| E::custom(format!("no reason is called {label:?}")))
}

// === impl Reasons ===

impl<R: Labelled> Default for Reasons<R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<R: Labelled> Reasons<R> {
    pub(super) fn add(&mut self, reason: R) {
        self.add_all(reason, 1);
    }

    pub(super) fn add_all(&mut self, reason: R, count: u64) {
        // A reason that never occurred is not among them.
        if count > 0 {
            *self.0.entry(reason).or_default() += count;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (reason, count) in &other.0 {
            self.add_all(*reason, *count);
        }
    }

    /// The sum over all reasons, if it is a number of 64 bits.
    pub(super) fn bounded_total(&self) -> Option<u64> {
        self.0.values().try_fold(0_u64, |sum, count| sum.checked_add(*count))
    }

    /// The sum over all reasons.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Label and count of each reason that occurred.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(reason, count)| (reason.reason(), *count))
    }

    /// How often `reason` occurred.
    pub fn count(&self, reason: R) -> u64 {
        self.0.get(&reason).copied().unwrap_or(0)
    }
}

impl<R: Labelled> Serialize for Reasons<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, R: Labelled> Deserialize<'de> for Reasons<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let counts = BTreeMap::<String, u64>::deserialize(deserializer)?.into_iter();
        let reasons = counts.map(|(label, count)| Ok((named(&label)?, count)));
        reasons.collect::<Result<_, D::Error>>().map(Self)
    }
}
