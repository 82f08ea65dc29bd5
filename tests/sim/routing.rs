//! Rules: which miners work for which route, from the first job on and when the rules change under them.

use loka_api::runtime_config::{Rule, RuntimeConfig};
use loka_farm::judge::Difficulty;
use loka_farm::network::Conditions;
use loka_farm::pool::{DifficultyPolicy, PoolSettings};
use loka_farm::wire::LineStream;
use loka_tests::books::{Ledger, MinerLinks, total};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::farm::{self, Change, DIFFICULTY, Farm, Outcome, RATE, Site, UNIX_START, seconds};
use super::faults::Fault;

/// One of each firmware.
const MINERS: usize = 14;

/// As alike as two pools can be: where a share went is told by the books alone.
fn pools() -> [PoolSettings; 2] {
    [("a", 1), ("b", 2)].map(|(name, seed)| PoolSettings {
        base_unix_time: UNIX_START,
        block_interval: seconds(60),
        job_interval: seconds(15),
        difficulty: DifficultyPolicy::Fixed(Difficulty::rounded(DIFFICULTY).unwrap()),
        ..PoolSettings::new(name, seed)
    })
}

/// Each pool has a route of its own; miners take the first.
fn two_routes(config: &mut RuntimeConfig) {
    let [main] = &mut config.routes[..] else { panic!("one route") };
    let mut other = main.clone();
    other.name = "other".to_owned();
    other.pools.remove(0);
    main.pools.truncate(1);
    config.routes.push(other);
}

/// Those whose number begins with a one take the second route.
fn ones_elsewhere(config: &mut RuntimeConfig) {
    two_routes(config);
    let (name, route) = ("ones".to_owned(), "other".to_owned());
    let workers = vec!["acct.rig1*".to_owned()];
    config.rules = vec![Rule { name, route, workers, ..Rule::default() }];
}

/// All others.
fn others_elsewhere(config: &mut RuntimeConfig) {
    ones_elsewhere(config);
    let first =
        Rule { name: "stay".to_owned(), route: "main".to_owned(), ..config.rules[0].clone() };
    let rest = Rule { name: "rest".to_owned(), route: "other".to_owned(), ..Rule::default() };
    config.rules = vec![first, rest];
}

fn is_one(worker: &str) -> bool {
    worker.starts_with("acct.rig1")
}

/// Of the route's one pool.
fn accepted(ledger: &Ledger, route: &str) -> u64 {
    let pool = if route == "main" { "alpha" } else { "beta" };
    let rows = ledger.rows.iter().filter(|row| row.pool == pool);
    rows.map(|row| row.counts.accepted).sum()
}

fn play<F: Future<Output = Farm>>(
    edit: fn(&mut RuntimeConfig),
    links: MinerLinks,
    scenario: impl FnOnce(Farm) -> F,
) -> Outcome {
    let (conditions, rates) = (Conditions::ORDINARY, vec![RATE; MINERS]);
    let site = Site { seed: 7, conditions, settings: pools(), rates, change: Change(edit) };
    farm::play(site, links, scenario)
}

#[test]
fn a_rule_by_name_settles_the_route_before_the_first_job() {
    let outcome = play(ones_elsewhere, MinerLinks::Whole, async |mut farm| {
        farm.mine_until(seconds(120)).await;
        farm
    });
    outcome.assert_books_agree();
    let by_miners = |ones: bool| {
        let miners = outcome.miners.iter().filter(|miner| is_one(&miner.worker) == ones);
        miners.map(|miner| miner.counts.accepted).sum::<u64>()
    };
    let pools: Vec<u64> = outcome.pools.iter().map(|pool| pool.accepted).collect();
    assert!(pools[0] > 50 && pools[1] > 50, "{pools:?}");
    let (main, other) = (accepted(&outcome.ledger, "main"), accepted(&outcome.ledger, "other"));
    assert!(main > 50 && other > 50, "{main} {other}");
    assert_eq!((main, other), (by_miners(false), by_miners(true)), "not one share elsewhere");
    for miner in &outcome.miners {
        assert_eq!(miner.traps, [], "{}", miner.profile);
        assert_eq!(miner.counts.connects, 1, "{}", miner.profile);
    }
}

#[test]
fn a_change_of_rules_moves_miners_on_the_connections_that_they_have() {
    let outcome = play(two_routes, MinerLinks::Whole, async |mut farm| {
        farm.mine_until(seconds(60)).await;
        assert_eq!(accepted(&farm.ledger(), "other"), 0);
        farm.change(Change(ones_elsewhere)).await;
        farm.mine_until(seconds(120)).await;
        let before = farm.ledger();
        farm.change(Change(others_elsewhere)).await;
        farm.mine_until(seconds(180)).await;
        let after = farm.ledger();
        for route in ["main", "other"] {
            let moved = accepted(&after, route) - accepted(&before, route);
            assert!(moved > 20, "{moved} by {route}");
        }
        farm.change(Change(two_routes)).await;
        farm.mine_until(seconds(240)).await;
        farm
    });
    outcome.assert_books_agree();
    for miner in &outcome.miners {
        assert_eq!(miner.traps, [], "{}", miner.profile);
        assert_eq!(miner.counts.connects, 1, "{}", miner.profile);
    }
    let ledger = &outcome.ledger.total;
    // What is on its way when a block comes is stale; a move makes nothing so.
    assert!(!ledger.rejected.contains_key("unknown_job"), "{ledger:?}");
    assert!(!ledger.rejected.contains_key("low_difficulty"), "{ledger:?}");
    assert_eq!(total(&ledger.lost), 0, "{ledger:?}");
}

/// Logs in under `worker` and says no more; the jobs that it hears of until then.
pub(super) async fn jobs_heard(farm: &Farm, worker: &str, until: Instant) -> usize {
    let mut lines = LineStream::new(farm.connect().await);
    for (id, method, params) in [
        (1, "mining.subscribe", json!(["silent/1"])),
        (2, "mining.authorize", json!([worker, "x"])),
    ] {
        let line = json!({"id": id, "method": method, "params": params});
        lines.send(format!("{line}\n").as_bytes()).await.expect("the proxy reads");
    }
    let mut jobs = 0;
    while let Ok(line) = timeout_at(until, lines.next_line()).await {
        let line = line.expect("connected").expect("connected");
        jobs += usize::from(line.contains("mining.notify"));
    }
    jobs
}

#[test]
fn miners_that_come_again_find_their_route_again() {
    let outcome = play(ones_elsewhere, MinerLinks::Cut, async |mut farm| {
        for at in [30, 60, 90] {
            farm.mine_until(seconds(at)).await;
            farm.suffer(&Fault::CutMiners).await;
        }
        farm.mine_until(seconds(150)).await;
        farm
    });
    outcome.assert_books_agree();
    let [a, b] = &outcome.pools[..] else { panic!("two pools") };
    assert!(a.accepted > 50 && b.accepted > 20, "{a:?} {b:?}");
}
