//! What a miner has seen and done, counted exactly.
//!
//! Owns the numbers and their closed sets of labels; counting happens where the thing happens.

use std::time::Duration;

/// Everything a miner counts, since it was powered on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MinerCounts {
    /// Hashes that met the difficulty in force; each is submitted.
    pub found: u64,
    /// Hashes that met the sink's interest but not the miner's difficulty.
    pub hidden: u64,
    /// Written: `accepted + rejected + unanswered + outstanding`.
    pub submitted: u64,
    /// Answered with a yes.
    pub accepted: u64,
    /// Answered with a no.
    pub rejected: Rejections,
    /// The connection was lost before the answer.
    pub unanswered: u64,
    /// Awaiting their answer now.
    pub outstanding: u64,
    /// Written a second time, after a reconnect; not counted as submitted again.
    pub resent: u64,
    /// Connections made, TLS probes apart.
    pub connects: u64,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Attempts to connect that failed.
    pub dial_failures: u64,
    /// Connections made for a TLS ClientHello alone.
    pub tls_probes: u64,
    /// Jobs received.
    pub jobs: u64,
    /// Those of them that were clean.
    pub clean_jobs: u64,
    /// Hashes done.
    pub hashes: u64,
    /// Hashes that the hashrate owed and the machine was too slow for.
    pub hashes_shed: u64,
    /// Powered, with a job.
    pub mining: Duration,
    /// Powered, without a job.
    pub idle: Duration,
    /// Ends of connections.
    pub disconnects: Disconnects,
    /// Traps sprung.
    pub traps: u64,
}

/// Why a share was refused: the codes that Stratum has, and the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectCode {
    /// 20
    Other,
    /// 21
    JobNotFound,
    /// 22
    Duplicate,
    /// 23
    LowDifficulty,
    /// 24
    Unauthorized,
    /// 25
    NotSubscribed,
    /// None, or none that Stratum has.
    Unknown,
}

/// Refused shares, by code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rejections([u64; RejectCode::ALL.len()]);

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disconnect {
    /// `client.reconnect` was obeyed.
    AskedTo,
    /// The transport failed.
    Lost,
    /// No job came in the time the firmware gives.
    NoJob,
    /// The miner was switched off.
    PoweredOff,
    /// The server closed.
    ServerClosed,
    /// The server said nothing in the time the firmware gives.
    Silence,
    /// A trap was sprung.
    Trapped,
    /// The server did not read.
    WriteStalled,
}

/// Ends of connections, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Disconnects([u64; Disconnect::ALL.len()]);

// === impl MinerCounts ===

impl MinerCounts {
    /// Sums of everything, for a farm's totals.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            found: self.found + other.found,
            hidden: self.hidden + other.hidden,
            submitted: self.submitted + other.submitted,
            accepted: self.accepted + other.accepted,
            rejected: Rejections(sum(self.rejected.0, other.rejected.0)),
            unanswered: self.unanswered + other.unanswered,
            outstanding: self.outstanding + other.outstanding,
            resent: self.resent + other.resent,
            connects: self.connects + other.connects,
            reconnects: self.reconnects + other.reconnects,
            dial_failures: self.dial_failures + other.dial_failures,
            tls_probes: self.tls_probes + other.tls_probes,
            jobs: self.jobs + other.jobs,
            clean_jobs: self.clean_jobs + other.clean_jobs,
            hashes: self.hashes + other.hashes,
            hashes_shed: self.hashes_shed + other.hashes_shed,
            mining: self.mining + other.mining,
            idle: self.idle + other.idle,
            disconnects: Disconnects(sum(self.disconnects.0, other.disconnects.0)),
            traps: self.traps + other.traps,
        }
    }
}

fn sum<const N: usize>(mut left: [u64; N], right: [u64; N]) -> [u64; N] {
    left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
    left
}

// === impl RejectCode ===

impl RejectCode {
    /// In the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Other,
        Self::JobNotFound,
        Self::Duplicate,
        Self::LowDifficulty,
        Self::Unauthorized,
        Self::NotSubscribed,
        Self::Unknown,
    ];

    /// From the number of an error triple.
    #[must_use]
    pub fn of(code: Option<i64>) -> Self {
        match code {
            Some(20) => Self::Other,
            Some(21) => Self::JobNotFound,
            Some(22) => Self::Duplicate,
            Some(23) => Self::LowDifficulty,
            Some(24) => Self::Unauthorized,
            Some(25) => Self::NotSubscribed,
            Some(_) | None => Self::Unknown,
        }
    }

    /// In words.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::JobNotFound => "job_not_found",
            Self::Duplicate => "duplicate",
            Self::LowDifficulty => "low_difficulty",
            Self::Unauthorized => "unauthorized",
            Self::NotSubscribed => "not_subscribed",
            Self::Unknown => "unknown",
        }
    }
}

// === impl Rejections ===

impl Rejections {
    /// How many, of this code.
    #[must_use]
    pub fn of(self, code: RejectCode) -> u64 {
        self.each().find(|(each, _)| *each == code).map_or(0, |(_, count)| count)
    }

    /// How many, of any code.
    #[must_use]
    pub fn total(self) -> u64 {
        self.0.iter().sum()
    }

    /// Every code with its count, zeros included.
    pub fn each(self) -> impl Iterator<Item = (RejectCode, u64)> {
        RejectCode::ALL.into_iter().zip(self.0)
    }

    pub(crate) fn add(&mut self, code: RejectCode) {
        let place = RejectCode::ALL.into_iter().zip(&mut self.0).find(|(each, _)| *each == code);
        if let Some((_, count)) = place {
            *count += 1;
        }
    }
}

// === impl Disconnect ===

impl Disconnect {
    /// In alphabetical order.
    pub const ALL: [Self; 8] = [
        Self::AskedTo,
        Self::Lost,
        Self::NoJob,
        Self::PoweredOff,
        Self::ServerClosed,
        Self::Silence,
        Self::Trapped,
        Self::WriteStalled,
    ];

    /// In words.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::AskedTo => "asked_to",
            Self::Lost => "lost",
            Self::NoJob => "no_job",
            Self::PoweredOff => "powered_off",
            Self::ServerClosed => "server_closed",
            Self::Silence => "silence",
            Self::Trapped => "trapped",
            Self::WriteStalled => "write_stalled",
        }
    }
}

// === impl Disconnects ===

impl Disconnects {
    /// How many, by this cause.
    #[must_use]
    pub fn of(self, cause: Disconnect) -> u64 {
        self.each().find(|(each, _)| *each == cause).map_or(0, |(_, count)| count)
    }

    /// Every cause with its count, zeros included.
    pub fn each(self) -> impl Iterator<Item = (Disconnect, u64)> {
        Disconnect::ALL.into_iter().zip(self.0)
    }

    pub(crate) fn add(&mut self, cause: Disconnect) {
        let place = Disconnect::ALL.into_iter().zip(&mut self.0).find(|(each, _)| *each == cause);
        if let Some((_, count)) = place {
            *count += 1;
        }
    }
}
