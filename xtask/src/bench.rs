//! `cargo xtask bench`: builds the proxy as it is shipped, and the driver that measures it beside others.
//!
//! It knows nothing of what is measured: it sees to it that the relays are there and that the driver has a core of its own.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::thread::available_parallelism;

use crate::tools::{self, Lack};
use crate::workspace::{OPTIMISED, PROXY_BIN, build, output_directory, root, target_directory};
use crate::{Outcome, help};

/// The driver's package and its binary.
const PACKAGE: &str = "loka-bench";

/// The driver's core; whatever is measured has the first.
const CORE: &str = "1";

/// What a bench is made of.
pub(crate) struct Built {
    pub(crate) proxy: PathBuf,
    driver: PathBuf,
}

/// Where the plots of the docs are.
const DOCS: &str = "docs/performance";

/// Runs `cargo xtask bench ARGUMENTS`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{}", help::TEXT);
        return Ok(ExitCode::SUCCESS);
    }
    if arguments == ["--docs"] {
        return draw();
    }
    let root = tools::relays().map_err(Lack::told)?;
    let built = build_all()?;
    let results = output_directory("bench")?;
    let mut command = built.driver();
    command.env("LOKA_RELAYS_ROOT", root);
    command.arg("--json").arg(results.join("bench.json")).args(arguments);
    let status = command.status().map_err(|error| format!("cannot start {PACKAGE}: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The proxy as it is shipped, and the driver.
pub(crate) fn build_all() -> Result<Built, String> {
    if available_parallelism().map_or(1, usize::from) < 2 {
        return Err(
            "the bench needs two cores: one for the load, one for what is measured".to_owned()
        );
    }
    println!(
        "building what is shipped, and the driver (the first time takes a quarter of an hour, mostly dependencies)"
    );
    build("loka-proxy", "stratum-proxy", "release")?;
    build(PACKAGE, PACKAGE, OPTIMISED)?;
    let target = target_directory()?;
    let proxy = target.join("release").join("stratum-proxy");
    Ok(Built { proxy, driver: target.join(OPTIMISED).join(PACKAGE) })
}

/// Draws the plots of the docs out of what was measured last.
fn draw() -> Outcome {
    build(PACKAGE, PACKAGE, OPTIMISED)?;
    let mut command = Command::new(target_directory()?.join(OPTIMISED).join(PACKAGE));
    command.arg("--draw").arg(output_directory("bench")?.join("bench.json"));
    command.arg("--into").arg(root().join(DOCS));
    let status = command.status().map_err(|error| format!("cannot start {PACKAGE}: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

// === impl Built ===

impl Built {
    /// The driver on its core, which finds the proxy and is told nothing else yet.
    pub(crate) fn driver(&self) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", CORE]).arg(&self.driver).env(PROXY_BIN, &self.proxy);
        command
    }
}
