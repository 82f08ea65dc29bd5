//! `cargo xtask soak`: a farm of many miners that is troubled for as long as one likes, on real sockets.
//!
//! The test that it runs is the one that `cargo xtask test` runs for a minute.

use std::process::ExitCode;

use crate::workspace::{self, cargo};
use crate::{Outcome, help};

const USAGE: &str = "usage: cargo xtask soak [--minutes N] [--miners N] [--seed N]";

/// The flags, each with the variable by which the test is told and what it is by default.
const FLAGS: [(&str, &str, u64); 3] = [
    ("--minutes", "LOKA_SOAK_SECONDS", 60),
    ("--miners", "LOKA_SOAK_MINERS", 2_000),
    ("--seed", "LOKA_SOAK_SEED", 1),
];

/// Name of the test, and of its module.
pub(crate) const TEST: &str = "soak::";

/// Runs `cargo xtask soak ARGUMENTS`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}\n\n{}", help::TEXT);
        return Ok(ExitCode::SUCCESS);
    }
    let values = parse(arguments)?;
    workspace::build("loka-proxy", "stratum-proxy", "dev")?;
    let mut command =
        cargo(["test", "--package", "loka-tests", "--test", "it", "--", TEST, "--nocapture"]);
    let proxy = workspace::target_directory()?.join("debug").join("stratum-proxy");
    command.env("LOKA_PROXY_BIN", proxy);
    for ((flag, variable, _), value) in FLAGS.iter().zip(values) {
        let value = if *flag == "--minutes" { value * 60 } else { value };
        command.env(variable, value.to_string());
    }
    let status = command.status().map_err(|error| format!("cannot start cargo: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn parse(arguments: &[String]) -> Result<[u64; FLAGS.len()], String> {
    let mut values = FLAGS.map(|(_, _, default)| default);
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let known = FLAGS.iter().zip(&mut values).find(|((name, _, _), _)| name == flag);
        let Some((_, value)) = known else {
            return Err(format!("unknown argument {flag}; {USAGE}"));
        };
        let text = rest.next().ok_or(USAGE)?;
        *value = text.parse().map_err(|_| format!("{flag}: {text} is no number; {USAGE}"))?;
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_the_default() {
        let parse =
            |text: &str| parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(parse(""), Ok([60, 2_000, 1]));
        assert_eq!(parse("--miners 5 --seed 9"), Ok([60, 5, 9]));
        assert!(parse("--miners").is_err() && parse("--miners x").is_err());
        assert!(parse("--hours 2").is_err());
    }
}
