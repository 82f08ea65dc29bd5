//! Seconds since 1970, as the wall clock tells them and as a header carries them.

use std::fmt;

/// The wall clock, passed in by whoever drives the core. Seconds, as Bitcoin counts until 2106.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u32);

/// The `ntime` of a header: seconds by the clock of whoever made the job or the share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NTime(pub u32);

// === impl UnixTime ===

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl NTime ===

impl NTime {
    /// This time and `seconds` more, held at the end of the 32 bits.
    #[must_use]
    pub fn plus(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

impl fmt::Display for NTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}
