//! `cargo xtask fuzz`: the targets of `stratum/tests/fuzz/`, with libFuzzer to look for inputs that are new.
//!
//! The shipped toolchain is enough: what cargo-fuzz asks of a nightly one is the sanitizers, and there is no unsafe code here
//! for them to watch. libFuzzer itself is C++, so the crate in `stratum/fuzz/` is no part of the workspace.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::setup::{self, Tool};
use super::steps::{Start, Step, Work};
use crate::tools::Lack;
use crate::workspace;
use crate::{Outcome, help};

const USAGE: &str = "usage: cargo xtask fuzz [frame|message|downstream|upstream]... [--for TIME]";

/// Each is a directory of `stratum/fuzz/corpus/`.
const TARGETS: [&str; 4] = ["frame", "message", "downstream", "upstream"];

pub(super) const CRATE: &str = "stratum/fuzz";

/// By hand, and as a step of the tests: each target.
const BY_HAND: Duration = Duration::from_mins(10);
const AS_A_TEST: Duration = Duration::from_secs(12);

/// What libFuzzer needs to see: which edges were taken, how often, and what was compared.
const FLAGS: [&str; 8] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
    "--cfg=fuzzing",
];

/// Runs `cargo xtask fuzz ARGUMENTS`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}\n\n{}", help::TEXT);
        return Ok(ExitCode::SUCCESS);
    }
    let (targets, time) = parse(arguments)?;
    setup::provide(Tool::Cxx).map_err(Lack::told)?;
    for start in starts(&targets, time)? {
        let mut command = start.command();
        let shown = workspace::display(&command);
        let status = command.status().map_err(|error| format!("cannot start {shown}: {error}"))?;
        if !status.success() {
            println!("{shown} ended with {status}; an input that broke it is named above");
            return Ok(ExitCode::FAILURE);
        }
    }
    let found = workspace::target_directory()?.join("xtask-fuzz");
    println!("inputs that showed something new: {}", found.display());
    Ok(ExitCode::SUCCESS)
}

/// The step of `cargo xtask test`.
pub(super) fn step() -> Step {
    let starts = starts(&TARGETS, AS_A_TEST).unwrap_or_default();
    Step {
        level: "sim",
        name: "fuzz",
        what: "what peers may send, by libFuzzer, short",
        needs: Some(Tool::Cxx),
        prints_tests: false,
        work: Work::Programs(starts),
    }
}

/// Which targets, all if none is named, and for how long each.
fn parse(arguments: &[String]) -> Result<(Vec<&'static str>, Duration), String> {
    let (mut targets, mut time) = (Vec::new(), BY_HAND);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--for" {
            time = rest.next().and_then(|text| duration(text)).ok_or(USAGE)?;
            continue;
        }
        let known = TARGETS.into_iter().find(|target| target == argument);
        targets.push(known.ok_or_else(|| format!("no target `{argument}`; {USAGE}"))?);
    }
    Ok((if targets.is_empty() { TARGETS.to_vec() } else { targets }, time))
}

/// `90s`, `10m`, `2h`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// Builds the program, and runs it once for each target.
fn starts(targets: &[&str], time: Duration) -> Result<Vec<Start>, String> {
    let host = workspace::host();
    let target = workspace::target_directory()?;
    // Other flags make other dependencies: a directory of their own, so that nothing else is built again.
    let (built, found) = (target.join("fuzz"), target.join("xtask-fuzz"));
    let manifest = text(&workspace::root().join(CRATE).join("Cargo.toml"));
    let build = ["build", "--locked", "--manifest-path", &manifest, "--target", &host];
    let build = Start::cargo(&build)
        .with("RUSTFLAGS", &FLAGS.join(" "))
        .with("CARGO_TARGET_DIR", &text(&built))
        .with("CARGO_BUILD_BUILD_DIR", &text(&built));
    let program = text(&built.join(&host).join("debug").join("fuzz"));
    let directories: Vec<String> = targets.iter().map(|name| text(&found.join(name))).collect();
    let mut make = vec!["-p"];
    make.extend(directories.iter().map(String::as_str));
    let mut starts = vec![build, Start::program("mkdir", &make)];
    let seconds = time.as_secs();
    for (name, directory) in targets.iter().zip(&directories) {
        let corpus = text(&workspace::root().join(CRATE).join("corpus").join(name));
        let dictionary = text(&workspace::root().join(CRATE).join("dictionary"));
        starts.push(
            Start::program(
                &program,
                &[
                    // What is new goes into the first of them.
                    directory,
                    &corpus,
                    &format!("-dict={dictionary}"),
                    &format!("-max_total_time={seconds}"),
                    &format!("-artifact_prefix={}/{name}-", found.display()),
                    "-max_len=4096",
                    "-timeout=30",
                    "-rss_limit_mb=1024",
                    "-print_final_stats=1",
                ],
            )
            .with("LOKA_FUZZ_TARGET", name),
        );
    }
    Ok(starts)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_everything_for_ten_minutes_each() {
        let parse =
            |text: &str| parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(parse(""), Ok((TARGETS.to_vec(), BY_HAND)));
        let hour = Duration::from_secs(3600);
        assert_eq!(parse("upstream --for 1h"), Ok((vec!["upstream"], hour)));
        for wrong in ["upstreams", "--for", "--for 0s", "--for 5", "--for 5d", "--for ä"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_target_has_a_corpus() {
        for target in TARGETS {
            let corpus = workspace::root().join(CRATE).join("corpus").join(target);
            assert!(corpus.is_dir(), "{target}");
        }
    }
}
