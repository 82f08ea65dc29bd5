//! A token bucket: how often something may happen. Pure; the time is an argument.

use std::time::{Duration, Instant};

/// So many at once, and so many in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) burst: u32,
    pub(super) per_second: u32,
}

/// What is left of a [`Rate`]. Counted in the time that it took to earn, so that nothing is lost to rounding.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    /// When the bucket would be full.
    full_at: Instant,
}

// === impl Bucket ===

impl Bucket {
    /// A full one.
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, full_at: now }
    }

    /// Whether it may happen once more.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let Rate { burst, per_second } = self.rate;
        let one = Duration::from_secs(1) / per_second.max(1);
        let full_at = self.full_at.max(now) + one;
        if full_at.duration_since(now) > one * burst {
            return false;
        }
        self.full_at = full_at;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_given_at_once_and_the_rest_as_it_is_earned() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Rate { burst: 3, per_second: 2 }, start);
        let at = |ms| start + Duration::from_millis(ms);
        let taken: Vec<bool> =
            [0, 0, 0, 0, 499, 500, 501, 999, 1000, 60_000, 60_000, 60_000, 60_000]
                .into_iter()
                .map(|ms| bucket.take(at(ms)))
                .collect();
        let expected = [
            true, true, true, false, // the burst
            false, true, false, false, true, // one every half second
            true, true, true, false, // never more than the burst
        ];
        assert_eq!(taken, expected);
    }
}
