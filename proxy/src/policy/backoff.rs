//! How long to wait before a peer is tried again: doubling, with jitter, up to a longest. And before anything else is.
//!
//! The one place where retry delays live: `cargo xtask tidy` looks for others.

use std::time::Duration;

/// The second try of a pool comes after this long: most broken connections are whole again by then.
const POOL_FIRST: Duration = Duration::from_millis(250);

/// A pool that refuses the login is asked again after this long: one that restarts may not know its accounts for a moment.
const REFUSED_FIRST: Duration = Duration::from_secs(2);

/// The first try of the operator comes within this long: all pods lose it at the same moment.
const OPERATOR_FIRST: Duration = Duration::from_millis(500);

/// A web hook that fails is asked again after this long: each miner that comes meanwhile is not kept waiting for it.
const HOOK_FIRST: Duration = Duration::from_millis(500);

/// A pool that cannot be reached is not left alone for longer: it may be the last, and then each second until it is found
/// again is all of the work. A try costs it a SYN.
const UNREACHED_LONGEST: Duration = Duration::from_secs(10);

/// Nor any other peer: an outage that ends should not cost more than it did.
const LONGEST: Duration = Duration::from_secs(30);

/// A pool that is reached and does not serve is broken by itself, and each try costs it and us a handshake.
const UNSERVED_LONGEST: Duration = Duration::from_secs(120);

/// Pools ban addresses that knock with a wrong password for hours.
const REFUSED_LONGEST: Duration = Duration::from_secs(300);

/// What could not be written is tried again after this long: a disk has room again when somebody makes it.
pub(crate) const AUDIT_AGAIN: Duration = Duration::from_secs(1);

/// Nothing is accepted for so long after an accept that failed: it is a lack of descriptors or memory, and neither comes
/// back at once.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener that could not be bound is tried again after this long.
pub(crate) const REBIND: Duration = Duration::from_secs(5);

/// How often a mounted snapshot that could not be applied is tried again: what was in its way, such
/// as a port in use, may have gone.
pub(crate) const SNAPSHOT_AGAIN: Duration = Duration::from_secs(30);

/// The delays of one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    peer: Peer,
    failures: u32,
    /// Refused logins, counted apart: a long outage must not make the first refusal after it cost minutes.
    refusals: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// At once the first time: every moment without it costs paid work.
    Pool,
    /// After a moment, even the first time: whom it was asked for has been decided without it.
    Hook,
    /// Anywhere up to the delay: thousands of pods come back to one process.
    Operator,
}

/// What went wrong with a peer, as far as the next try depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not reached, or the connection was lost.
    Lost,
    /// It knows us, and does not let us in.
    Refused,
    /// Reached, and it came to nothing: no answer, no job, nonsense.
    Unserved,
}

// === impl Backoff ===

impl Backoff {
    pub(crate) const fn pool() -> Self {
        Self { peer: Peer::Pool, failures: 0, refusals: 0 }
    }

    pub(crate) const fn hook() -> Self {
        Self { peer: Peer::Hook, failures: 0, refusals: 0 }
    }

    pub(crate) const fn operator() -> Self {
        Self { peer: Peer::Operator, failures: 0, refusals: 0 }
    }

    /// The delay before the next try; `jitter` in 0..1 spreads the pods of a fleet: over half of it, or towards the
    /// operator over all of it.
    pub(crate) fn next(&mut self, fault: Fault, jitter: f64) -> Duration {
        let jitter = jitter.clamp(0.0, 1.0);
        let half = 0.5 + jitter / 2.0;
        if (self.peer, fault) == (Peer::Pool, Fault::Refused) {
            let refusals = self.refusals;
            self.refusals = refusals.saturating_add(1);
            return doubled(REFUSED_FIRST, refusals, REFUSED_LONGEST).mul_f64(half);
        }
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        match (self.peer, fault) {
            (Peer::Hook, _) => doubled(HOOK_FIRST, failures, LONGEST).mul_f64(half),
            (Peer::Operator, _) => doubled(OPERATOR_FIRST, failures, LONGEST).mul_f64(jitter),
            (Peer::Pool, _) if failures == 0 => Duration::ZERO,
            (Peer::Pool, Fault::Unserved) => {
                doubled(POOL_FIRST, failures - 1, UNSERVED_LONGEST).mul_f64(half)
            }
            (Peer::Pool, Fault::Lost | Fault::Refused) => {
                doubled(POOL_FIRST, failures - 1, UNREACHED_LONGEST).mul_f64(half)
            }
        }
    }

    /// The peer worked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
        self.refusals = 0;
    }
}

fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(1 << times.min(10)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_start_at_nothing_double_and_stay_within_the_longest() {
        let mut backoff = Backoff::pool();
        let delays: Vec<Duration> = (0..12).map(|_| backoff.next(Fault::Lost, 1.0)).collect();
        assert_eq!(delays[..4], [0, 250, 500, 1000].map(Duration::from_millis));
        assert_eq!(delays[11], UNREACHED_LONGEST);
        backoff.reset();
        assert_eq!(backoff.next(Fault::Lost, 1.0), Duration::ZERO);
    }

    #[test]
    fn jitter_takes_away_at_most_half() {
        let mut backoff = Backoff { failures: 3, ..Backoff::pool() };
        assert_eq!(backoff.next(Fault::Lost, 0.0), Duration::from_millis(500));
    }

    #[test]
    fn a_pool_that_does_not_serve_is_left_alone_for_longer() {
        let mut backoff = Backoff::pool();
        let delays: Vec<Duration> = (0..12).map(|_| backoff.next(Fault::Unserved, 1.0)).collect();
        assert_eq!(delays[..3], [0, 250, 500].map(Duration::from_millis));
        assert_eq!(delays[11], UNSERVED_LONGEST);
        assert_eq!(backoff.next(Fault::Lost, 1.0), UNREACHED_LONGEST, "not for an outage");
    }

    #[test]
    fn a_refused_login_is_never_tried_again_at_once_and_rarely_in_the_end() {
        let mut backoff = Backoff::pool();
        for _ in 0..20 {
            backoff.next(Fault::Lost, 1.0);
        }
        let delays: Vec<Duration> = (0..10).map(|_| backoff.next(Fault::Refused, 1.0)).collect();
        assert_eq!(delays[..3], [2, 4, 8].map(Duration::from_secs), "an outage counts apart");
        assert_eq!(delays[9], REFUSED_LONGEST);
        assert_eq!(backoff.next(Fault::Refused, 0.0), REFUSED_LONGEST / 2, "with jitter");
        backoff.reset();
        assert_eq!(backoff.next(Fault::Refused, 1.0), REFUSED_FIRST);
    }

    #[test]
    fn towards_the_operator_every_delay_is_spread_whole() {
        let mut backoff = Backoff::operator();
        let delays: Vec<Duration> = (0..8).map(|_| backoff.next(Fault::Lost, 1.0)).collect();
        assert_eq!(delays[..3], [500, 1000, 2000].map(Duration::from_millis));
        assert_eq!(delays[7], LONGEST);
        assert_eq!(backoff.next(Fault::Lost, 0.0), Duration::ZERO);
        assert_eq!(backoff.next(Fault::Lost, 0.5), LONGEST / 2);
    }
}
