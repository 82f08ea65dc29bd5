//! What the judge can say, and how Stratum says it.

use bitcoin::BlockHash;

use super::difficulty::Difficulty;

/// The judge's decision about one share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    Accepted(Accepted),
    Rejected(Reason),
}

/// A share that is paid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// What is credited: the difficulty assigned to the job, not the share's own.
    pub difficulty: Difficulty,
    pub hash: BlockHash,
    /// The hash meets the network's target too.
    pub block: bool,
}

/// Why a share is not paid, in the order in which the judge asks.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Reason {
    Malformed,
    NotSubscribed,
    Unauthorized,
    UnknownJob,
    Extranonce2Size,
    Stale,
    NTime,
    VersionBits,
    LowDifficulty,
    Duplicate,
}

// === impl Reason ===

impl Reason {
    pub const ALL: [Self; 10] = [
        Self::Malformed,
        Self::NotSubscribed,
        Self::Unauthorized,
        Self::UnknownJob,
        Self::Extranonce2Size,
        Self::Stale,
        Self::NTime,
        Self::VersionBits,
        Self::LowDifficulty,
        Self::Duplicate,
    ];

    /// The Stratum error code.
    pub fn code(self) -> i64 {
        match self {
            Self::Malformed | Self::Extranonce2Size | Self::NTime | Self::VersionBits => 20,
            Self::UnknownJob | Self::Stale => 21,
            Self::Duplicate => 22,
            Self::LowDifficulty => 23,
            Self::Unauthorized => 24,
            Self::NotSubscribed => 25,
        }
    }

    /// The words that go with the code.
    pub fn message(self) -> &'static str {
        match self {
            Self::Malformed => "Malformed share",
            Self::NotSubscribed => "Not subscribed",
            Self::Unauthorized => "Unauthorized worker",
            Self::UnknownJob => "Job not found",
            Self::Extranonce2Size => "Wrong extranonce2 size",
            Self::Stale => "Job not found (=stale)",
            Self::NTime => "Ntime out of range",
            Self::VersionBits => "Invalid version mask",
            Self::LowDifficulty => "Low difficulty share",
            Self::Duplicate => "Duplicate share",
        }
    }

    /// A short name for counts and reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NotSubscribed => "not_subscribed",
            Self::Unauthorized => "unauthorized",
            Self::UnknownJob => "unknown_job",
            Self::Extranonce2Size => "extranonce2_size",
            Self::Stale => "stale",
            Self::NTime => "ntime",
            Self::VersionBits => "version_bits",
            Self::LowDifficulty => "low_difficulty",
            Self::Duplicate => "duplicate",
        }
    }
}
