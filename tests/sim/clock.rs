//! A wall clock that somebody sets: forward, back, and right again.

use super::farm::seconds;
use super::faults::Fault;
use super::named::{play, unlike_pools};
use loka_tests::books::total;

#[test]
fn the_wall_clock_may_jump_and_every_share_is_judged_as_before() {
    let outcome = play(unlike_pools(), async |mut farm| {
        farm.mine_until(seconds(60)).await;
        for (skew, until) in [(2 * 3600, 120), (-2 * 3600, 180), (0, 240)] {
            farm.suffer(&Fault::ClockJump(skew)).await;
            farm.mine_until(seconds(until)).await;
            assert_eq!(farm.active().as_deref(), Some("alpha"), "set by {skew}");
        }
        farm
    });
    outcome.assert_nobody_noticed();
    let ledger = &outcome.ledger.total;
    // As without it: a block a minute makes a few shares stale, and nothing else is refused.
    let stale = ledger.rejected.get("stale").copied().unwrap_or_default();
    assert_eq!(total(&ledger.rejected), stale, "{ledger:?}");
    assert!(stale <= 8, "{ledger:?}");
    let paid = ledger.pool_accepted as f64 / ledger.due as f64;
    assert!(ledger.due > 500 && paid > 0.98, "{paid} of the due shares were credited: {ledger:?}");
}
