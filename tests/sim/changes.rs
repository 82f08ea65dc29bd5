//! Changes of what is mined on that somebody asks for: in steps, by a pin, by the clock.

use loka_api::runtime_config::{Rollout, RolloutStep, RuntimeConfig, Window};
use loka_farm::judge::{Difficulty, Reason};
use loka_farm::network::Conditions;
use loka_farm::pool::{Accounts, DifficultyPolicy, PoolSettings};
use loka_tests::books::{Ledger, MinerLinks, total};

use super::farm::{self, ALPHA, BETA, Change, Farm, Outcome, Site, UNIX_START, seconds};
use super::faults::Fault;

const MINERS: usize = 14;
const RATE: u64 = 400;

/// Of the pools: a share is 15 ms of the farm's work.
const SHARE: f64 = 2e-8;

/// Two pools, of which each knows one account.
fn pools() -> [PoolSettings; 2] {
    let pool = |name: &str, seed| PoolSettings {
        base_unix_time: UNIX_START,
        block_interval: seconds(100_000),
        job_interval: seconds(15),
        difficulty: DifficultyPolicy::Fixed(Difficulty::rounded(SHARE).unwrap()),
        accounts: Accounts::Only(vec!["acct".to_owned(), "second".to_owned()]),
        ..PoolSettings::new(name, seed)
    };
    [pool("a", 1), pool("b", 2)]
}

pub(super) fn play<F: Future<Output = Farm>>(
    change: Change,
    scenario: impl FnOnce(Farm) -> F,
) -> Outcome {
    let (conditions, rates) = (Conditions::ORDINARY, vec![RATE; MINERS]);
    let site = Site { seed: 13, conditions, settings: pools(), rates, change };
    farm::play(site, MinerLinks::Whole, scenario)
}

/// A hundredth for a minute, a tenth for a minute, then all; fit for tests.
pub(super) fn in_steps(config: &mut RuntimeConfig) {
    let steps = [(1, 60), (10, 60), (100, 30)];
    let step = |(percent, s): (u8, u64)| RolloutStep { percent, for_ms: s * 1000 };
    config.routes[0].rollout = Some(Rollout {
        steps: steps.map(step).to_vec(),
        min_acceptance_permille: 950,
        max_latency_ms: 2000,
        max_job_age_ms: 120_000,
    });
}

const IN_STEPS: Change = Change(in_steps);
const IN_STEPS_BETA_FIRST: Change = Change(|config| {
    in_steps(config);
    config.routes[0].pools.reverse();
});
const IN_STEPS_SECOND_ACCOUNT: Change = Change(|config| in_steps_as(config, "second"));
const IN_STEPS_UNKNOWN_ACCOUNT: Change = Change(|config| in_steps_as(config, "nobody"));

fn in_steps_as(config: &mut RuntimeConfig, account: &str) {
    in_steps(config);
    let pool = &mut config.routes[0].pools[0];
    (pool.account, pool.user) = (account.to_owned(), format!("{account}.farm"));
}

pub(super) fn credited(ledger: &Ledger, pool: &str) -> f64 {
    let rows = ledger.rows.iter().filter(|row| row.pool == pool);
    rows.map(|row| row.counts.pool_accepted_difficulty).sum()
}

/// The part of the work since `before` that beta was credited with.
pub(super) fn part_of_beta(before: &Ledger, after: &Ledger) -> f64 {
    let [alpha, beta] =
        ["alpha", "beta"].map(|pool| credited(after, pool) - credited(before, pool));
    beta / (alpha + beta)
}

#[track_caller]
pub(super) fn assert_between(part: f64, least: f64, most: f64) {
    assert!((least..=most).contains(&part), "{part} is not between {least} and {most}");
}

pub(super) fn rolled_back(farm: &Farm) -> Option<&'static str> {
    farm.route_status().rolled_back.map(|end| end.label())
}

/// By this change beta takes over from alpha, and the part of the work that it has is looked at in each step.
pub(super) async fn taken_over_in_steps(mut farm: Farm, change: Change) -> Farm {
    farm.mine_until(seconds(100)).await;
    farm.change(change).await;
    let begun = farm.ledger();
    farm.mine_until(seconds(159)).await;
    assert_eq!(farm.route_status().rollout_percent, Some(1));
    assert_eq!(farm.active().as_deref(), Some("alpha"));
    let one = farm.ledger();
    // A hundredth of fourteen miners is one of them, for some of the time.
    assert_between(part_of_beta(&begun, &one), 0.001, 0.06);
    farm.mine_until(seconds(219)).await;
    assert_eq!(farm.route_status().rollout_percent, Some(10));
    assert_between(part_of_beta(&one, &farm.ledger()), 0.05, 0.15);
    farm.mine_until(seconds(225)).await;
    assert_eq!(farm.route_status().rollout_percent, Some(100));
    assert_eq!(farm.pool(ALPHA).connections().len(), 1, "there to go back to");
    let all = farm.ledger();
    farm.mine_until(seconds(260)).await;
    assert_eq!(farm.route_status().rollout_percent, None);
    assert_eq!(farm.active().as_deref(), Some("beta"));
    assert_between(part_of_beta(&all, &farm.ledger()), 0.99, 1.0);
    farm
}

/// This change leads to beta, which refuses shares: alpha is gone back to for good.
pub(super) async fn taken_back_at_a_gate(mut farm: Farm, change: Change) -> Farm {
    farm.mine_until(seconds(100)).await;
    farm.pool(BETA).control().refuse_shares(Reason::Stale);
    farm.change(change).await;
    farm.mine_until(seconds(150)).await;
    assert_eq!(rolled_back(&farm), Some("acceptance"));
    assert_eq!(farm.active().as_deref(), Some("alpha"));
    let back = farm.ledger();
    farm.pool(BETA).control().accept_shares();
    farm.mine_until(seconds(400)).await;
    assert_eq!(part_of_beta(&back, &farm.ledger()), 0.0, "not tried again by itself");
    farm
}

#[test]
fn a_change_of_pool_is_made_in_steps_of_hashrate() {
    let outcome = play(IN_STEPS, async |farm| taken_over_in_steps(farm, IN_STEPS_BETA_FIRST).await);
    outcome.assert_nobody_noticed();
    assert_eq!(total(&outcome.ledger.total.lost), 0);
}

#[test]
fn a_change_that_fails_at_a_gate_is_taken_back_and_not_tried_again() {
    let outcome = play(IN_STEPS, async |farm| {
        let mut farm = taken_back_at_a_gate(farm, IN_STEPS_BETA_FIRST).await;
        // Until somebody changes the configuration, and then by steps again.
        farm.change(IN_STEPS).await;
        farm.change(IN_STEPS_BETA_FIRST).await;
        farm.mine_until(seconds(420)).await;
        assert_eq!((rolled_back(&farm), farm.route_status().rollout_percent), (None, Some(1)));
        farm
    });
    outcome.assert_nobody_noticed();
    let refused = total(&outcome.ledger.total.pool_rejected);
    assert!(refused < 150, "{refused} shares were spent on it");
}

#[test]
fn a_failover_is_never_staged() {
    let outcome = play(IN_STEPS, async |mut farm| {
        farm.mine_until(seconds(100)).await;
        farm.suffer(&Fault::Kill(ALPHA)).await;
        farm.mine_until(seconds(101)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        assert_eq!(farm.route_status().rollout_percent, None);
        // And one in the midst of a change is none any more.
        farm.suffer(&Fault::Revive(ALPHA)).await;
        farm.change(IN_STEPS_BETA_FIRST).await;
        farm.mine_until(seconds(200)).await;
        farm.change(IN_STEPS).await;
        farm.mine_until(seconds(210)).await;
        assert_eq!(farm.route_status().rollout_percent, Some(1));
        farm.suffer(&Fault::Kill(BETA)).await;
        farm.mine_until(seconds(211)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        assert_eq!(farm.route_status().rollout_percent, None);
        farm
    });
    outcome.assert_nobody_noticed();
}

#[test]
fn another_account_is_gone_over_to_in_steps() {
    let outcome = play(IN_STEPS, async |mut farm| {
        farm.mine_until(seconds(100)).await;
        farm.change(IN_STEPS_SECOND_ACCOUNT).await;
        farm.mine_until(seconds(150)).await;
        assert_eq!(farm.route_status().rollout_percent, Some(1));
        assert_eq!(farm.pool(ALPHA).connections().len(), 2, "both logins are there");
        farm.mine_until(seconds(270)).await;
        assert_eq!(farm.route_status().rollout_percent, None);
        assert_eq!(farm.pool_status(ALPHA).account, "second");
        assert!(farm.pool_status(ALPHA).active);
        farm.mine_until(seconds(280)).await;
        assert_eq!(farm.pool(ALPHA).connections().len(), 1, "the former login is gone");
        farm
    });
    outcome.assert_nobody_noticed();
    assert_eq!(total(&outcome.ledger.total.lost), 0);
}

#[test]
fn an_account_that_the_pool_does_not_know_gets_no_hash() {
    let outcome = play(IN_STEPS, async |mut farm| {
        farm.mine_until(seconds(100)).await;
        farm.change(IN_STEPS_UNKNOWN_ACCOUNT).await;
        let before = farm.ledger();
        farm.mine_until(seconds(300)).await;
        assert_eq!(part_of_beta(&before, &farm.ledger()), 0.0, "it stays where it was");
        assert!(credited(&farm.ledger(), "alpha") > credited(&before, "alpha"));
        farm
    });
    outcome.assert_nobody_noticed();
}

#[test]
fn a_pinned_pool_is_mined_on_whenever_it_is_healthy() {
    const PINNED: Change = Change(|config| config.routes[0].pin = Some("beta".to_owned()));
    let outcome = play(Change(|_| {}), async |mut farm| {
        farm.mine_until(seconds(60)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        farm.change(PINNED).await;
        farm.mine_until(seconds(61)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        assert!(farm.pool_status(BETA).pinned);
        farm.suffer(&Fault::Kill(BETA)).await;
        farm.mine_until(seconds(62)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        farm.suffer(&Fault::Revive(BETA)).await;
        farm.mine_until(seconds(130)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        farm
    });
    outcome.assert_nobody_noticed();
}

#[test]
fn a_pool_is_not_mined_on_outside_of_its_hours() {
    const FIRST_TWO_MINUTES: Window = Window { days: 0x7f, from_minute: 0, to_minute: 2 };
    const BY_THE_CLOCK: Change = Change(|config| {
        let pools = &mut config.routes[0].pools;
        pools[0].schedule = vec![FIRST_TWO_MINUTES];
        pools[1].schedule = vec![Window { to_minute: 4, ..FIRST_TWO_MINUTES }];
    });
    let outcome = play(BY_THE_CLOCK, async |mut farm| {
        farm.mine_until(seconds(119)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        farm.mine_until(seconds(121)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        assert!(farm.pool_status(ALPHA).schedule_closed);
        assert_eq!(farm.pool(ALPHA).connections().len(), 1, "it stays connected");
        // Not even when nothing else is left.
        farm.mine_until(seconds(242)).await;
        assert_eq!(farm.active(), None);
        farm
    });
    outcome.assert_books_agree();
}
