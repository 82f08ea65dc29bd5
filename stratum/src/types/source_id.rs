//! Which session with a pool something came from.

use std::fmt;

/// Names one session with a pool, uniquely in the process. Handed out by whoever opens sessions;
/// a session that reconnects and gets another extranonce is another source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u64);

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
