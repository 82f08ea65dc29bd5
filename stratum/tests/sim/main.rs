//! The machines alone, in seeded virtual time: miners of many habits, two pools that differ in everything, and faults.
//! After every step the sums hold; at the end everybody has work and every share has its one answer.
//!
//! `STRATUM_SIM_SEEDS=n` runs that many seeds, `STRATUM_SIM_SEED=n` runs one. A failure names its seed.

#![expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a simulation fails by panicking, and says where"
)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use self::world::{Seen, World};

mod chain;
mod ledger;
mod miner;
mod pool;
mod proxy;
mod scenario;
mod world;

const SEEDS: u64 = 40;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn run(seed: u64) -> Seen {
    catch_unwind(AssertUnwindSafe(|| World::new(seed).run())).unwrap_or_else(|cause| {
        eprintln!("seed {seed} failed; to see it again:");
        eprintln!("  STRATUM_SIM_SEED={seed} cargo test -p loka-stratum --test sim");
        resume_unwind(cause)
    })
}

#[test]
fn whatever_happens_every_share_has_one_answer_and_every_due_one_verifies_at_its_pool() {
    if let Some(seed) = number("STRATUM_SIM_SEED") {
        eprintln!("{:#?}", run(seed));
        return;
    }
    let seeds = number("STRATUM_SIM_SEEDS").unwrap_or(SEEDS);
    let seen: Vec<Seen> = (0..seeds).map(run).collect();
    if seeds >= SEEDS {
        check_coverage(&seen);
    }
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    assert_eq!(format!("{:?}", run(7)), format!("{:?}", run(7)));
}

/// The seeds together try what they are for.
fn check_coverage(seen: &[Seen]) {
    let sum = |of: fn(&Seen) -> u64| seen.iter().map(of).sum::<u64>();
    let counts = [
        ("submitted", sum(|seen| seen.submitted)),
        ("accepted by pools", sum(|seen| seen.accepted_by_pools)),
        ("stale at pools", sum(|seen| seen.stale_at_pools)),
        ("unanswered", sum(|seen| seen.unanswered)),
        ("lost", sum(|seen| seen.lost)),
        ("held", sum(|seen| seen.held)),
        ("failovers", sum(|seen| seen.failovers)),
        ("resumed", sum(|seen| seen.resumed)),
        ("miners resumed", sum(|seen| seen.miners_resumed)),
        ("renumbered", sum(|seen| seen.renumbered)),
        ("candidates", sum(|seen| seen.candidates)),
    ];
    for (what, count) in counts {
        assert!(count > 0, "no seed has {what}: {counts:?}");
    }
    for reason in ["stale", "duplicate", "low_difficulty", "unknown_job", "extranonce2_size"] {
        let of = |seen: &Seen| seen.rejected.get(reason).copied().unwrap_or_default();
        assert!(seen.iter().any(|seen| of(seen) > 0), "no seed has a share refused as {reason}");
    }
    let steps = sum(|seen| seen.steps);
    eprintln!("{} runs, {steps} steps: {counts:?}", seen.len());
}
