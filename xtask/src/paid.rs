//! `cargo xtask paid`: builds the paid-work experiment and runs it, in virtual time or on real sockets.
//!
//! It knows nothing of what is measured: its own flags choose what to build, and everything is passed through.

use std::process::ExitCode;

use crate::workspace;
use crate::{Outcome, help};

/// The experiment's package and its binary.
pub(crate) const PACKAGE: &str = "loka-paid";

/// A day takes minutes optimised, and an hour otherwise.
const OPTIMISED: Build = Build { profile: workspace::OPTIMISED, directory: workspace::OPTIMISED };

/// What the tests have built already.
const DEV: Build = Build { profile: "dev", directory: "debug" };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Build {
    profile: &'static str,
    directory: &'static str,
}

/// Runs `cargo xtask paid ARGUMENTS`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let asks = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if asks("--help") || asks("-h") {
        println!("{}", help::TEXT);
        return Ok(ExitCode::SUCCESS);
    }
    let (build, name) = choose(&asks);
    build.make(PACKAGE, PACKAGE)?;
    if asks("--sockets") {
        build.make("loka-proxy", "stratum-proxy")?;
    }
    let results = workspace::output_directory("paid-work")?;
    let built = workspace::target_directory()?.join(build.directory);
    let mut command = std::process::Command::new(built.join(PACKAGE));
    command.env(workspace::PROXY_BIN, built.join("stratum-proxy"));
    command.arg("--json").arg(results.join(format!("{name}.json")));
    command.arg("--svg").arg(results.join(format!("{name}.svg")));
    let status = command.args(arguments.iter().filter(|argument| *argument != "--dev")).status();
    let status = status.map_err(|error| format!("cannot start {PACKAGE}: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How to build for these arguments, and what to call the results.
fn choose(asks: &impl Fn(&str) -> bool) -> (Build, &'static str) {
    let name = match (asks("--short"), asks("--sockets")) {
        (true, _) => "short",
        (false, true) => "sockets",
        (false, false) => "day",
    };
    let build = if asks("--short") || asks("--dev") { DEV } else { OPTIMISED };
    (build, name)
}

// === impl Build ===

impl Build {
    fn make(self, package: &str, binary: &str) -> Result<(), String> {
        println!(
            "building {binary} (optimised, the first time takes a few minutes, mostly dependencies)"
        );
        workspace::build(package, binary, self.profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_built_optimised_and_what_is_short_as_the_tests_are() {
        let choose = |text: &str| choose(&|flag: &str| text.split(' ').any(|word| word == flag));
        assert_eq!(choose(""), (OPTIMISED, "day"));
        assert_eq!(choose("--sockets --seed 3"), (OPTIMISED, "sockets"));
        assert_eq!(choose("--sockets --dev"), (DEV, "sockets"));
        assert_eq!(choose("--short"), (DEV, "short"));
    }
}
