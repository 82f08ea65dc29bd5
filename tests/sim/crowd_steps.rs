//! A change of pool in steps, where each miner has connections of its own: the miners move one after the other.

use loka_api::runtime_config::{Mode, RuntimeConfig};
use loka_farm::judge::Reason;
use loka_tests::books::Books as _;

use super::changes::{assert_between, credited, in_steps, part_of_beta, play};
use super::dedicated::assert_miners_know_what_their_pools_said;
use super::farm::{ALPHA, BETA, Change, Farm, seconds};
use super::faults::Fault;

const ALPHA_FIRST: Change = Change(dedicated);
const BETA_FIRST: Change = Change(|config| {
    dedicated(config);
    config.routes[0].pools.reverse();
});
const ALPHA_ALONE: Change = Change(|config| only(config, "alpha"));
const BETA_ALONE: Change = Change(|config| only(config, "beta"));

fn dedicated(config: &mut RuntimeConfig) {
    in_steps(config);
    config.routes[0].mode = Mode::Dedicated;
}

fn only(config: &mut RuntimeConfig, name: &str) {
    dedicated(config);
    config.routes[0].pools.retain(|pool| pool.name == name);
}

/// The change is made, and after each step it is looked at the part that beta has: of fourteen equal miners one is the first
/// hundredth, and two are the first tenth.
async fn check_steps(mut farm: Farm, change: Change) -> Farm {
    farm.mine_until(seconds(100)).await;
    farm.change(change).await;
    farm.mine_until(seconds(110)).await;
    let one = farm.ledger();
    farm.mine_until(seconds(159)).await;
    assert_eq!(farm.route_status().rollout_percent, Some(1));
    assert_eq!(farm.active().as_deref(), Some("alpha"));
    assert_between(part_of_beta(&one, &farm.ledger()), 0.03, 0.11);
    farm.mine_until(seconds(172)).await;
    let two = farm.ledger();
    farm.mine_until(seconds(218)).await;
    assert_eq!(farm.route_status().rollout_percent, Some(10));
    assert_between(part_of_beta(&two, &farm.ledger()), 0.1, 0.2);
    farm.mine_until(seconds(245)).await;
    let all = farm.ledger();
    farm.mine_until(seconds(290)).await;
    assert_eq!(farm.route_status().rollout_percent, None);
    assert_eq!(farm.active().as_deref(), Some("beta"));
    assert_between(part_of_beta(&all, &farm.ledger()), 0.99, 1.0);
    farm
}

#[test]
fn miners_move_to_another_pool_one_after_the_other() {
    let outcome = play(ALPHA_FIRST, async |farm| check_steps(farm, BETA_FIRST).await);
    assert_miners_know_what_their_pools_said(&outcome);
}

#[test]
fn miners_leave_a_pool_that_is_replaced_one_after_the_other() {
    let outcome = play(ALPHA_ALONE, async |farm| {
        let farm = check_steps(farm, BETA_ALONE).await;
        assert_eq!(farm.pool(ALPHA).connections().len(), 0);
        farm
    });
    assert_miners_know_what_their_pools_said(&outcome);
}

#[test]
fn all_miners_go_back_when_a_gate_fails() {
    let outcome = play(ALPHA_ALONE, async |mut farm| {
        farm.mine_until(seconds(100)).await;
        farm.change(BETA_ALONE).await;
        farm.mine_until(seconds(190)).await;
        assert_eq!(farm.route_status().rollout_percent, Some(10));
        farm.pool(BETA).control().refuse_shares(Reason::Stale);
        farm.mine_until(seconds(215)).await;
        assert!(farm.route_status().rolled_back.is_some());
        assert_eq!(farm.route_status().rollout_percent, None);
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        farm.pool(BETA).control().accept_shares();
        let back = farm.ledger();
        farm.mine_until(seconds(400)).await;
        assert_eq!(part_of_beta(&back, &farm.ledger()), 0.0, "not tried again by itself");
        farm.change(ALPHA_ALONE).await;
        farm.change(BETA_ALONE).await;
        farm.mine_until(seconds(420)).await;
        assert_eq!(farm.route_status().rollout_percent, Some(1), "until somebody asks for it");
        farm
    });
    assert_miners_know_what_their_pools_said(&outcome);
}

#[test]
fn miners_do_not_move_to_a_pool_that_does_not_work_and_leave_one_that_is_lost_at_once() {
    let outcome = play(ALPHA_ALONE, async |mut farm| {
        farm.mine_until(seconds(100)).await;
        farm.suffer(&Fault::Kill(BETA)).await;
        farm.change(BETA_ALONE).await;
        farm.mine_until(seconds(200)).await;
        assert_eq!(farm.route_status().rollout_percent, None);
        assert_eq!(credited(&farm.ledger(), "beta"), 0.0);
        farm.suffer(&Fault::Revive(BETA)).await;
        farm.mine_until(seconds(280)).await;
        assert!(farm.route_status().rollout_percent.is_some_and(|percent| percent < 100));
        farm.suffer(&Fault::Kill(ALPHA)).await;
        farm.mine_until(seconds(290)).await;
        let lost = farm.ledger();
        farm.mine_until(seconds(300)).await;
        assert_between(part_of_beta(&lost, &farm.ledger()), 1.0, 1.0);
        farm
    });
    outcome.ledger.assert_balanced();
    for miner in &outcome.miners {
        assert_eq!(miner.counts.connects, 1, "{} reconnected", miner.profile);
    }
}
