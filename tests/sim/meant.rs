//! Scenarios with documents of which each share's way can be told: every step is checked against a second reading of them
//! ([`super::intent`]), and the pools' books against what anybody would expect.

use std::time::Duration;

use loka_farm::judge::Difficulty;
use loka_farm::network::Conditions;
use loka_farm::pool::{Clean, DifficultyPolicy, PoolSettings, PracticePool};
use loka_farm::profile::Profile;
use loka_tests::books::{MinerLinks, total};

use super::drawn::{Drawn, DrawnEntry, DrawnPool, DrawnRoute, DrawnRule};
use super::farm::{
    self, Change, DIFFICULTY, Outcome, PORT, RATE, Rig, Site, UNIX_START, in_virtual_time, seconds,
    source,
};
use super::faults::Fault;
use super::intent::Troubles;
use super::whole::{self, Whole};

/// One of each firmware.
const MINERS: u32 = 14;

/// Each pool has an account and a login for each miner, each route a pool of its own.
fn apart(pools: usize) -> Drawn {
    let pool = |account| DrawnPool {
        account,
        worker_name: Some("{worker}"),
        logins_max: 16,
        is_verified: true,
        suggests: true,
    };
    Drawn {
        listeners: vec![0],
        rules: Vec::new(),
        firmware: Vec::new(),
        routes: (0..pools).map(|pool| route(&[pool])).collect(),
        pools: ["acct", "second", "third"].into_iter().take(pools).map(pool).collect(),
        difficulty: DIFFICULTY,
    }
}

fn route(pools: &[usize]) -> DrawnRoute {
    let entry = |pool: &usize| DrawnEntry { pool: *pool, hours: None };
    DrawnRoute {
        is_dedicated: false,
        pools: pools.iter().map(entry).collect(),
        has_weights: false,
        pin: None,
        is_staged: false,
    }
}

/// Every other one in the second hall.
fn rigs() -> Vec<Rig> {
    let profiles = Profile::all().iter().cycle().zip(0..MINERS);
    let rig = |(profile, number): (&&'static Profile, u32)| Rig {
        profile,
        worker: format!("acct.rig{number}"),
        source: source(u8::from(number % 2 == 1), number + 1),
        port: PORT,
        rate: RATE,
    };
    profiles.map(rig).collect()
}

fn play(drawn: Drawn, scenario: impl AsyncFnOnce(&mut Whole)) -> Outcome {
    play_with(Troubles::None, drawn, scenario)
}

fn play_with(troubles: Troubles, drawn: Drawn, scenario: impl AsyncFnOnce(&mut Whole)) -> Outcome {
    let outcome = in_virtual_time(23, async move {
        let mut random = fastrand::Rng::with_seed(23);
        let mut farm = Whole::of(23, &mut random, troubles, (drawn, rigs())).await;
        scenario(&mut farm).await;
        farm.finish(MinerLinks::Whole).await
    });
    whole::assert_books_agree(&outcome, troubles);
    for miner in &outcome.miners {
        assert_eq!(miner.traps, [], "{}", miner.profile);
        assert_eq!(miner.counts.connects, 1, "{} reconnected", miner.profile);
    }
    let all = &outcome.ledger.total;
    assert_eq!(total(&all.lost) + total(&all.unanswered), 0, "{all:?}");
    outcome
}

/// The miners whose names a pool knows.
fn known(pool: &PracticePool) -> Vec<String> {
    let users = pool.counts().users.into_iter().filter(|(_, counts)| counts.accepted > 0);
    let names = users.filter_map(|(user, _)| Some(user.split_once(".rig")?.1.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort_by_key(|name| name.parse::<u32>().ok());
    names
}

fn numbers(of: impl Fn(u32, &Rig) -> bool) -> Vec<String> {
    let rigs = rigs();
    let all = (0..MINERS).zip(&rigs).filter(|(number, rig)| of(*number, rig));
    all.map(|(number, _)| number.to_string()).collect()
}

fn is_cgminer(rig: &Rig) -> bool {
    rig.profile.user_agent.starts_with("cgminer/")
}

#[test]
fn rules_by_source_and_by_firmware_lead_each_miner_to_its_pool() {
    let by_firmware =
        DrawnRule { firmware: vec!["own0".to_owned()], route: 2, ..DrawnRule::default() };
    let by_source = DrawnRule { halls: vec![1], route: 1, ..DrawnRule::default() };
    let firmware = vec!["CGMINER/*"];
    let rules = vec![by_firmware, by_source.clone()];
    play(Drawn { rules, firmware: firmware.clone(), ..apart(3) }, async |farm| {
        farm.mine_until(seconds(120)).await;
        let expected = [
            numbers(|number, rig| number % 2 == 0 && !is_cgminer(rig)),
            numbers(|number, rig| number % 2 == 1 && !is_cgminer(rig)),
            numbers(|_, rig| is_cgminer(rig)),
        ];
        assert!(expected.iter().all(|miners| !miners.is_empty()), "{expected:?}");
        for (pool, expected) in expected.into_iter().enumerate() {
            assert_eq!(known(farm.farm().pool(pool)), expected, "pool {pool}");
        }
        // Where a miner is, goes before what it is, from now on.
        let rule = DrawnRule { route: 0, ..by_source };
        let rules = vec![rule, farm.drawn().rules[0].clone()];
        farm.change(Drawn { rules, ..farm.drawn().clone() }).await;
        farm.mine_until(seconds(200)).await;
        let late = farm.farm().pool(1).counts().accepted;
        farm.mine_until(seconds(260)).await;
        assert_eq!(farm.farm().pool(1).counts().accepted, late, "nobody is led there any more");
    });
}

#[test]
fn a_change_of_mode_there_and_back_loses_no_share_and_no_name() {
    play(apart(1), async |farm| {
        farm.mine_until(seconds(60)).await;
        let aggregated = farm.drawn().clone();
        let mut dedicated = aggregated.clone();
        dedicated.routes[0].is_dedicated = true;
        for (at, drawn, connections) in
            [(120, &dedicated, 15), (200, &aggregated, 1), (260, &dedicated, 15)]
        {
            farm.change(drawn.clone()).await;
            farm.mine_until(seconds(at)).await;
            assert_eq!(farm.farm().pool(0).connections().len(), connections);
        }
        assert_eq!(known(farm.farm().pool(0)), numbers(|_, _| true));
    });
}

/// After three looks at the name, one a minute.
const FOLLOWED: u64 = 200;

/// Moves the first pool of `pools` in one route; it is the only one that is mined on.
fn follow(pools: &[usize]) {
    let drawn = Drawn { routes: vec![route(pools)], ..apart(pools.len()) };
    let outcome = play(drawn, async |farm| {
        farm.mine_until(seconds(30)).await;
        let [old, new] = ["192.0.0.1:3333", "192.0.0.2:3333"];
        let connected = |farm: &mut Whole| [old, new].map(|at| farm.farm().net().streams(at).len());
        assert_eq!(connected(farm), [1, 0]);
        farm.suffer(&Fault::Move(0)).await;
        farm.mine_until(seconds(30 + FOLLOWED)).await;
        assert_eq!(connected(farm), [0, 1], "it is not followed, or not left");
        farm.mine_until(seconds(300)).await;
    });
    let [alpha, others @ ..] = &outcome.pools[..] else { panic!("a pool") };
    assert_eq!(alpha.sessions, 2, "one after the other");
    assert!(alpha.accepted > 500, "{alpha:?}");
    assert!(others.iter().all(|pool| pool.accepted == 0), "nobody was moved to another pool");
}

#[test]
fn a_pool_whose_name_resolves_anew_is_followed_while_it_is_mined_on() {
    follow(&[0, 1]);
}

#[test]
fn the_only_pool_that_there_is_is_followed_where_its_name_leads() {
    follow(&[0]);
}

#[test]
fn a_pool_that_begins_to_pay_somebody_else_is_left_with_the_job_that_does() {
    let drawn = Drawn { routes: vec![route(&[0, 1])], ..apart(2) };
    play_with(Troubles::Some, drawn, async |farm| {
        farm.mine_until(seconds(60)).await;
        farm.suffer(&Fault::PayElsewhere(0)).await;
        farm.mine_until(seconds(62)).await;
        let accepted = |farm: &mut Whole, pool| farm.farm().pool(pool).counts().accepted;
        let (alpha, beta) = (accepted(farm, 0), accepted(farm, 1));
        farm.mine_until(seconds(120)).await;
        assert_eq!(accepted(farm, 0), alpha, "somebody else is paid");
        assert!(accepted(farm, 1) > beta + 100, "the other pool has the work");
        farm.suffer(&Fault::PayAgain(0)).await;
        farm.mine_until(seconds(200)).await;
        assert!(accepted(farm, 0) > alpha + 100, "it is mined on again when it pays again");
    });
}

/// Shares of 15 ms of the farm's work, of pools at which nothing makes one stale but what we do ourselves.
fn calm_pools() -> [PoolSettings; 2] {
    [("a", 1), ("b", 2)].map(|(name, seed)| PoolSettings {
        base_unix_time: UNIX_START,
        block_interval: seconds(100_000),
        job_interval: seconds(15),
        clean_jobs_percent: 0,
        difficulty: DifficultyPolicy::Fixed(Difficulty::rounded(DIFFICULTY / 5.0).unwrap()),
        ..PoolSettings::new(name, seed)
    })
}

#[test]
fn what_was_found_before_a_connection_was_replaced_is_paid() {
    const EACH_ON_ITS_OWN: Change =
        Change(|config| config.routes[0].mode = loka_api::runtime_config::Mode::Dedicated);
    for change in [Change(|_| {}), EACH_ON_ITS_OWN] {
        let (conditions, rates) = (Conditions::ORDINARY, vec![RATE; MINERS as usize]);
        let site = Site { seed: 29, conditions, settings: calm_pools(), rates, change };
        let outcome = farm::play(site, MinerLinks::Whole, async |mut farm| {
            for (at, account) in [(30, "second"), (45, "acct"), (60, "second"), (75, "acct")] {
                farm.mine_until(seconds(at)).await;
                farm.edit(|documents| documents.pools[0].account = account.to_owned()).await;
                // The route looks around itself whenever it hears of a job: right after the change, too.
                for ms in (100..400).step_by(10) {
                    farm.mine_until(seconds(at) + Duration::from_millis(ms)).await;
                    farm.pool(0).control().new_job(Clean::Continues);
                }
            }
            farm.mine_until(seconds(90)).await;
            farm
        });
        whole::assert_books_agree(&outcome, Troubles::None);
        let all = &outcome.ledger.total;
        assert!(all.due > 1000, "{all:?}");
        assert_eq!(all.pool_accepted, all.due, "{all:?}");
        assert_eq!(total(&all.rejected), 0, "{all:?}");
    }
}
