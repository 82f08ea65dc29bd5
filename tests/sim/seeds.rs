//! Runs a scenario over many seeds, and says which one failed.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `scenario` for the seeds that the environment asks for.
pub(crate) fn each(test: &str, count: u64, scenario: impl Fn(u64)) {
    let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("LOKA_SIM_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("LOKA_SIM_SEEDS").unwrap_or(count),
    };
    let failed: Vec<u64> = seeds
        .filter(|seed| catch_unwind(AssertUnwindSafe(|| scenario(*seed))).is_err())
        .inspect(|seed| {
            println!(
                "seed {seed} failed; repeat it with\n  \
                 LOKA_SIM_SEED={seed} cargo test -p loka-tests --test sim {test} -- --nocapture"
            );
        })
        .collect();
    assert!(failed.is_empty(), "failed seeds: {failed:?}");
}
