//! When a pool is left, and what that costs: in work that was done and that no pool credited. Farms' fail-back time is 20 s,
//! and submits time out after 20 s.

use std::time::Duration;

use loka_farm::judge::{Difficulty, Reason};
use loka_farm::network::Conditions;
use loka_farm::pool::{DifficultyPolicy, PoolSettings};
use loka_tests::books::{Ledger, MinerLinks, total};

use super::farm::{self, ALPHA, BETA, Change, Farm, Outcome, Site, UNIX_START, seconds};
use super::faults::Fault;

/// One of each firmware, and what each hashes a second.
const MINERS: usize = 14;
const RATE: u64 = 400;

/// Of the pools, and so of the miners: 86 hashes, 65 shares a second from the farm, 15 ms of its work each.
const SHARE: f64 = 2e-8;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Two pools of unlike extranonces that find a block when they are told.
fn pools() -> [PoolSettings; 2] {
    let pool = |name: &str, seed, extranonce2_bytes| PoolSettings {
        base_unix_time: UNIX_START,
        block_interval: seconds(100_000),
        job_interval: seconds(15),
        clean_jobs_percent: 0,
        reply_latency: ms(2),
        difficulty: DifficultyPolicy::Fixed(Difficulty::rounded(SHARE).unwrap()),
        extranonce2_bytes,
        ..PoolSettings::new(name, seed)
    };
    [pool("a", 1, 4), pool("b", 2, 8)]
}

fn play<F: Future<Output = Farm>>(change: Change, scenario: impl FnOnce(Farm) -> F) -> Outcome {
    let (conditions, rates) = (Conditions::ORDINARY, vec![RATE; MINERS]);
    let site = Site { seed: 11, conditions, settings: pools(), rates, change };
    farm::play(site, MinerLinks::Whole, scenario)
}

const AS_IT_IS: Change = Change(|_| {});

/// The farm's work that no pool credited, as time of the whole farm.
fn lost(ledger: &Ledger) -> Duration {
    let all = &ledger.total;
    let shares = all.received - all.below_pool_difficulty - all.pool_accepted;
    let hashes = SHARE * 2_f64.powi(32) * shares as f64;
    Duration::from_secs_f64(hashes / (RATE * MINERS as u64) as f64)
}

#[test]
fn a_pool_that_resets_costs_at_most_150_ms_of_work() {
    const RESETS: u32 = 8;
    let outcome = play(AS_IT_IS, async |mut farm| {
        for reset in 1..=RESETS {
            farm.mine_until(seconds(100) * reset).await;
            let active = if farm.active().as_deref() == Some("alpha") { ALPHA } else { BETA };
            farm.suffer(&Fault::Drop(active)).await;
            farm.mine_until(seconds(100) * reset + ms(30)).await;
            let other = if active == ALPHA { "beta" } else { "alpha" };
            assert_eq!(farm.active().as_deref(), Some(other), "left as soon as it is known");
        }
        farm.mine_until(seconds(900)).await;
        farm
    });
    outcome.assert_nobody_noticed();
    let lost = lost(&outcome.ledger);
    assert!(lost > Duration::ZERO, "what was on the wire is lost");
    assert!(lost <= ms(150) * RESETS, "{lost:?} in {RESETS} resets: {:?}", outcome.ledger.total);
}

#[test]
fn a_pool_that_stops_answering_submits_costs_at_most_a_second_of_work() {
    const STALLS: u32 = 6;
    let outcome = play(AS_IT_IS, async |mut farm| {
        for stall in 1..=STALLS {
            let at = seconds(100) * stall;
            farm.mine_until(at).await;
            let is_alpha = farm.active().as_deref() == Some("alpha");
            let (pool, other) = if is_alpha { (ALPHA, "beta") } else { (BETA, "alpha") };
            farm.suffer(&Fault::WithholdVerdicts(pool)).await;
            farm.mine_until(at + seconds(1)).await;
            assert_eq!(farm.active().as_deref(), Some(other));
            let status = farm.pool_status(pool);
            assert_eq!(status.suspicion.map(|it| it.label()), Some("submit_stall"));
            farm.mine_until(at + seconds(15)).await;
            assert_eq!(farm.pool(pool).connections().len(), 1, "it stays connected");
            farm.suffer(&Fault::TellVerdicts(pool)).await;
        }
        farm.mine_until(seconds(100) * (STALLS + 1)).await;
        farm
    });
    outcome.assert_nobody_noticed();
    let each = lost(&outcome.ledger) / STALLS;
    assert!(each > ms(500), "{each:?}: nothing was withheld");
    assert!(each <= seconds(1), "{each:?} in a stall: {:?}", outcome.ledger.total);
}

#[test]
fn a_slow_pool_is_left_when_it_takes_four_times_as_long_as_it_ever_did() {
    let outcome = play(AS_IT_IS, async |mut farm| {
        farm.pool(ALPHA).control().answer_submits_late(ms(400));
        farm.mine_until(seconds(90)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"), "slow is not dead");
        farm.suffer(&Fault::WithholdVerdicts(ALPHA)).await;
        farm.mine_until(seconds(91)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"), "it may take longer than others");
        farm.mine_until(seconds(90) + ms(4 * 460)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        farm.mine_until(seconds(130)).await;
        farm
    });
    outcome.assert_nobody_noticed();
    let lost = lost(&outcome.ledger);
    // The slowest of a thousand verdicts takes 400 ms, 40 ms on the wire and what the wire varies by.
    assert!(lost <= ms(4 * 460), "{lost:?}: {:?}", outcome.ledger.total);
}

#[test]
fn a_pool_that_answers_late_is_paid_for_all() {
    let outcome = play(AS_IT_IS, async |mut farm| {
        farm.mine_until(seconds(60)).await;
        farm.suffer(&Fault::Late(ALPHA, seconds(5))).await;
        farm.mine_until(seconds(61)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        farm.mine_until(seconds(70)).await;
        assert!(farm.pool_status(ALPHA).suspicion.is_none(), "it has answered");
        assert_eq!(farm.active().as_deref(), Some("beta"), "fail-back waits for health");
        farm
    });
    outcome.assert_nobody_noticed();
    assert_eq!(lost(&outcome.ledger), Duration::ZERO, "{:?}", outcome.ledger.total);
}

#[test]
fn a_pool_that_stalls_again_is_taken_back_after_a_time_that_grows() {
    play(AS_IT_IS, async |mut farm| {
        let mut at = seconds(60);
        // Its submits time out after 20 s, and it connects again. Then 20 s of health are asked for, 40, 80.
        for health in [20, 40, 80] {
            farm.mine_until(at).await;
            assert_eq!(farm.active().as_deref(), Some("alpha"));
            farm.suffer(&Fault::WithholdVerdicts(ALPHA)).await;
            farm.mine_until(at + seconds(3)).await;
            farm.suffer(&Fault::TellVerdicts(ALPHA)).await;
            farm.mine_until(at + seconds(19 + health)).await;
            assert_eq!(farm.active().as_deref(), Some("beta"), "back before {health} s");
            at += seconds(25 + health.max(40));
        }
        farm.mine_until(at).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        farm
    });
}

#[test]
fn a_pool_whose_blocks_lag_is_left_after_five_seconds() {
    let outcome = play(AS_IT_IS, async |mut farm| {
        farm.mine_until(seconds(30)).await;
        for pool in [ALPHA, BETA] {
            farm.pool(pool).control().block_found([1; 32]);
        }
        farm.mine_until(seconds(60)).await;
        // The one that is late is not the one that leads.
        farm.pool(ALPHA).control().block_found([2; 32]);
        farm.mine_until(seconds(62)).await;
        farm.pool(BETA).control().block_found([2; 32]);
        farm.mine_until(seconds(90)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        farm.pool(BETA).control().block_found([3; 32]);
        farm.mine_until(seconds(94)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        farm.mine_until(seconds(95) + ms(100)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        assert_eq!(farm.pool_status(ALPHA).suspicion.map(|it| it.label()), Some("block_lag"));
        farm.mine_until(seconds(120)).await;
        farm.pool(ALPHA).control().block_found([3; 32]);
        farm.mine_until(seconds(139)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"), "fail-back waits for health");
        farm.mine_until(seconds(145)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        farm
    });
    outcome.assert_nobody_noticed();
}

#[test]
fn a_pool_that_sends_no_jobs_is_left_while_another_does() {
    const PATIENT: Change = Change(|config| {
        for pool in &mut config.routes[0].pools {
            pool.timeouts.job_silence_ms = 3_600_000;
        }
    });
    let outcome = play(PATIENT, async |mut farm| {
        farm.mine_until(seconds(120)).await;
        farm.pool(ALPHA).control().stop_jobs();
        farm.mine_until(seconds(280)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        farm.mine_until(seconds(302)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        farm
    });
    outcome.assert_nobody_noticed();
}

#[test]
fn a_pool_that_refuses_shares_is_left_after_a_few_dozen() {
    let outcome = play(AS_IT_IS, async |mut farm| {
        farm.mine_until(seconds(60)).await;
        farm.pool(ALPHA).control().refuse_shares(Reason::Stale);
        farm.mine_until(seconds(63)).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        farm.mine_until(seconds(70)).await;
        farm
    });
    outcome.assert_nobody_noticed();
    let refused = total(&outcome.ledger.total.pool_rejected);
    assert!((26..=120).contains(&refused), "{refused} refused");
}

#[test]
fn a_pool_that_is_alone_is_never_left_for_a_suspicion() {
    let outcome = play(AS_IT_IS, async |mut farm| {
        farm.mine_until(seconds(30)).await;
        farm.suffer(&Fault::Kill(BETA)).await;
        farm.mine_until(seconds(60)).await;
        farm.suffer(&Fault::Late(ALPHA, seconds(5))).await;
        farm.mine_until(seconds(62)).await;
        assert_eq!(farm.active().as_deref(), Some("alpha"));
        assert!(farm.pool_status(ALPHA).suspicion.is_some());
        farm.suffer(&Fault::TellVerdicts(ALPHA)).await;
        farm.mine_until(seconds(75)).await;
        assert!(farm.pool_status(ALPHA).suspicion.is_none());
        farm
    });
    outcome.assert_nobody_noticed();
    assert_eq!(lost(&outcome.ledger), Duration::ZERO, "{:?}", outcome.ledger.total);
}

#[test]
fn a_stall_of_both_pools_loses_nothing() {
    let outcome = play(AS_IT_IS, async |mut farm| {
        farm.mine_until(seconds(60)).await;
        for pool in [ALPHA, BETA] {
            farm.suffer(&Fault::Late(pool, seconds(5))).await;
        }
        for at in 62..80 {
            farm.mine_until(seconds(at)).await;
            assert!(farm.active().is_some());
        }
        farm
    });
    outcome.assert_nobody_noticed();
    assert_eq!(lost(&outcome.ledger), Duration::ZERO, "{:?}", outcome.ledger.total);
}
