//! Pools that share a hashrate by weights: what each was credited with, and that nobody lost anything by it.

use loka_farm::judge::Difficulty;
use loka_farm::network::Conditions;
use loka_farm::pool::{DifficultyPolicy, PoolSettings};
use loka_tests::books::{Ledger, MinerLinks, total};

use super::farm::{self, ALPHA, BETA, Change, Farm, Outcome, Site, UNIX_START, seconds, shared};
use super::faults::Fault;

/// Pools of one priority with weights of 30 and 70.
const THIRTY_SEVENTY: Change = Change(shared);

/// Pools whose share is two seconds of the farm's work.
fn pools(rate: u64) -> [PoolSettings; 2] {
    let share = rate as f64 * 2.0 / 2_f64.powi(32);
    let pool = |name: &str, seed, factor| PoolSettings {
        base_unix_time: UNIX_START,
        block_interval: seconds(240),
        difficulty: DifficultyPolicy::Fixed(Difficulty::rounded(share * factor).unwrap()),
        ..PoolSettings::new(name, seed)
    };
    [pool("a", 1, 1.0), pool("b", 2, 0.7)]
}

fn play<F: Future<Output = Farm>>(
    rates: &[u64],
    seed: u64,
    scenario: impl FnOnce(Farm) -> F,
) -> Outcome {
    let (conditions, rates) = (Conditions::ORDINARY, rates.to_vec());
    let settings = pools(rates.iter().sum());
    let site = Site { seed, conditions, settings, rates, change: THIRTY_SEVENTY };
    farm::play(site, MinerLinks::Whole, scenario)
}

/// What each pool has credited, as the proxy's ledger has it.
fn credited(ledger: &Ledger) -> [f64; 2] {
    ["alpha", "beta"].map(|name| {
        let rows = ledger.rows.iter().filter(|row| row.pool == name);
        rows.map(|row| row.counts.pool_accepted_difficulty).sum()
    })
}

/// The part that alpha got between two looks at the ledger.
fn part_of_alpha(before: &Ledger, after: &Ledger) -> f64 {
    let ([a0, b0], [a1, b1]) = (credited(before), credited(after));
    (a1 - a0) / (a1 - a0 + b1 - b0)
}

#[track_caller]
fn assert_nothing_was_lost_by_it(outcome: &Outcome) {
    outcome.assert_books_agree();
    let all = &outcome.ledger.total;
    assert_eq!(total(&all.lost) + total(&all.unanswered), 0, "{all:?}");
    // A block makes a share stale now and then, a move never does.
    let refused = total(&all.rejected) + total(&all.pool_rejected);
    assert!(refused * 100 <= all.received, "{all:?}");
    for miner in &outcome.miners {
        assert_eq!(miner.traps, [], "{}", miner.profile);
        assert_eq!(miner.counts.connects, 1, "{} reconnected", miner.profile);
    }
}

/// An hour with these miners: within a hundredth of the weights.
#[track_caller]
fn check(rates: &[u64], seed: u64) -> Outcome {
    let mut part = 0.0;
    let outcome = play(rates, seed, async |mut farm| {
        farm.mine_until(seconds(60)).await;
        let before = farm.ledger();
        farm.mine_until(seconds(3660)).await;
        part = part_of_alpha(&before, &farm.ledger());
        farm
    });
    assert_nothing_was_lost_by_it(&outcome);
    assert!((part - 0.3).abs() < 0.01, "alpha got {part} of the work");
    outcome
}

#[test]
fn miners_of_one_to_ten_meet_the_weights_within_a_hundredth_over_an_hour() {
    let outcome = check(&[20, 200, 20, 200, 20, 200, 20, 200, 20, 200], 5);
    let jobs: u64 = outcome.miners.iter().map(|miner| miner.counts.clean_jobs).sum();
    assert!(jobs < 60 * 12 * 10, "{jobs} clean jobs: the miners are moved all the time");
}

#[test]
fn one_miner_is_passed_around_in_slices() {
    let outcome = check(&[400], 6);
    let moves = outcome.miners[0].counts.clean_jobs;
    assert!((60..=60 * 6 + 30).contains(&moves), "{moves} clean jobs in an hour");
}

#[test]
fn a_pool_that_comes_back_gets_its_weight_from_then_on_and_no_more() {
    let mut parts = Vec::new();
    let outcome = play(&[20, 200, 20, 200], 7, async |mut farm| {
        farm.mine_until(seconds(600)).await;
        farm.suffer(&Fault::Kill(ALPHA)).await;
        farm.mine_until(seconds(605)).await;
        assert_eq!(farm.pool_status(BETA).hashrate_part, 1.0, "the others take it over at once");
        let gone = farm.ledger();
        farm.mine_until(seconds(1200)).await;
        assert_eq!(part_of_alpha(&gone, &farm.ledger()), 0.0);
        farm.suffer(&Fault::Revive(ALPHA)).await;
        farm.mine_until(seconds(1300)).await;
        let back = farm.ledger();
        for until in [1900, 3700] {
            farm.mine_until(seconds(until)).await;
            parts.push(part_of_alpha(&back, &farm.ledger()));
        }
        farm
    });
    outcome.assert_books_agree();
    assert!((parts[0] - 0.3).abs() < 0.04, "it is not owed what it missed: {parts:?}");
    assert!((parts[1] - 0.3).abs() < 0.012, "{parts:?}");
}

#[test]
fn weights_change_under_the_miners() {
    const HALVES: Change = Change(|config| {
        for pool in &mut config.routes[0].pools {
            pool.priority = 0;
            pool.weight = Some(1);
        }
    });
    let mut part = 0.0;
    let outcome = play(&[20, 200, 20, 200], 8, async |mut farm| {
        farm.mine_until(seconds(600)).await;
        farm.change(HALVES).await;
        let before = farm.ledger();
        farm.mine_until(seconds(2400)).await;
        part = part_of_alpha(&before, &farm.ledger());
        farm
    });
    assert_nothing_was_lost_by_it(&outcome);
    assert!((part - 0.5).abs() < 0.02, "alpha got {part} of the work");
}
