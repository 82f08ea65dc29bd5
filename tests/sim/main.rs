//! The whole proxy in virtual time, from a seed: accept loop, sessions, routes, pools' connections,
//! changes of configuration, over a faulty network in memory, with the practice farm on both sides.
//!
//! A failure prints its seed and the command that repeats it. `LOKA_SIM_SEED=N` runs that seed only,
//! `LOKA_SIM_SEEDS=N` so many from 1.

#![expect(
    clippy::expect_used,
    clippy::float_cmp,
    clippy::panic,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so"
)]

mod authenticated;
mod banks;
mod changes;
mod clock;
mod crowd_steps;
mod dedicated;
mod differential;
mod drawn;
mod farm;
mod faults;
mod guarded;
mod health;
mod hostile_pool;
mod hub;
mod intent;
mod meant;
mod named;
mod names;
mod narrow;
mod outcome;
mod pools;
mod replaced;
mod routing;
mod seeds;
mod sessions;
mod time_ledger;
mod warmed;
mod weights;
mod whole;

use std::time::Duration;

use self::farm::{Farm, Outcome};
use self::faults::{Plan, Strength};
use self::intent::Troubles;
use self::whole::Whole;

/// Seeds of a run, unless told otherwise: some fifteen seconds of one core.
const SEEDS: u64 = 24;

/// Seeds of whole farms, likewise, with troubles and without.
const WHOLE_SEEDS: u64 = 8;

/// How long each farm mines with faults, and then without.
const FAULTY: Duration = Duration::from_secs(300);
const CALM: Duration = Duration::from_secs(150);

#[test]
fn farms_survive_random_faults_and_the_books_agree() {
    seeds::each("farms_survive_random_faults_and_the_books_agree", SEEDS, |seed| {
        let outcome = random_farm(seed);
        outcome.assert_books_agree();
        outcome.assert_nothing_was_wrong_but_the_faults();
        outcome.assert_nobody_was_let_go();
    });
}

#[test]
fn whole_farms_do_what_their_documents_say_whatever_happens() {
    let test = "whole_farms_do_what_their_documents_say_whatever_happens";
    seeds::each(test, WHOLE_SEEDS, |seed| {
        let outcome = whole_farm(seed, Troubles::Some);
        whole::assert_books_agree(&outcome, Troubles::Some);
        outcome.assert_nothing_was_wrong_but_the_faults();
    });
}

#[test]
fn whole_farms_without_troubles_mine_where_their_documents_say_first() {
    let test = "whole_farms_without_troubles_mine_where_their_documents_say_first";
    seeds::each(test, WHOLE_SEEDS, |seed| {
        // Pools that leave the same to miners: whichever way they are led, none is asked to come anew.
        let outcome = whole_farm(seed, Troubles::None);
        whole::assert_books_agree(&outcome, Troubles::None);
        outcome.assert_nothing_was_wrong_but_the_faults();
        outcome.assert_nobody_was_let_go();
    });
}

#[test]
fn the_same_seed_gives_the_same_farm() {
    if !cfg!(tokio_unstable) {
        println!("SKIPPED: the_same_seed_gives_the_same_farm: built without --cfg tokio_unstable");
        return;
    }
    for seed in [3, 4] {
        let (once, again) = (random_farm(seed), random_farm(seed));
        assert_eq!(once.digest(), again.digest(), "seed {seed}");
    }
    assert_ne!(random_farm(3).digest(), random_farm(4).digest());
}

/// A farm with a failover for certain and more by chance.
fn random_farm(seed: u64) -> Outcome {
    farm::in_virtual_time(seed, async move {
        let mut random = fastrand::Rng::with_seed(seed);
        let strength = Strength::any(&mut random);
        let plan = Plan::random(&mut random, FAULTY, strength, 2);
        let links = plan.miner_links();
        let mut farm = Farm::start(seed, &mut random).await;
        for (at, fault) in plan.faults() {
            farm.mine_until(*at).await;
            farm.suffer(fault).await;
        }
        farm.recover().await;
        farm.mine_until(FAULTY + CALM).await;
        farm.finish(links).await
    })
}

/// A farm whose documents are drawn, and changed live.
fn whole_farm(seed: u64, troubles: Troubles) -> Outcome {
    farm::in_virtual_time(seed, async move {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut farm = Whole::start(seed, &mut random, troubles).await;
        let pools = farm.drawn().pools.len();
        let plan = match troubles {
            Troubles::None => whole::quiet(&mut random, FAULTY, pools),
            Troubles::Some => {
                let strength = Strength::any(&mut random);
                Plan::random(&mut random, FAULTY, strength, pools)
            }
        };
        for (at, fault) in plan.faults() {
            farm.mine_until(*at).await;
            farm.suffer(fault).await;
        }
        farm.farm().recover().await;
        farm.mine_until(FAULTY + CALM).await;
        farm.finish(plan.miner_links()).await
    })
}
