//! The clocks of the process, behind one value, so that the whole proxy runs in virtual time.
//!
//! Monotone time is always tokio's, which a simulation pauses; wall-clock time is the system's, or a start plus what
//! tokio's clock has run since.

use std::time::{SystemTime, UNIX_EPOCH};

use loka_stratum::types::UnixTime;
use loka_stratum::work::Now;
use tokio::time::Instant;

/// Where wall-clock time comes from.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The operating system.
    System,
    /// A simulation's: `unix` at `start`.
    Virtual {
        /// When the simulation began.
        start: Instant,
        /// What the wall clock showed then.
        unix: UnixTime,
    },
}

// === impl Clock ===

impl Clock {
    /// A wall clock that shows `unix` now and runs with tokio's.
    pub fn starting_at(unix: UnixTime) -> Self {
        Self::Virtual { start: Instant::now(), unix }
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        let instant = Instant::now();
        let unix = match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                UnixTime(u32::try_from(since.as_secs()).unwrap_or(u32::MAX))
            }
            Self::Virtual { start, unix } => {
                let run = instant.saturating_duration_since(*start).as_secs();
                UnixTime(unix.0.saturating_add(u32::try_from(run).unwrap_or(u32::MAX)))
            }
        };
        Now { instant: instant.into_std(), unix }
    }
}
