//! `cargo xtask bench`: builds the proxy as it is shipped, and the driver that measures it beside others.
//!
//! It knows nothing of what is measured: it sees to it that the relays are there and that the driver has a core of its own.

use std::process::{Command, ExitCode};
use std::thread::available_parallelism;

use crate::tools::{self, Lack};
use crate::workspace::{OPTIMISED, PROXY_BIN, build, output_directory, target_directory};
use crate::{Outcome, help};

/// The driver's package and its binary.
const PACKAGE: &str = "loka-bench";

/// The driver's core; whatever is measured has the first.
const CORE: &str = "1";

/// Runs `cargo xtask bench ARGUMENTS`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{}", help::TEXT);
        return Ok(ExitCode::SUCCESS);
    }
    if available_parallelism().map_or(1, usize::from) < 2 {
        return Err(
            "the bench needs two cores: one for the load, one for what is measured".to_owned()
        );
    }
    let root = tools::relays().map_err(Lack::told)?;
    println!(
        "building what is shipped, and the driver (the first time takes a quarter of an hour, mostly dependencies)"
    );
    build("loka-proxy", "stratum-proxy", "release")?;
    build(PACKAGE, PACKAGE, OPTIMISED)?;
    let (target, results) = (target_directory()?, output_directory("bench")?);
    let mut command = Command::new("taskset");
    command.args(["-c", CORE]).arg(target.join(OPTIMISED).join(PACKAGE));
    command.env(PROXY_BIN, target.join("release").join("stratum-proxy"));
    command.env("LOKA_RELAYS_ROOT", root);
    command.arg("--json").arg(results.join("bench.json")).args(arguments);
    let status = command.status().map_err(|error| format!("cannot start {PACKAGE}: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
