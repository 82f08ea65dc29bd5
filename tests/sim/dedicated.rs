//! Dedicated mode: pool connections of each miner's own, and its answers the pool's.

use std::time::Duration;

use loka_api::runtime_config::{Mode, RuntimeConfig, WorkerNames};
use loka_farm::judge::Difficulty;
use loka_farm::judge::Reason;
use loka_farm::network::Conditions;
use loka_farm::pool::{DifficultyPolicy, PoolSettings};
use loka_tests::books::{Books as _, MinerLinks, total};
use tokio::time::Instant;

use super::farm::{self, Change, DIFFICULTY, Farm, Outcome, RATE, Site, UNIX_START, seconds};
use super::faults::Fault;
use super::routing::jobs_heard;

/// One of each firmware.
const MINERS: usize = 14;

/// Unlike in what a miner could notice.
fn pools() -> [PoolSettings; 2] {
    [("a", 1, 4, 4, 2.0), ("b", 2, 7, 8, 1.0)].map(|(name, seed, one, two, factor)| PoolSettings {
        base_unix_time: UNIX_START,
        block_interval: seconds(60),
        job_interval: seconds(15),
        extranonce1_bytes: one,
        extranonce2_bytes: two,
        difficulty: DifficultyPolicy::Fixed(Difficulty::rounded(DIFFICULTY * factor).unwrap()),
        ..PoolSettings::new(name, seed)
    })
}

fn dedicated(config: &mut RuntimeConfig) {
    for route in &mut config.routes {
        route.mode = Mode::Dedicated;
        for pool in &mut route.pools {
            let template = "{worker}".to_owned();
            pool.worker_names = Some(WorkerNames { template, logins_max: 16 });
        }
    }
}

fn play<F: Future<Output = Farm>>(
    change: fn(&mut RuntimeConfig),
    scenario: impl FnOnce(Farm) -> F,
) -> Outcome {
    let (conditions, rates) = (Conditions::ORDINARY, vec![RATE; MINERS]);
    let site = Site { seed: 7, conditions, settings: pools(), rates, change: Change(change) };
    farm::play(site, MinerLinks::Whole, scenario)
}

/// The same with pools 100 ms away, which are so easy that a miner finds forty shares a second.
fn play_easy<F: Future<Output = Farm>>(scenario: impl FnOnce(Farm) -> F) -> Outcome {
    let latency = Duration::from_millis(100);
    let conditions = Conditions { latency, ..Conditions::ORDINARY };
    let easy = Difficulty::rounded(DIFFICULTY / 40.0).unwrap();
    let settings =
        pools().map(|pool| PoolSettings { difficulty: DifficultyPolicy::Fixed(easy), ..pool });
    let rates = vec![RATE; MINERS];
    let site = Site { seed: 7, conditions, settings, rates, change: Change(dedicated) };
    farm::play(site, MinerLinks::Whole, scenario)
}

/// Pools' books and ours, and the miners were told what the pools said.
pub(super) fn assert_miners_know_what_their_pools_said(outcome: &Outcome) {
    assert_books_agree(outcome);
    let ledger = &outcome.ledger;
    let accepted: u64 = outcome.miners.iter().map(|miner| miner.counts.accepted).sum();
    let good = ledger.total.below_pool_difficulty + ledger.total.pool_accepted;
    assert_eq!(accepted, good, "{:?}", ledger.total);
}

fn assert_books_agree(outcome: &Outcome) {
    let ledger = &outcome.ledger;
    ledger.assert_balanced();
    assert!(ledger.is_quiet(), "{:?}", ledger.total);
    for (name, pool) in ["alpha", "beta"].iter().zip(&outcome.pools) {
        ledger.assert_agrees_with_pool(name, pool);
    }
    for miner in &outcome.miners {
        assert_eq!(miner.traps, [], "{}", miner.profile);
        assert_eq!(miner.counts.connects, 1, "{} reconnected", miner.profile);
    }
}

#[test]
fn each_miner_has_connections_of_its_own_under_its_own_name() {
    let outcome = play(dedicated, async |mut farm| {
        farm.mine_until(seconds(60)).await;
        let connections = farm.pool(0).connections();
        // One more for the route itself, which tells the layout before there is any other.
        assert_eq!(connections.len(), MINERS + 1);
        let is_named = |user: &String| user.starts_with("acct.rig");
        let own = connections.iter().filter(|connection| connection.users.iter().any(is_named));
        assert_eq!(own.count(), MINERS);
        farm.mine_until(seconds(120)).await;
        farm
    });
    assert_miners_know_what_their_pools_said(&outcome);
    let users = &outcome.pools[0].users;
    for miner in &outcome.miners {
        let found = users.get(&miner.worker).is_some_and(|user| user.accepted > 0);
        assert!(found, "{} in {:?}", miner.worker, users.keys());
    }
}

/// Nothing but its own jobs wakes it: what it said itself would show it the latest.
#[test]
fn a_silent_miner_hears_of_each_job_of_its_own_connection() {
    let heard = farm::in_virtual_time(7, async {
        let (conditions, rates, change) = (Conditions::ORDINARY, vec![RATE; 2], Change(dedicated));
        let site = Site { seed: 7, conditions, settings: pools(), rates, change };
        let mut farm = Farm::at(site).await;
        farm.mine_until(seconds(5)).await;
        let heard = jobs_heard(&farm, "acct.rig9", Instant::now() + seconds(120)).await;
        farm.finish(MinerLinks::Whole).await.ledger.assert_balanced();
        heard
    });
    assert!(heard >= 8, "{heard} jobs in two minutes, of one in fifteen seconds");
}

#[test]
fn a_pool_that_dies_is_left_by_each_miner_and_by_none_of_its_links() {
    let outcome = play(dedicated, async |mut farm| {
        farm.mine_until(seconds(60)).await;
        farm.suffer(&Fault::Kill(0)).await;
        farm.mine_until(seconds(120)).await;
        farm.suffer(&Fault::Revive(0)).await;
        farm.mine_until(seconds(240)).await;
        farm
    });
    assert_miners_know_what_their_pools_said(&outcome);
    let [alpha, beta] = &outcome.pools[..] else { panic!("two pools") };
    assert!(alpha.accepted > 100 && beta.accepted > 50, "{alpha:?} {beta:?}");
}

/// The answers of its miners are the pool's, so one that gives none must not be waited for: neither by the miner, which
/// finds more, nor once its route has moved on.
#[test]
fn a_pool_that_stops_answering_submits_holds_up_no_miner() {
    let outcome = play_easy(async |mut farm| {
        farm.mine_until(seconds(60)).await;
        let before = farm.pool(1).counts().accepted;
        farm.suffer(&Fault::WithholdVerdicts(0)).await;
        farm.mine_until(seconds(80)).await;
        let paid = farm.pool(1).counts().accepted - before;
        // What is owed is bounded, so a miner that waited for the silent pool would be read no further within a second.
        assert!(paid > 4000, "{paid} shares in 20 s at the pool that answers");
        farm.suffer(&Fault::Revive(0)).await;
        farm.mine_until(seconds(180)).await;
        farm
    });
    outcome.ledger.assert_balanced();
    for miner in &outcome.miners {
        assert_eq!(miner.traps, [], "{}", miner.profile);
        assert_eq!(miner.counts.connects, 1, "{} reconnected", miner.profile);
    }
}

#[test]
fn a_share_that_the_pool_refuses_is_refused_to_its_miner() {
    let outcome = play(dedicated, async |mut farm| {
        farm.mine_until(seconds(30)).await;
        farm.pool(0).control().refuse_shares(Reason::LowDifficulty);
        farm.mine_until(seconds(60)).await;
        farm.pool(0).control().accept_shares();
        farm.mine_until(seconds(90)).await;
        farm
    });
    assert_miners_know_what_their_pools_said(&outcome);
    let refused = total(&outcome.ledger.total.pool_rejected);
    assert!(refused > 20, "{refused}");
}

#[test]
fn shares_do_not_wait_for_the_verdict_of_the_one_before() {
    let outcome = play_easy(async |mut farm| {
        farm.mine_until(seconds(60)).await;
        farm
    });
    // Not what the miners were told: their last answers were on their way when they stopped.
    assert_books_agree(&outcome);
    let [alpha, _] = &outcome.pools[..] else { panic!("two pools") };
    // At one share a round trip they could have had 300 each.
    let miner = alpha.accepted / MINERS as u64;
    assert!(miner > 900, "{miner} shares of a miner in a minute");
}

#[test]
fn a_change_of_mode_moves_miners_on_the_connections_that_they_have() {
    let outcome = play(
        |_| {},
        async |mut farm| {
            farm.mine_until(seconds(60)).await;
            assert_eq!(farm.pool(0).connections().len(), 1);
            farm.change(Change(dedicated)).await;
            farm.mine_until(seconds(120)).await;
            assert_eq!(farm.pool(0).connections().len(), MINERS + 1);
            farm.change(Change(|_| {})).await;
            // What was found on the miners' own connections is waited for.
            farm.mine_until(seconds(200)).await;
            assert_eq!(farm.pool(0).connections().len(), 1);
            farm
        },
    );
    outcome.ledger.assert_balanced();
    for miner in &outcome.miners {
        assert_eq!(miner.traps, [], "{}", miner.profile);
        assert_eq!(miner.counts.connects, 1, "{} reconnected", miner.profile);
    }
    assert_eq!(total(&outcome.ledger.total.lost), 0, "{:?}", outcome.ledger.total);
}
