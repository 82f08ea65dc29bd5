//! An allowance per second, for lines and spans that a stranger can cause at will. The counters
//! beside them stay exact; only the log and the collector are spared.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

/// Counts what was admitted within the running second.
#[derive(Debug)]
pub struct Throttle {
    started: Instant,
    limit: u32,
    second: AtomicU64,
    admitted: AtomicU32,
    suppressed: AtomicU64,
}

// === impl Throttle ===

impl Throttle {
    /// Lets at most `limit` pass within a second.
    pub fn per_second(limit: u32) -> Self {
        Self {
            started: Instant::now(),
            limit,
            second: AtomicU64::new(0),
            admitted: AtomicU32::new(0),
            suppressed: AtomicU64::new(0),
        }
    }

    /// `Some` if one more may pass now, with the number of those kept back since the last that
    /// passed.
    pub fn admit(&self) -> Option<u64> {
        self.admit_at(self.started.elapsed().as_secs())
    }

    // Relaxed everywhere: a race lets a few more or fewer through, which is no matter.
    fn admit_at(&self, second: u64) -> Option<u64> {
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.admitted.store(0, Ordering::Relaxed);
        }
        if self.admitted.fetch_add(1, Ordering::Relaxed) < self.limit {
            return Some(self.suppressed.swap(0, Ordering::Relaxed));
        }
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_the_allowance_is_kept_back_and_reported_in_the_next_second() {
        let throttle = Throttle::per_second(10);
        let admitted = (0..100).filter(|_| throttle.admit_at(7).is_some()).count();
        assert_eq!(admitted, 10);
        assert_eq!(throttle.admit_at(8), Some(90));
        assert_eq!(throttle.admit_at(8), Some(0));
    }
}
