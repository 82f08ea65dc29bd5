//! The time ledger against the farm's own truth: hashrates that are known, for times that are known.

use loka_farm::judge::Difficulty;
use loka_farm::network::Conditions;
use loka_farm::pool::{DifficultyPolicy, PoolSettings};
use loka_tests::books::MinerLinks;

use super::farm::{Change, DIFFICULTY, Farm, RATE, Site, UNIX_START, in_virtual_time, seconds};
use super::faults::Fault;

/// One of each firmware.
const MINERS: usize = 14;

/// Hashes of difficulty 1.
const HASHES: f64 = 4_294_967_296.0;

fn pools() -> [PoolSettings; 2] {
    [("a", 1), ("b", 2)].map(|(name, seed)| PoolSettings {
        base_unix_time: UNIX_START,
        difficulty: DifficultyPolicy::Fixed(Difficulty::rounded(DIFFICULTY).unwrap()),
        ..PoolSettings::new(name, seed)
    })
}

/// Paid and stale so far, in seconds of the whole farm.
fn spent(farm: &Farm) -> (f64, f64) {
    let whole = MINERS as f64 * RATE as f64 / HASHES;
    let work = farm.work();
    (work.paid / whole, work.stale / whole)
}

async fn farm() -> Farm {
    let site = Site {
        seed: 7,
        conditions: Conditions::ORDINARY,
        settings: pools(),
        rates: vec![RATE; MINERS],
        change: Change(|_| {}),
    };
    let mut farm = Farm::at(site).await;
    // Rates are known by then.
    farm.mine_until(seconds(300)).await;
    farm
}

#[test]
fn a_minute_with_pools_that_say_nothing_is_not_paid() {
    in_virtual_time(7, async {
        let mut farm = farm().await;
        let before = spent(&farm);
        for pool in 0..2 {
            farm.suffer(&Fault::Silence(pool)).await;
        }
        farm.mine_until(seconds(360)).await;
        for pool in 0..2 {
            farm.suffer(&Fault::Speak(pool)).await;
        }
        farm.mine_until(seconds(420)).await;
        let now = spent(&farm);
        let (paid, stale) = (now.0 - before.0, now.1 - before.1);
        assert!((45.0..75.0).contains(&stale), "{stale} of 60 s with nobody, and {paid} paid");
        assert!((45.0..75.0).contains(&paid), "{paid} of 60 s with a pool, and {stale} without");
        assert!((105.0..130.0).contains(&(paid + stale)), "{paid} and {stale} of 120 s");
        farm.finish(MinerLinks::Cut).await;
    });
}

#[test]
fn time_with_work_and_without_is_what_the_farm_has_spent() {
    in_virtual_time(7, async {
        let mut farm = farm().await;
        let (paid, stale) = spent(&farm);
        farm.mine_until(seconds(900)).await;
        let (paid, stale) = (spent(&farm).0 - paid, spent(&farm).1 - stale);
        assert!((540.0..660.0).contains(&paid), "{paid} of 600 s with work");
        assert!(stale < 1.0, "{stale} of 600 s without");

        let before = spent(&farm);
        farm.suffer(&Fault::Kill(0)).await;
        farm.suffer(&Fault::Kill(1)).await;
        farm.mine_until(seconds(940)).await;
        farm.suffer(&Fault::Revive(0)).await;
        farm.mine_until(seconds(1000)).await;
        let now = spent(&farm);
        let (paid, stale) = (now.0 - before.0, now.1 - before.1);
        assert!((30.0..75.0).contains(&stale), "{stale} of 40 s and a reconnect without");
        assert!((80.0..120.0).contains(&(paid + stale)), "{paid} and {stale} of 100 s");
        farm.finish(MinerLinks::Cut).await;
    });
}
