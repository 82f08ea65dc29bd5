//! The clocks of the process, behind one value, so that the whole proxy runs in virtual time.
//!
//! Monotone time is always tokio's, which a simulation pauses; wall-clock time is the system's, or a start plus what
//! tokio's clock has run since.

use std::sync::atomic::{AtomicI64, Ordering};
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
        /// Seconds that somebody has set it forward since, or back.
        skew: &'static AtomicI64,
    },
}

/// Of a clock that nobody sets.
static STRAIGHT: AtomicI64 = AtomicI64::new(0);

// === impl Clock ===

impl Clock {
    /// A wall clock that shows `unix` now and runs with tokio's.
    pub fn starting_at(unix: UnixTime) -> Self {
        Self::set_by(unix, &STRAIGHT)
    }

    /// The same, set forward or back by `skew` seconds at any time.
    pub fn set_by(unix: UnixTime, skew: &'static AtomicI64) -> Self {
        Self::Virtual { start: Instant::now(), unix, skew }
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        let instant = Instant::now();
        let unix = match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                UnixTime(u32::try_from(since.as_secs()).unwrap_or(u32::MAX))
            }
            Self::Virtual { start, unix, skew } => {
                let run = instant.saturating_duration_since(*start).as_secs();
                let shown = unix.0.saturating_add(u32::try_from(run).unwrap_or(u32::MAX));
                let set = i64::from(shown).saturating_add(skew.load(Ordering::Relaxed));
                UnixTime(u32::try_from(set.max(0)).unwrap_or(u32::MAX))
            }
        };
        Now { instant: instant.into_std(), unix }
    }
}
