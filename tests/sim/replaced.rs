//! A pool that the configuration has no more, where changes are made in steps: left when its successor has proven itself,
//! and not before.

use loka_api::runtime_config::RuntimeConfig;
use loka_farm::judge::Reason;
use loka_tests::books::total;

use super::changes::{
    credited, in_steps, play, rolled_back, taken_back_at_a_gate, taken_over_in_steps,
};
use super::farm::{ALPHA, BETA, Change, seconds};
use super::faults::Fault;

const BOTH: Change = Change(in_steps);
const ALPHA_ALONE: Change = Change(|config| only(config, "alpha"));
const BETA_ALONE: Change = Change(|config| only(config, "beta"));

fn only(config: &mut RuntimeConfig, name: &str) {
    in_steps(config);
    config.routes[0].pools.retain(|pool| pool.name == name);
}

#[test]
fn a_pool_that_is_replaced_by_another_is_left_in_steps() {
    let outcome = play(ALPHA_ALONE, async |farm| {
        let farm = taken_over_in_steps(farm, BETA_ALONE).await;
        assert_eq!(farm.pool(ALPHA).connections().len(), 0, "and left for good");
        farm
    });
    outcome.assert_nobody_noticed();
    assert_eq!(total(&outcome.ledger.total.lost), 0);
}

#[test]
fn a_pool_whose_successor_fails_at_a_gate_is_gone_back_to() {
    let outcome = play(ALPHA_ALONE, async |farm| {
        let mut farm = taken_back_at_a_gate(farm, BETA_ALONE).await;
        // What is lost is left at once, and not come back to: the configuration does not have it.
        farm.suffer(&Fault::Kill(ALPHA)).await;
        farm.mine_until(seconds(402)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        farm.suffer(&Fault::Revive(ALPHA)).await;
        farm.mine_until(seconds(600)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        assert_eq!(farm.pool(ALPHA).connections().len(), 0);
        farm
    });
    outcome.assert_nobody_noticed();
}

#[test]
fn a_successor_that_fails_in_the_last_step_is_left_as_well() {
    let outcome = play(ALPHA_ALONE, async |mut farm| {
        farm.mine_until(seconds(100)).await;
        farm.change(BETA_ALONE).await;
        farm.mine_until(seconds(225)).await;
        assert_eq!(farm.route_status().rollout_percent, Some(100));
        farm.pool(BETA).control().refuse_shares(Reason::Stale);
        farm.mine_until(seconds(245)).await;
        // Who is mined on by all is suspected as well, and whichever is noticed first is the reason.
        assert!(rolled_back(&farm).is_some());
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        farm
    });
    outcome.assert_nobody_noticed();
}

#[test]
fn a_pool_is_not_left_for_one_that_does_not_work() {
    let outcome = play(ALPHA_ALONE, async |mut farm| {
        farm.mine_until(seconds(100)).await;
        farm.suffer(&Fault::Kill(BETA)).await;
        farm.change(BETA_ALONE).await;
        farm.mine_until(seconds(300)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        assert_eq!(credited(&farm.ledger(), "beta"), 0.0);
        farm.suffer(&Fault::Revive(BETA)).await;
        farm.mine_until(seconds(400)).await;
        let percent = farm.route_status().rollout_percent;
        assert!(percent.is_some_and(|percent| percent < 100), "{percent:?}");
        farm.mine_until(seconds(700)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        farm
    });
    outcome.assert_nobody_noticed();
}

#[test]
fn a_pool_that_goes_leaves_its_work_to_the_stand_by_in_steps_and_at_once_when_it_is_lost() {
    let outcome = play(BOTH, async |mut farm| {
        farm.mine_until(seconds(100)).await;
        farm.change(BETA_ALONE).await;
        farm.mine_until(seconds(150)).await;
        assert_eq!(farm.route_status().rollout_percent, Some(1));
        farm.suffer(&Fault::Kill(ALPHA)).await;
        farm.mine_until(seconds(152)).await;
        assert_eq!(farm.route_status().rollout_percent, None);
        assert_eq!(farm.active().as_deref(), Some("beta"));
        farm
    });
    outcome.assert_nobody_noticed();
}

#[test]
fn a_change_that_is_taken_back_by_hand_is_left_at_once() {
    let outcome = play(ALPHA_ALONE, async |mut farm| {
        farm.mine_until(seconds(100)).await;
        farm.change(BETA_ALONE).await;
        farm.mine_until(seconds(170)).await;
        assert_eq!(farm.route_status().rollout_percent, Some(10));
        farm.change(ALPHA_ALONE).await;
        farm.mine_until(seconds(176)).await;
        assert_eq!(farm.route_status().rollout_percent, None);
        assert_eq!(farm.pool(BETA).connections().len(), 0);
        assert_eq!(farm.pool(ALPHA).connections().len(), 1);
        // And without steps both are changed at once.
        farm.change(Change(|config| {
            only(config, "beta");
            config.routes[0].rollout = None;
        }))
        .await;
        farm.mine_until(seconds(186)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        assert_eq!(farm.pool(ALPHA).connections().len(), 0);
        farm
    });
    outcome.assert_books_agree();
}
