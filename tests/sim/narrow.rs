//! Pools that leave one or two bytes of extranonce2: who can work there, and what the others are told.

use loka_api::runtime_config::{Mode, RuntimeConfig};
use loka_farm::judge::Difficulty;
use loka_farm::network::Conditions;
use loka_farm::pool::{DifficultyPolicy, PoolSettings, VersionRolling};
use loka_tests::books::MinerLinks;

use super::farm::{
    ALPHA, Change, DIFFICULTY, Farm, RATE, Site, UNIX_START, in_virtual_time, seconds,
};
use super::hub::Hub;

/// One of each firmware.
const MINERS: usize = 14;

const ROLLING: VersionRolling = VersionRolling::Granted { mask: 0x1fff_e000 };

fn dedicated(config: &mut RuntimeConfig) {
    config.routes[0].mode = Mode::Dedicated;
}

fn pools(extranonce2_bytes: usize, version_rolling: VersionRolling) -> [PoolSettings; 2] {
    [("a", 1), ("b", 2)].map(|(name, seed)| PoolSettings {
        base_unix_time: UNIX_START,
        block_interval: seconds(60),
        job_interval: seconds(15),
        extranonce2_bytes,
        version_rolling,
        difficulty: DifficultyPolicy::Fixed(Difficulty::rounded(DIFFICULTY).unwrap()),
        ..PoolSettings::new(name, seed)
    })
}

async fn farm(settings: [PoolSettings; 2], miners: usize, change: Change) -> Farm {
    let (conditions, rates) = (Conditions::ORDINARY, vec![RATE; miners]);
    let mut farm = Farm::at(Site { seed: 29, conditions, settings, rates, change }).await;
    farm.mine_until(seconds(20)).await;
    farm
}

/// What each of two connections has for itself, and that a share of each is paid.
fn check_hubs(settings: [PoolSettings; 2], change: Change, extranonce2_bytes: usize) {
    in_virtual_time(29, async {
        let farm = farm(settings, 0, change).await;
        let mut hubs = [Hub::at(&farm, &["acct.one"]).await, Hub::at(&farm, &["acct.two"]).await];
        for (hub, name) in hubs.iter_mut().zip(["acct.one", "acct.two"]) {
            assert_eq!(hub.extranonce2_bytes(), extranonce2_bytes);
            for _ in 0..10 {
                let reply = hub.submit(name, DIFFICULTY).await;
                assert_eq!(reply["result"], true, "{reply}");
            }
        }
        assert_eq!(farm.pool(ALPHA).counts().accepted, 20);
        drop(hubs);
        farm.finish(MinerLinks::Whole).await.assert_books_agree_but_for_strangers();
    });
}

#[test]
fn two_bytes_are_shared_by_miners_of_one_each() {
    check_hubs(pools(2, ROLLING), Change(|_| {}), 1);
}

#[test]
fn a_miner_alone_has_the_one_byte_that_there_is() {
    check_hubs(pools(1, ROLLING), Change(dedicated), 1);
}

#[test]
fn every_firmware_mines_alone_on_two_bytes() {
    let outcome = in_virtual_time(29, async {
        let mut farm = farm(pools(2, VersionRolling::Refused), MINERS, Change(dedicated)).await;
        farm.mine_until(seconds(120)).await;
        farm.finish(MinerLinks::Whole).await
    });
    outcome.assert_nobody_noticed();
    for miner in &outcome.miners {
        assert!(miner.counts.accepted > 5, "{}: {:?}", miner.profile, miner.counts);
    }
}

#[test]
fn a_pool_that_leaves_too_little_is_refused_with_the_reason() {
    for (settings, reason) in [
        (pools(1, ROLLING), "2 are the least that miners can share"),
        (pools(2, VersionRolling::Refused), "less than 14 bits"),
    ] {
        in_virtual_time(29, async {
            let farm = farm(settings, 0, Change(|_| {})).await;
            assert_eq!(farm.active(), None);
            let error = farm.pool_status(ALPHA).last_error.expect("a reason");
            assert!(error.contains(reason), "{error}");
            farm.finish(MinerLinks::Whole).await.assert_books_agree();
        });
    }
}
