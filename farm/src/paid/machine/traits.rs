//! The kinds of machines in a farm, and what each can bear.

use std::time::Duration;

use crate::paid::tickets::MachineId;

/// What a machine is like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Four of ten: a server is dead after 90 s of silence, and tried again after 30 s.
    CgminerLike,
    /// Two of ten: power down after a minute without work, and take three to come back.
    PowersDown,
    /// Three of ten: know neither `mining.set_extranonce` nor `client.reconnect`.
    Plain,
    /// One of ten: asks for its session back, and sends again what was not answered.
    Resumes,
}

/// How a machine without work behaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Idle {
    StaysOn,
    PowersDown { after: Duration, ramp: Duration },
}

/// All fail back after the better server was well for so long (cgminer's default).
pub(super) const FAILBACK_AFTER: Duration = Duration::from_secs(300);

/// How often the better server is looked at.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(30);

/// A server that takes longer over the handshake is none (cgminer's DEFAULT_SOCKWAIT).
pub(super) const HANDSHAKE_WITHIN: Duration = Duration::from_secs(60);

// === impl Kind ===

impl Kind {
    /// In fixed proportions, whatever the size of the farm.
    #[must_use]
    pub fn of(MachineId(number): MachineId) -> Self {
        match number % 10 {
            0..=3 => Self::CgminerLike,
            4 | 5 => Self::PowersDown,
            6..=8 => Self::Plain,
            _ => Self::Resumes,
        }
    }

    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::CgminerLike => "cgminer-like",
            Self::PowersDown => "powers down",
            Self::Plain => "plain",
            Self::Resumes => "resumes",
        }
    }

    /// After so much of it, a server is dead.
    pub(super) fn silence(self) -> Duration {
        match self {
            Self::CgminerLike => Duration::from_secs(90),
            Self::PowersDown | Self::Plain | Self::Resumes => Duration::from_secs(120),
        }
    }

    /// Between two rounds through the servers.
    pub(super) fn retry(self) -> Duration {
        match self {
            Self::CgminerLike => Duration::from_secs(30),
            Self::PowersDown | Self::Plain | Self::Resumes => Duration::from_secs(10),
        }
    }

    pub(super) fn idle(self) -> Idle {
        match self {
            Self::PowersDown => {
                Idle::PowersDown { after: Duration::from_secs(60), ramp: Duration::from_secs(180) }
            }
            Self::CgminerLike | Self::Plain | Self::Resumes => Idle::StaysOn,
        }
    }

    pub(super) fn follows_extranonce(self) -> bool {
        matches!(self, Self::PowersDown | Self::Resumes)
    }

    pub(super) fn obeys_reconnect(self) -> bool {
        !matches!(self, Self::Plain)
    }

    pub(super) fn resumes(self) -> bool {
        matches!(self, Self::Resumes)
    }

    pub(super) fn user_agent(self) -> &'static str {
        match self {
            Self::CgminerLike => "cgminer/4.11.1",
            Self::PowersDown => "bosminer-plus-tuner/24",
            Self::Plain => "minerd/2.5.1",
            Self::Resumes => "bmminer/2.0.0",
        }
    }
}
