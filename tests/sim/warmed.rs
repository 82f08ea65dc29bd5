//! A stand-by that was told the farm's hashrate is not flooded by a failover.

use std::time::Duration;

use loka_api::runtime_config::{RuntimeConfig, SuggestDifficulty};
use loka_farm::judge::Difficulty;
use loka_farm::network::Conditions;
use loka_farm::pool::{DifficultyPolicy, PoolSettings, Suggestions};
use loka_tests::books::MinerLinks;

use super::farm::{self, ALPHA, BETA, Change, DIFFICULTY, RATE, Site, UNIX_START, seconds};
use super::faults::Fault;

/// One of each firmware.
const MINERS: usize = 14;

/// What new sessions of the stand-by begin with: 65 shares a second of the whole farm.
const EASY: f64 = 2e-8;

/// What pools aim at, and what they are told: a share each two seconds.
const INTERVAL: Duration = seconds(2);

/// How long after the failover the stand-by is watched.
const WATCHED: Duration = seconds(40);

/// One pool for the farm as it is, and one that knows nothing of it but what it is told.
fn pools() -> [PoolSettings; 2] {
    let easy = Difficulty::rounded(EASY).unwrap();
    let pool = |name: &str, seed, difficulty| PoolSettings {
        base_unix_time: UNIX_START,
        job_interval: seconds(15),
        difficulty: DifficultyPolicy::Fixed(difficulty),
        suggestions: Suggestions::Obeyed { min: easy },
        ..PoolSettings::new(name, seed)
    };
    [pool("a", 1, Difficulty::rounded(DIFFICULTY).unwrap()), pool("b", 2, easy)]
}

/// Shares a second that the stand-by got after the failover.
fn after_a_failover(change: fn(&mut RuntimeConfig)) -> f64 {
    let (conditions, rates) = (Conditions::ORDINARY, vec![RATE; MINERS]);
    let site = Site { seed: 19, conditions, settings: pools(), rates, change: Change(change) };
    let mut rate = 0.0;
    let outcome = farm::play(site, MinerLinks::Whole, async |mut farm| {
        farm.mine_until(seconds(240)).await;
        farm.suffer(&Fault::Kill(ALPHA)).await;
        let before = farm.pool(BETA).counts().received;
        farm.mine_until(seconds(240) + WATCHED).await;
        assert_eq!(farm.active().as_deref(), Some("beta"));
        rate = (farm.pool(BETA).counts().received - before) as f64 / WATCHED.as_secs_f64();
        farm
    });
    outcome.assert_nobody_noticed();
    rate
}

#[test]
fn a_stand_by_that_was_told_the_hashrate_is_not_flooded_by_a_failover() {
    let warmed = after_a_failover(|_| {});
    let cold = after_a_failover(|config| {
        for pool in &mut config.routes[0].pools {
            pool.suggest_difficulty = SuggestDifficulty::Disabled;
        }
    });
    let wanted = INTERVAL.as_secs_f64().recip();
    // What is told may be off by a factor of two, and few shares are a matter of luck.
    assert!((wanted / 3.0..wanted * 3.0).contains(&warmed), "{warmed} shares a second");
    assert!(cold > wanted * 40.0, "{cold} shares a second, though it was told nothing");
}
