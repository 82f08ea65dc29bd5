//! How long to wait before a peer is tried again: doubling, with jitter, up to a longest.
//!
//! The one place where retry delays live.

use std::time::Duration;

/// The second try of a pool comes after this long: most broken connections are whole again by then.
const POOL_FIRST: Duration = Duration::from_millis(250);

/// The first try of the operator comes within this long: all pods lose it at the same moment.
const OPERATOR_FIRST: Duration = Duration::from_millis(500);

/// No peer is left alone for longer: an outage that ends should not cost more than it did.
const LONGEST: Duration = Duration::from_secs(30);

/// The delays of one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    peer: Peer,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// At once the first time: every moment without it costs paid work.
    Pool,
    /// Anywhere up to the delay: thousands of pods come back to one process.
    Operator,
}

// === impl Backoff ===

impl Backoff {
    pub(crate) const fn pool() -> Self {
        Self { peer: Peer::Pool, failures: 0 }
    }

    pub(crate) const fn operator() -> Self {
        Self { peer: Peer::Operator, failures: 0 }
    }

    /// The delay before the next try; `jitter` in 0..1 spreads the pods of a fleet: over half of it, or towards the
    /// operator over all of it.
    pub(crate) fn next(&mut self, jitter: f64) -> Duration {
        let (failures, jitter) = (self.failures, jitter.clamp(0.0, 1.0));
        self.failures = failures.saturating_add(1);
        let doubled =
            |first: Duration, times: u32| first.saturating_mul(1 << times.min(10)).min(LONGEST);
        match self.peer {
            Peer::Pool if failures == 0 => Duration::ZERO,
            Peer::Pool => doubled(POOL_FIRST, failures - 1).mul_f64(0.5 + jitter / 2.0),
            Peer::Operator => doubled(OPERATOR_FIRST, failures).mul_f64(jitter),
        }
    }

    /// The peer worked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_start_at_nothing_double_and_stay_within_the_longest() {
        let mut backoff = Backoff::pool();
        let delays: Vec<Duration> = (0..12).map(|_| backoff.next(1.0)).collect();
        assert_eq!(delays[..4], [0, 250, 500, 1000].map(Duration::from_millis));
        assert_eq!(delays[11], LONGEST);
        backoff.reset();
        assert_eq!(backoff.next(1.0), Duration::ZERO);
    }

    #[test]
    fn jitter_takes_away_at_most_half() {
        let mut backoff = Backoff { failures: 3, ..Backoff::pool() };
        assert_eq!(backoff.next(0.0), Duration::from_millis(500));
    }

    #[test]
    fn towards_the_operator_every_delay_is_spread_whole() {
        let mut backoff = Backoff::operator();
        let delays: Vec<Duration> = (0..8).map(|_| backoff.next(1.0)).collect();
        assert_eq!(delays[..3], [500, 1000, 2000].map(Duration::from_millis));
        assert_eq!(delays[7], LONGEST);
        assert_eq!(backoff.next(0.0), Duration::ZERO);
        assert_eq!(backoff.next(0.5), LONGEST / 2);
    }
}
