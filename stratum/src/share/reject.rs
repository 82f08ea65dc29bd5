//! Why a share is refused: the closed list behind error codes, texts and metric labels.

use crate::rpc::RejectCode;

/// A reason to refuse a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reject {
    /// Its parameters are not those of a share.
    Malformed,
    /// The connection has not subscribed.
    NotSubscribed,
    /// The worker has not logged in on this connection.
    Unauthorized,
    /// More shares than the limit allows.
    RateLimited,
    /// The job is none of ours, or forgotten.
    UnknownJob,
    /// The extranonce2 is shorter or longer than was agreed.
    Extranonce2Size,
    /// The job has lost its worth.
    Stale,
    /// The time is before the job's, or too far ahead.
    NTimeOutOfRange,
    /// Version bits that the miner may not roll.
    VersionBits,
    /// The hash is above the target.
    LowDifficulty,
    /// The same share again.
    Duplicate,
    /// No pool to send it to, and none in sight.
    NoPool,
    /// The pool that it belongs to is gone.
    PoolLost,
}

impl Reject {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Self; 13] = [
        Self::Malformed,
        Self::NotSubscribed,
        Self::Unauthorized,
        Self::RateLimited,
        Self::UnknownJob,
        Self::Extranonce2Size,
        Self::Stale,
        Self::NTimeOutOfRange,
        Self::VersionBits,
        Self::LowDifficulty,
        Self::Duplicate,
        Self::NoPool,
        Self::PoolLost,
    ];

    /// The code that a miner is sent.
    #[must_use]
    pub fn code(self) -> RejectCode {
        match self {
            Self::Malformed
            | Self::RateLimited
            | Self::Extranonce2Size
            | Self::NTimeOutOfRange
            | Self::VersionBits => RejectCode::Other,
            Self::NotSubscribed => RejectCode::NotSubscribed,
            Self::Unauthorized => RejectCode::Unauthorized,
            Self::UnknownJob | Self::Stale | Self::NoPool | Self::PoolLost => {
                RejectCode::JobNotFound
            }
            Self::LowDifficulty => RejectCode::LowDifficulty,
            Self::Duplicate => RejectCode::Duplicate,
        }
    }

    /// The text that a miner is sent, in the words that firmware and people know.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::Malformed => "Malformed share",
            Self::NotSubscribed => "Not subscribed",
            Self::Unauthorized => "Unauthorized worker",
            Self::RateLimited => "Too many shares",
            Self::UnknownJob => "Job not found",
            Self::Extranonce2Size => "Invalid extranonce2 size",
            Self::Stale => "Stale share",
            Self::NTimeOutOfRange => "Ntime out of range",
            Self::VersionBits => "Invalid version mask",
            Self::LowDifficulty => "Low difficulty share",
            Self::Duplicate => "Duplicate share",
            Self::NoPool => "No pool available",
            Self::PoolLost => "Pool connection lost",
        }
    }

    /// The label under which it is counted.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NotSubscribed => "not_subscribed",
            Self::Unauthorized => "unauthorized",
            Self::RateLimited => "rate_limited",
            Self::UnknownJob => "unknown_job",
            Self::Extranonce2Size => "extranonce2_size",
            Self::Stale => "stale",
            Self::NTimeOutOfRange => "ntime_out_of_range",
            Self::VersionBits => "version_bits",
            Self::LowDifficulty => "low_difficulty",
            Self::Duplicate => "duplicate",
            Self::NoPool => "no_pool",
            Self::PoolLost => "pool_lost",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_is_listed_once_with_a_label_of_its_own() {
        let reasons: BTreeSet<Reject> = Reject::ALL.into_iter().collect();
        let labels: BTreeSet<&str> = Reject::ALL.into_iter().map(Reject::label).collect();
        assert_eq!(reasons.len(), Reject::ALL.len());
        assert_eq!(labels.len(), Reject::ALL.len());
        assert!(
            labels
                .iter()
                .all(|label| label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        );
    }

    #[test]
    fn codes_are_those_of_the_protocol() {
        let codes: Vec<u8> = Reject::ALL.into_iter().map(|reject| reject.code() as u8).collect();
        assert_eq!(codes, [20, 25, 24, 20, 21, 20, 21, 20, 20, 23, 22, 21, 21]);
    }
}
