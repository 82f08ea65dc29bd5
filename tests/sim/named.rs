//! Scenarios with a name: what the product promises, each on its own.

use loka_farm::judge::Difficulty;
use loka_farm::miner::MinerState;
use loka_farm::network::Conditions;
use loka_farm::pool::{Clean, DifficultyPolicy, PoolSettings, Resumption, VersionRolling};
use loka_tests::books::{Books as _, MinerLinks, total};

use super::farm::{DIFFICULTY, Farm, Outcome, UNIX_START, in_virtual_time, seconds};
use super::faults::Fault;

/// One of each firmware.
pub(crate) const MINERS: usize = 14;

fn difficulty(factor: f64) -> DifficultyPolicy {
    DifficultyPolicy::Fixed(Difficulty::rounded(DIFFICULTY * factor).unwrap())
}

/// Two pools that differ in everything that a miner could notice.
pub(crate) fn unlike_pools() -> [PoolSettings; 2] {
    let base = |name: &str, seed| PoolSettings {
        base_unix_time: UNIX_START,
        block_interval: seconds(60),
        job_interval: seconds(15),
        ..PoolSettings::new(name, seed)
    };
    let alpha = PoolSettings {
        extranonce1_bytes: 4,
        extranonce2_bytes: 4,
        version_rolling: VersionRolling::Granted { mask: 0x00ff_e000 },
        difficulty: difficulty(2.0),
        ..base("a", 1)
    };
    let beta = PoolSettings {
        extranonce1_bytes: 7,
        extranonce2_bytes: 8,
        version_rolling: VersionRolling::Granted { mask: 0x1fff_e000 },
        difficulty: difficulty(1.0),
        ..base("b", 2)
    };
    [alpha, beta]
}

pub(crate) fn play<F: Future<Output = Farm>>(
    settings: [PoolSettings; 2],
    scenario: impl FnOnce(Farm) -> F,
) -> Outcome {
    in_virtual_time(7, async move {
        let farm = Farm::with(7, Conditions::ORDINARY, settings, MINERS).await;
        scenario(farm).await.finish(MinerLinks::Whole).await
    })
}

#[test]
fn failover_and_fail_back_between_unlike_pools_keep_every_miner_connected() {
    let outcome = play(unlike_pools(), async |mut farm| {
        farm.mine_until(seconds(60)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        farm.suffer(&Fault::Kill(0)).await;
        farm.mine_until(seconds(62)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        farm.mine_until(seconds(120)).await;
        farm.suffer(&Fault::Revive(0)).await;
        farm.mine_until(seconds(135)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"), "fail-back waits for health");
        farm.mine_until(seconds(210)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        farm.mine_until(seconds(240)).await;
        farm
    });
    outcome.assert_nobody_noticed();
    let [alpha, beta] = &outcome.pools[..] else { panic!("two pools") };
    assert!(alpha.accepted > 100 && beta.accepted > 100, "{alpha:?} {beta:?}");
    let ledger = &outcome.ledger.total;
    let paid = ledger.pool_accepted as f64 / ledger.due as f64;
    assert!(paid > 0.97, "{paid} of the due shares were credited: {ledger:?}");
}

#[test]
fn a_session_that_the_pool_resumes_goes_on_with_its_jobs() {
    let settings =
        unlike_pools().map(|pool| PoolSettings { resumption: Resumption::Resumes, ..pool });
    let outcome = play(settings, async |mut farm| {
        farm.pool(1).control().kill();
        farm.mine_until(seconds(30)).await;
        for at in [40, 50, 60] {
            farm.suffer(&Fault::Drop(0)).await;
            farm.mine_until(seconds(at)).await;
        }
        farm
    });
    outcome.assert_nobody_noticed();
    assert_eq!(outcome.pools[0].sessions_resumed, 3);
    let ledger = &outcome.ledger.total;
    // A share that is written before the end of the connection is known may never have been read, so it is submitted once
    // more; whatever else was due is kept. One that had been read is a duplicate then, and its verdict is the pool's secret.
    let unanswered = total(&ledger.unanswered);
    assert!(unanswered <= 3, "a resumed session keeps every share: {ledger:?}");
    // And one that was on its way when the pool found a block is stale there, and could be no better.
    let overtaken = ledger.pool_rejected.get("stale").copied().unwrap_or_default();
    assert!(overtaken <= 2, "{ledger:?}");
    assert_eq!(ledger.pool_accepted + unanswered + overtaken, ledger.due, "{ledger:?}");
    assert!(total(&ledger.rejected) <= 2, "a block a minute makes few shares stale: {ledger:?}");
}

#[test]
fn a_session_that_the_pool_restarts_costs_nobody_the_connection() {
    let outcome = play(unlike_pools(), async |mut farm| {
        farm.pool(1).control().kill();
        farm.mine_until(seconds(30)).await;
        for at in [60, 90, 120] {
            farm.suffer(&Fault::Restart(0)).await;
            farm.mine_until(seconds(at)).await;
            assert_eq!(farm.active().as_deref(), Some("alpha"));
        }
        farm
    });
    outcome.assert_nobody_noticed();
    assert_eq!(outcome.pools[0].sessions, 4);
    assert!(outcome.pools[0].accepted > 100);
}

#[test]
fn masks_change_under_the_miners_and_no_share_is_refused_for_it() {
    let outcome = play(unlike_pools(), async |mut farm| {
        for (at, mask) in [(30, 0x1fff_e000), (60, 0x0000_2000), (90, 0x00f0_0000)] {
            farm.mine_until(seconds(at)).await;
            farm.suffer(&Fault::Mask(0, mask)).await;
            farm.suffer(&Fault::CleanJob(0)).await;
        }
        farm.mine_until(seconds(120)).await;
        farm
    });
    outcome.assert_nobody_noticed();
    // A share that was on its way when a job ended cannot be saved: four on average in three such moments, and eight in the
    // worst of two dozen seeds. For its bits none is refused.
    let refused = &outcome.ledger.total.pool_rejected;
    assert!(refused.keys().all(|reason| *reason == "stale"), "{refused:?}");
    assert!(total(refused) <= 12, "{refused:?}");
    assert!(outcome.pools[0].accepted > 100);
}

#[test]
fn a_silent_pool_is_kept_alive_for_the_miners_and_then_left() {
    let outcome = play(unlike_pools(), async |mut farm| {
        farm.mine_until(seconds(30)).await;
        farm.suffer(&Fault::Silence(0)).await;
        // Submits go unanswered, so it is left after the submit timeout of 20 s at the latest.
        farm.mine_until(seconds(55)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        farm.mine_until(seconds(90)).await;
        farm
    });
    outcome.assert_nobody_noticed();
    assert!(total(&outcome.ledger.total.unanswered) > 0, "{:?}", outcome.ledger.total);
}

#[test]
fn miners_are_held_while_there_is_no_pool_and_mine_when_one_comes() {
    let outcome = play(unlike_pools(), async |mut farm| {
        farm.mine_until(seconds(30)).await;
        farm.suffer(&Fault::Kill(0)).await;
        farm.suffer(&Fault::Kill(1)).await;
        farm.mine_until(seconds(42)).await;
        let waiting = |farm: &Farm| {
            let statuses = farm.rack().statuses();
            statuses.iter().filter(|status| status.state == MinerState::Mining).count()
        };
        assert_eq!(farm.active(), None);
        farm.suffer(&Fault::Revive(1)).await;
        farm.mine_until(seconds(90)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        assert_eq!(waiting(&farm), MINERS);
        farm
    });
    outcome.assert_books_agree();
    assert!(outcome.pools[1].accepted > 50);
}

/// Their own lists of servers are of use only to miners that are let go.
#[test]
fn without_a_word_in_the_document_miners_are_let_go_after_ten_minutes() {
    let outcome = in_virtual_time(8, async {
        let mut farm = Farm::with(8, Conditions::ORDINARY, unlike_pools(), MINERS).await;
        farm.mine_until(seconds(30)).await;
        farm.suffer(&Fault::Kill(0)).await;
        farm.suffer(&Fault::Kill(1)).await;
        let reconnects = |farm: &Farm| {
            farm.rack().statuses().iter().map(|status| status.counts.connects - 1).sum::<u64>()
        };
        farm.mine_until(seconds(620)).await;
        let before = reconnects(&farm);
        farm.mine_until(seconds(700)).await;
        assert!(reconnects(&farm) >= before + MINERS as u64, "nobody was let go");
        farm.suffer(&Fault::Revive(0)).await;
        farm.mine_until(seconds(900)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        farm.finish(MinerLinks::Cut).await
    });
    outcome.assert_books_agree();
    assert!(outcome.accepted_in_calm > 50, "{}", outcome.accepted_in_calm);
}

/// What miners are told that they did is what their pools pay, within the luck of the draw.
#[test]
fn miners_are_credited_with_what_the_pools_pay() {
    let pools = unlike_pools().map(|pool| PoolSettings { difficulty: difficulty(16.0), ..pool });
    let outcome = play(pools, async |mut farm| {
        farm.mine_until(seconds(1800)).await;
        farm
    });
    outcome.assert_nobody_noticed();
    let total = &outcome.ledger.total;
    let (credited, paid) = (total.accepted_difficulty, total.pool_accepted_difficulty);
    let luck = 4.0 / (total.pool_accepted as f64).sqrt();
    assert!(
        total.below_pool_difficulty > total.pool_accepted,
        "vardiff made no difference: {total:?}"
    );
    assert!((credited / paid - 1.0).abs() < luck, "{credited} credited, {paid} paid, {luck}");
}

#[test]
fn vardiff_brings_every_miner_near_the_interval_that_was_asked_for() {
    let outcome = play(unlike_pools(), async |mut farm| {
        farm.mine_until(seconds(600)).await;
        farm
    });
    outcome.assert_nobody_noticed();
    for miner in &outcome.miners {
        // 400 hashes a second and a share each 2 s; the pool's own difficulty is a ceiling near that.
        let interval = 600.0 / miner.counts.submitted as f64;
        assert!((0.7..6.0).contains(&interval), "{} every {interval} s", miner.profile);
    }
}

#[test]
fn a_change_of_the_documents_moves_the_farm_without_a_reconnect() {
    let outcome = play(unlike_pools(), async |mut farm| {
        farm.mine_until(seconds(40)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        farm.reconfigure().await;
        farm.mine_until(seconds(80)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        farm
    });
    outcome.assert_nobody_noticed();
}

#[test]
fn clean_jobs_and_blocks_make_old_shares_stale_and_nothing_else() {
    let outcome = play(unlike_pools(), async |mut farm| {
        for at in 1..60 {
            farm.pool(0).control().new_job(if at % 3 == 0 {
                Clean::Clean
            } else {
                Clean::Continues
            });
            farm.mine_until(seconds(at * 2)).await;
        }
        farm
    });
    outcome.assert_nobody_noticed();
    let reasons: Vec<&String> = outcome.ledger.total.rejected.keys().collect();
    assert!(reasons.iter().all(|reason| *reason == "stale"), "{reasons:?}");
}

/// One seed alone may have no share on its way when the last miner leaves.
#[test]
fn a_drain_answers_every_share_and_ends_within_its_time() {
    for seed in [9, 10, 15, 31] {
        let outcome = in_virtual_time(seed, async {
            // Verdicts come long after the last miner has left.
            let slow = |pool| PoolSettings { reply_latency: seconds(3), ..pool };
            let pools = unlike_pools().map(slow);
            let mut farm = Farm::with(seed, Conditions::ORDINARY, pools, MINERS).await;
            farm.mine_until(seconds(60)).await;
            farm.drain_under_load().await
        });
        outcome.ledger.assert_balanced();
        assert!(outcome.ledger.is_quiet(), "{seed}: {:?}", outcome.ledger.total);
        assert_eq!(total(&outcome.ledger.total.lost), 0, "{seed}: {:?}", outcome.ledger.total);
        let unanswered = total(&outcome.ledger.total.unanswered);
        assert_eq!(unanswered, 0, "{seed}: {:?}", outcome.ledger.total);
        for (name, pool) in ["alpha", "beta"].iter().zip(&outcome.pools) {
            outcome.ledger.assert_agrees_with_pool(name, pool);
        }
        assert!(outcome.drained_in < seconds(125), "{seed}: {:?}", outcome.drained_in);
    }
}
