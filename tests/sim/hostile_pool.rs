//! A pool that says harmful things while it is mined on: no miner notices, no share is lost, and the books agree.

use super::farm::seconds;
use super::faults::{Fault, HOSTILE};
use super::named::{play, unlike_pools};

/// Seconds from one line to the next.
const APART: u64 = 6;

#[test]
fn nothing_that_a_pool_says_while_it_is_mined_on_costs_a_miner_or_a_share() {
    let outcome = play(unlike_pools(), async |mut farm| {
        let mut at = 30;
        farm.mine_until(seconds(at)).await;
        for line in 0..HOSTILE.len() {
            farm.suffer(&Fault::Hostile(0, line)).await;
            at += APART;
            farm.mine_until(seconds(at)).await;
        }
        assert_eq!(
            farm.active().as_deref(),
            Some("alpha"),
            "one garbled line now and then is borne"
        );
        farm
    });
    outcome.assert_nobody_noticed();
    let total = &outcome.ledger.total;
    assert!(outcome.pools[0].accepted > 100, "{:?}", outcome.pools[0]);
    assert_eq!(total.lost.values().sum::<u64>(), 0, "{total:?}");
}
