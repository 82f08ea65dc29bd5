//! `cargo xtask heap`: what the heap of the proxy grows by for each idle miner, by valgrind's DHAT, and where it goes.
//!
//! The tests that it runs are those of `cargo xtask test`, which hold the proxy of the dev profile against its budget. What is
//! shipped is measured alone: it has no budget, since no test builds it.

use std::process::ExitCode;

use crate::tools::{self, Lack};
use crate::workspace::{PROXY_BIN, build, cargo, target_directory};
use crate::{Outcome, help};

/// The tests' module.
pub(crate) const TESTS: &str = "idle_heap::";

/// Tells the tests to measure alone.
const UNBOUND: (&str, &str) = ("LOKA_HEAP_UNBOUND", "1");

/// Runs `cargo xtask heap ARGUMENTS`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let is_shipped = match arguments {
        [] => false,
        [flag] if flag == "--release" => true,
        _ => {
            println!("usage: cargo xtask heap [--release]\n\n{}", help::TEXT);
            return Ok(ExitCode::FAILURE);
        }
    };
    let variable = tools::counters().map_err(Lack::told)?;
    let (profile, directory) = if is_shipped { ("release", "release") } else { ("dev", "debug") };
    build("loka-proxy", "stratum-proxy", profile)?;
    let mut command =
        cargo(["test", "--package", "loka-tests", "--test", "it", "--", TESTS, "--nocapture"]);
    // One after the other: what they tell would be mixed.
    command.arg("--test-threads=1").env(tools::VALGRIND, variable);
    command.env(PROXY_BIN, target_directory()?.join(directory).join("stratum-proxy"));
    command.envs(is_shipped.then_some(UNBOUND));
    let status = command.status().map_err(|error| format!("cannot start cargo: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
