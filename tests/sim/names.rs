//! Several names on one connection: each share goes to the pool under the one that its submit gives.

use loka_api::runtime_config::{Mode, RuntimeConfig, WorkerNames};
use loka_farm::judge::Difficulty;
use loka_farm::network::Conditions;
use loka_farm::pool::{DifficultyPolicy, PoolSettings};
use loka_tests::books::MinerLinks;

use super::farm::{ALPHA, Change, DIFFICULTY, Farm, Site, UNIX_START, in_virtual_time, seconds};
use super::hub::Hub;

/// Shares of each name; so many go under the plain login at most, until the pool has let a name in.
const SHARES: u64 = 12;

fn pools() -> [PoolSettings; 2] {
    [("a", 1), ("b", 2)].map(|(name, seed)| PoolSettings {
        base_unix_time: UNIX_START,
        block_interval: seconds(100_000),
        difficulty: DifficultyPolicy::Fixed(Difficulty::rounded(DIFFICULTY).unwrap()),
        ..PoolSettings::new(name, seed)
    })
}

fn passed_through(config: &mut RuntimeConfig) {
    for pool in &mut config.routes[0].pools {
        let template = "{worker}".to_owned();
        pool.worker_names = Some(WorkerNames { template, logins_max: 16 });
    }
}

fn passed_through_dedicated(config: &mut RuntimeConfig) {
    passed_through(config);
    config.routes[0].mode = Mode::Dedicated;
}

fn check(change: Change, first: &str) {
    in_virtual_time(23, async {
        let (conditions, rates) = (Conditions::ORDINARY, vec![400; 2]);
        let site = Site { seed: 23, conditions, settings: pools(), rates, change };
        let mut farm = Farm::at(site).await;
        farm.mine_until(seconds(10)).await;
        let names = ["acct.one", "acct.two", "acct.three"];
        let mut hub = Hub::at(&farm, &names).await;
        for _ in 0..SHARES {
            for name in names {
                let reply = hub.submit(name, DIFFICULTY).await;
                assert_eq!(reply["result"], true, "{name}: {reply}");
            }
        }
        let refused = hub.submit("acct.four", DIFFICULTY).await;
        assert_eq!(refused["error"][0], 24, "{refused}");
        assert_eq!(hub.authorize("acct.four").await["result"], true);
        for _ in 0..SHARES {
            hub.submit("acct.four", DIFFICULTY).await;
        }
        farm.mine_until(seconds(120)).await;
        let pool = farm.pool(ALPHA).counts();
        let accepted = |name: &str| pool.users.get(name).map_or(0, |user| user.accepted);
        for name in names.into_iter().chain(["acct.four"]) {
            // The plain login is had from the beginning: it is the first name's own.
            let least = if name == first { SHARES } else { SHARES - 1 };
            assert!(accepted(name) >= least, "{name}: {} of {SHARES}", accepted(name));
        }
        let connections = farm.pool(ALPHA).connections();
        let of_hub = connections.iter().filter(|it| it.users.iter().any(|user| user == "acct.two"));
        assert_eq!(of_hub.count(), 1, "one connection bears all names");
        drop(hub);
        farm.finish(MinerLinks::Whole).await.assert_books_agree_but_for_strangers();
    });
}

#[test]
fn each_share_goes_under_the_name_that_its_submit_gives() {
    check(Change(passed_through), "");
}

#[test]
fn a_connection_of_a_miners_own_bears_all_names_of_its_miner() {
    check(Change(passed_through_dedicated), "acct.one");
}
