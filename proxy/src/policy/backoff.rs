//! How long to wait before a pool is tried again: at once the first time, then doubling with jitter.
//!
//! The one place where retry delays live.

use std::time::Duration;

/// The second try comes after this long: most broken connections are whole again by then.
const FIRST: Duration = Duration::from_millis(250);

/// No pool is left alone for longer: an outage that ends should not cost more than it did.
const LONGEST: Duration = Duration::from_secs(30);

/// The delays of one pool.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

// === impl Backoff ===

impl Backoff {
    /// The delay before the next try; `jitter` in 0..1 spreads the pods of a fleet over half of it.
    pub(crate) fn next(&mut self, jitter: f64) -> Duration {
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        if failures == 0 {
            return Duration::ZERO;
        }
        let full = FIRST.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST);
        full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }

    /// The pool worked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_start_at_nothing_double_and_stay_within_the_longest() {
        let mut backoff = Backoff::default();
        let delays: Vec<Duration> = (0..12).map(|_| backoff.next(1.0)).collect();
        assert_eq!(delays[..4], [0, 250, 500, 1000].map(Duration::from_millis));
        assert_eq!(delays[11], LONGEST);
        backoff.reset();
        assert_eq!(backoff.next(1.0), Duration::ZERO);
    }

    #[test]
    fn jitter_takes_away_at_most_half() {
        let mut backoff = Backoff { failures: 3 };
        assert_eq!(backoff.next(0.0), Duration::from_millis(500));
    }
}
