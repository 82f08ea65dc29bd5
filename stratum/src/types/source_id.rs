//! Which session with a pool something came from.

use std::fmt;

/// Names one session with a pool, uniquely in the process. Handed out by whoever opens sessions;
/// a session that reconnects and gets another extranonce is another source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u64);

/// Names one connection to a pool through all its sessions, uniquely in the process: what sessions of miners are seated on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u32);

// === impl SourceId ===

impl SourceId {
    /// The `session`-th session of a lane.
    #[must_use]
    pub fn new(lane: LaneId, session: u32) -> Self {
        Self(u64::from(lane.0) << 32 | u64::from(session))
    }

    /// The lane that it is a session of.
    #[must_use]
    pub fn lane(self) -> LaneId {
        LaneId(u32::try_from(self.0 >> 32).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
