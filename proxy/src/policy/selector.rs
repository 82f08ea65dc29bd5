//! Which pool of a route is mined on: ordered failover, and fail-back after a time of health.

use std::time::{Duration, Instant};

/// What is known of one pool, in the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Since when it can be mined on.
    pub(crate) ready_since: Option<Instant>,
    /// Whether it is wanted for itself.
    pub(crate) standing: Standing,
}

/// Whether a pool is wanted for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Named by the configuration.
    Configured,
    /// Named by an earlier configuration, kept until its successor can be mined on; the successor comes right before it.
    Outgoing,
}

/// What to do, and when to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The pool to mine on; none if none can be.
    pub(crate) pool: Option<usize>,
    /// When a better pool will have been healthy for long enough.
    pub(crate) again_at: Option<Instant>,
}

/// Chooses among `candidates`, of which `active` is mined on now.
pub(crate) fn choose(
    candidates: &[Candidate],
    active: Option<usize>,
    failback_after: Duration,
    now: Instant,
) -> Choice {
    let ready = |index: usize| candidates.get(index).and_then(|candidate| candidate.ready_since);
    let best = (0..candidates.len()).find(|index| ready(*index).is_some());
    let keep = Choice { pool: active, again_at: None };
    let move_to = Choice { pool: best, again_at: None };
    let Some(active) = active.filter(|index| ready(*index).is_some()) else { return move_to };
    let Some((best, since)) = best.and_then(|best| ready(best).map(|since| (best, since))) else {
        return keep;
    };
    if best >= active {
        return keep;
    }
    let outgoing = candidates.get(active).is_some_and(|c| c.standing == Standing::Outgoing);
    let healthy_at = since + failback_after;
    if outgoing || now >= healthy_at {
        return Choice { pool: Some(best), again_at: None };
    }
    Choice { pool: Some(active), again_at: Some(healthy_at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILBACK: Duration = Duration::from_secs(120);

    fn check(ready_since: &[Option<u64>], active: Option<usize>, at: u64, want: Option<usize>) {
        let start = Instant::now();
        let candidates: Vec<Candidate> = ready_since
            .iter()
            .map(|since| Candidate {
                ready_since: since.map(|s| start + Duration::from_secs(s)),
                standing: Standing::Configured,
            })
            .collect();
        let choice = choose(&candidates, active, FAILBACK, start + Duration::from_secs(at));
        assert_eq!(choice.pool, want, "{ready_since:?} active {active:?} at {at}");
    }

    #[test]
    fn the_first_ready_pool_is_taken() {
        check(&[None, None], None, 0, None);
        check(&[None, Some(0)], None, 0, Some(1));
        check(&[Some(0), Some(0)], None, 0, Some(0));
    }

    #[test]
    fn a_lost_pool_is_left_at_once_for_the_best_ready_one() {
        check(&[None, Some(5), Some(0)], Some(0), 5, Some(1));
        check(&[None, None], Some(0), 5, None);
    }

    #[test]
    fn fail_back_waits_for_health() {
        check(&[Some(100), Some(0)], Some(1), 219, Some(1));
        check(&[Some(100), Some(0)], Some(1), 220, Some(0));
    }

    #[test]
    fn a_worse_pool_is_never_taken_while_the_active_one_works() {
        check(&[Some(0), Some(0)], Some(0), 10_000, Some(0));
    }

    #[test]
    fn fail_back_says_when_to_ask_again() {
        let start = Instant::now();
        let ready = |since| Candidate { ready_since: Some(since), standing: Standing::Configured };
        let choice = choose(&[ready(start), ready(start)], Some(1), FAILBACK, start);
        assert_eq!(choice, Choice { pool: Some(1), again_at: Some(start + FAILBACK) });
    }

    #[test]
    fn an_outgoing_pool_is_left_as_soon_as_its_successor_is_ready() {
        let start = Instant::now();
        let candidates = [
            Candidate { ready_since: Some(start), standing: Standing::Configured },
            Candidate { ready_since: Some(start), standing: Standing::Outgoing },
        ];
        assert_eq!(choose(&candidates, Some(1), FAILBACK, start).pool, Some(0));
    }
}
