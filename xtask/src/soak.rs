//! `cargo xtask soak`: a farm of many miners that is troubled for as long as one likes, on real sockets; or attacked.
//!
//! The tests that it runs are those that `cargo xtask test` runs for a minute.

use std::process::ExitCode;

use crate::workspace::{self, PROXY_BIN, cargo};
use crate::{Outcome, help};

const USAGE: &str = "usage: cargo xtask soak [--attack] [--minutes N] [--miners N] [--seed N]";

/// A flag, with the variable by which the test is told and what it is by default.
type Flag = (&'static str, &'static str, u64);

/// What is done to the farm.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Name of the test's module.
    pub(crate) test: &'static str,
    flags: &'static [Flag],
}

/// Pools fail, and the configuration changes.
pub(crate) const TROUBLE: Kind = Kind {
    test: "soak::",
    flags: &[
        ("--minutes", "LOKA_SOAK_SECONDS", 60),
        ("--miners", "LOKA_SOAK_MINERS", 2_000),
        ("--seed", "LOKA_SOAK_SEED", 1),
    ],
};

/// Strangers do all that they may try.
pub(crate) const ATTACK: Kind = Kind {
    test: "attack::",
    flags: &[("--minutes", "LOKA_ATTACK_SECONDS", 60), ("--miners", "LOKA_ATTACK_MINERS", 500)],
};

/// Runs `cargo xtask soak ARGUMENTS`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}\n\n{}", help::TEXT);
        return Ok(ExitCode::SUCCESS);
    }
    let attack = |argument: &String| argument == "--attack";
    let kind = if arguments.iter().any(attack) { ATTACK } else { TROUBLE };
    let rest: Vec<String> = arguments.iter().filter(|it| !attack(it)).cloned().collect();
    let values = parse(kind.flags, &rest)?;
    workspace::build("loka-proxy", "stratum-proxy", "dev")?;
    let mut command =
        cargo(["test", "--package", "loka-tests", "--test", "it", "--", kind.test, "--nocapture"]);
    let proxy = workspace::target_directory()?.join("debug").join("stratum-proxy");
    command.env(PROXY_BIN, proxy);
    for ((flag, variable, _), value) in kind.flags.iter().zip(values) {
        let value = if *flag == "--minutes" { value * 60 } else { value };
        command.env(variable, value.to_string());
    }
    let status = command.status().map_err(|error| format!("cannot start cargo: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn parse(flags: &[Flag], arguments: &[String]) -> Result<Vec<u64>, String> {
    let mut values: Vec<u64> = flags.iter().map(|(_, _, default)| *default).collect();
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let known = flags.iter().zip(&mut values).find(|((name, _, _), _)| name == flag);
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
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let parse_of = |kind: Kind, text: &str| parse(kind.flags, &words(text));
        let parse = |text: &str| parse_of(TROUBLE, text);
        assert_eq!(parse(""), Ok(vec![60, 2_000, 1]));
        assert_eq!(parse("--miners 5 --seed 9"), Ok(vec![60, 5, 9]));
        assert_eq!(parse_of(ATTACK, "--minutes 3"), Ok(vec![3, 500]));
        assert!(parse_of(ATTACK, "--seed 1").is_err());
        assert!(parse("--miners").is_err() && parse("--miners x").is_err());
        assert!(parse("--hours 2").is_err());
    }
}
