//! More miners than a pool's extranonce can tell apart.

use loka_farm::judge::Difficulty;
use loka_farm::miner::MinerState;
use loka_farm::network::Conditions;
use loka_farm::pool::{DifficultyPolicy, PoolSettings};
use loka_tests::books::{MinerLinks, total};

use super::farm::{Change, Farm, Site, UNIX_START, in_virtual_time, seconds};
use super::faults::Fault;

/// One byte tells 256 miners apart, and two are left to each of them.
const MINERS: usize = 300;

fn pools() -> [PoolSettings; 2] {
    let pool = |name: &str, seed, extranonce2_bytes| PoolSettings {
        base_unix_time: UNIX_START,
        block_interval: seconds(100_000),
        difficulty: DifficultyPolicy::Fixed(Difficulty::rounded(2e-8).unwrap()),
        extranonce2_bytes,
        ..PoolSettings::new(name, seed)
    };
    [pool("a", 1, 3), pool("b", 2, 3)]
}

#[test]
fn miners_beyond_the_room_of_a_pool_are_served_by_a_further_connection() {
    let outcome = in_virtual_time(17, async {
        let (conditions, rates) = (Conditions::ORDINARY, vec![4; MINERS]);
        let change = Change(|_| {});
        let mut farm =
            Farm::at(Site { seed: 17, conditions, settings: pools(), rates, change }).await;
        farm.mine_until(seconds(60)).await;
        for pool in [0, 1] {
            let connections = farm.pool(pool).connections();
            assert_eq!(connections.len(), 2, "pool {pool}: the stand-by has as many");
        }
        let names = |farm: &Farm| {
            let pools = farm.route_status().pools;
            pools.iter().map(|pool| pool.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&farm), ["alpha", "alpha#2", "beta", "beta#2"]);
        let mining = |farm: &Farm| {
            let statuses = farm.rack().statuses();
            statuses.iter().filter(|status| status.state == MinerState::Mining).count()
        };
        assert_eq!(mining(&farm), MINERS);
        farm.mine_until(seconds(180)).await;
        farm.suffer(&Fault::Kill(0)).await;
        farm.mine_until(seconds(181)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        assert_eq!(mining(&farm), MINERS, "a failover finds the connections open");
        farm.mine_until(seconds(300)).await;
        farm.finish(MinerLinks::Whole).await
    });
    outcome.assert_books_agree();
    let all = &outcome.ledger.total;
    // Shares that were under way when a block came or the pool died, and none that two miners have found.
    assert!(
        all.rejected.keys().chain(all.pool_rejected.keys()).all(|reason| reason == "stale"),
        "{all:?}"
    );
    assert!(total(&all.pool_rejected) * 100 < all.due, "{all:?}");
    for miner in &outcome.miners {
        assert_eq!(miner.traps, [], "{}", miner.profile);
        assert_eq!(miner.counts.connects, 1, "{} reconnected", miner.profile);
        assert!(miner.counts.accepted > 0, "{} {} mined nothing", miner.worker, miner.profile);
    }
}
