//! What a candidate is to do next. Pure: the time, what was seen and what is held are arguments.

use std::time::Duration;

use tokio::time::Instant;

use super::leadership::Loss;

/// A leader has until two thirds of the Lease to renew it: what is left is the margin in which
/// nobody leads.
const DEADLINE_THIRDS: u32 = 2;

/// Renewals and looks per Lease, times two: 2 s of 15 s.
const RETRIES_PER_TWO_LEASES: u32 = 15;

/// Longest Lease of another that is respected: a number that somebody wrote by hand must not keep
/// everybody from leading for ever.
const LEASE_MAX: Duration = Duration::from_secs(300);

/// How long things take, all of it from the duration of the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    lease: Duration,
}

/// The Lease as this process has seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen<'a> {
    /// Nobody where it was given up.
    pub(super) holder: Option<&'a str>,
    /// How long its holder, silent, keeps it.
    pub(super) lease: Duration,
    /// When this process first saw it as it is now.
    pub(super) since: Instant,
}

/// What there is to go by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    pub(super) me: &'a str,
    pub(super) timing: Timing,
    /// Until when this process leads; nothing while it does not.
    pub(super) leads_until: Option<Instant>,
    pub(super) lease: Lease<'a>,
}

/// The Lease, if there is one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lease<'a> {
    /// There is none, and this process has seen none yet.
    Absent,
    /// There was one and it is gone, since then: its holder may not know yet.
    Gone { since: Instant },
    /// There is one.
    Present(Seen<'a>),
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Make the Lease, with this process as its holder.
    Create,
    /// Write this process into the Lease as its holder.
    Acquire,
    /// Write a new time into the Lease, which this process holds.
    Renew,
    /// Look again, and not later than then.
    Wait { until: Instant },
    /// Stop: this process led and does no longer.
    Lose(Loss),
}

// === impl Timing ===

impl Timing {
    /// Of a Lease of this duration, which should be whole seconds, from five on.
    pub fn new(lease: Duration) -> Self {
        Self { lease }
    }

    /// How long a silent leader keeps the Lease.
    pub fn lease(self) -> Duration {
        self.lease
    }

    /// How long a leader leads without a renewal.
    pub fn renew_deadline(self) -> Duration {
        self.lease * DEADLINE_THIRDS / 3
    }

    /// From one renewal or look to the next, before jitter.
    pub fn retry(self) -> Duration {
        self.lease * 2 / RETRIES_PER_TWO_LEASES
    }

    /// From a failure to the next attempt of a leader.
    pub(super) fn retry_after_failure(self) -> Duration {
        self.retry() / 8
    }

    /// How long a request may take. With a renewal every retry, two whose answers are lost still
    /// leave time for a third and a look before it: 2.4 + 2.5 + 0.25 + 2.5 + 0.25 s of 10 s.
    pub(super) fn patience(self) -> Duration {
        self.renew_deadline() / 4
    }
}

// === impl Facts ===

impl Facts<'_> {
    pub(super) fn decide(&self, now: Instant) -> Decision {
        match self.leads_until {
            Some(until) => self.go_on(now, until),
            None => self.compete(now),
        }
    }

    fn go_on(&self, now: Instant, until: Instant) -> Decision {
        if now >= until {
            // Another may take it before a renewal would arrive.
            return Decision::Lose(Loss::DeadlineMissed);
        }
        match self.lease {
            // Whoever deleted it invited the others to make their own: it cannot be renewed.
            Lease::Absent | Lease::Gone { since: _ } => Decision::Lose(Loss::Deleted),
            Lease::Present(Seen { holder, lease: _, since: _ }) if holder == Some(self.me) => {
                Decision::Renew
            }
            Lease::Present(_) => Decision::Lose(Loss::Taken),
        }
    }

    fn compete(&self, now: Instant) -> Decision {
        match self.lease {
            Lease::Absent => Decision::Create,
            Lease::Gone { since } => {
                unless_before(now, since + self.timing.lease, Decision::Create)
            }
            Lease::Present(Seen { holder: None, lease: _, since: _ }) => Decision::Acquire,
            // A request of ours that was carried out and never answered.
            Lease::Present(Seen { holder: Some(holder), lease: _, since: _ })
                if holder == self.me =>
            {
                Decision::Acquire
            }
            Lease::Present(Seen { holder: Some(_), lease, since }) => {
                // The holder goes by its own duration, which need not be ours.
                let lease = lease.min(LEASE_MAX).max(self.timing.lease);
                unless_before(now, since + lease, Decision::Acquire)
            }
        }
    }
}

fn unless_before(now: Instant, until: Instant, decision: Decision) -> Decision {
    if now < until { Decision::Wait { until } } else { decision }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "op-1_aa";
    const OTHER: &str = "op-2_bb";

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn present(holder: &str, lease_seconds: u64, since: Instant) -> Lease<'_> {
        let holder = Some(holder).filter(|holder| !holder.is_empty());
        Lease::Present(Seen { holder, lease: seconds(lease_seconds), since })
    }

    /// Asserts the decision `after` the beginning.
    #[track_caller]
    fn check(leads_until: Option<Instant>, lease: Lease<'_>, now: Instant, wanted: Decision) {
        let timing = Timing::new(seconds(15));
        assert_eq!(Facts { me: ME, timing, leads_until, lease }.decide(now), wanted);
    }

    #[test]
    fn the_times_are_those_of_the_lease() {
        let timing = Timing::new(seconds(15));
        assert_eq!(timing.renew_deadline(), seconds(10));
        assert_eq!(timing.retry(), seconds(2));
    }

    #[test]
    fn a_candidate_takes_what_is_free_and_waits_for_what_is_held() {
        let t = Instant::now();
        check(None, Lease::Absent, t, Decision::Create);
        check(None, present("", 15, t), t, Decision::Acquire);
        check(None, present(ME, 15, t), t, Decision::Acquire);
        let until = t + seconds(15);
        let held = present(OTHER, 15, t);
        check(None, held, t, Decision::Wait { until });
        check(None, held, until - Duration::from_millis(1), Decision::Wait { until });
        check(None, held, until, Decision::Acquire);
    }

    #[test]
    fn the_longer_of_two_durations_counts_and_no_more_than_may_be() {
        let t = Instant::now();
        check(None, present(OTHER, 40, t), t, Decision::Wait { until: t + seconds(40) });
        check(None, present(OTHER, 1, t), t, Decision::Wait { until: t + seconds(15) });
        check(None, present(OTHER, 9_999, t), t, Decision::Wait { until: t + LEASE_MAX });
    }

    #[test]
    fn after_a_lease_that_was_deleted_its_holder_is_given_its_time() {
        let t = Instant::now();
        let until = t + seconds(15);
        check(None, Lease::Gone { since: t }, t, Decision::Wait { until });
        check(None, Lease::Gone { since: t }, until, Decision::Create);
    }

    #[test]
    fn a_leader_renews_until_its_deadline_and_then_never() {
        let t = Instant::now();
        let until = t + seconds(10);
        let mine = present(ME, 15, t);
        check(Some(until), mine, t, Decision::Renew);
        check(Some(until), mine, until - Duration::from_millis(1), Decision::Renew);
        check(Some(until), mine, until, Decision::Lose(Loss::DeadlineMissed));
    }

    #[test]
    fn a_leader_whose_lease_is_not_its_own_any_more_has_lost() {
        let t = Instant::now();
        let until = Some(t + seconds(10));
        check(until, present(OTHER, 15, t), t, Decision::Lose(Loss::Taken));
        check(until, present("", 15, t), t, Decision::Lose(Loss::Taken));
        check(until, Lease::Absent, t, Decision::Lose(Loss::Deleted));
        check(until, Lease::Gone { since: t }, t, Decision::Lose(Loss::Deleted));
    }
}
