//! `cargo xtask counts`: what one more submit, job or share costs in the core, in instructions, which do not depend on what
//! else the machine does; held against a budget.
//!
//! Callgrind knows no SHA instructions: under it the compression function is the portable one, of which only the number of
//! calls says anything. It is counted apart. How much longer a verification takes than its compressions alone is measured
//! besides, by the machine's own instructions: a ratio within one run.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, ExitCode};

use crate::tools::{self, Lack};
use crate::workspace::{OPTIMISED, build, output_directory, root, stdout_of, target_directory};
use crate::{Outcome, help};

/// The program's package and its binary; its arguments are a path and a number.
const PACKAGE: &str = "loka-counts";

/// Beside the program.
const BUDGET: &str = "tests/counts/budget.json";

/// The functions that are counted, with all that they call.
const COUNTED: &str = "loka_counts::measured::*";

/// Each path is gone so many times, and twice as many: the difference is what one costs.
const TIMES: u64 = 500;

/// SHA-256's compression function of any number of blocks, and what it calls once for each, by their names in the crate that
/// we use.
const COMPRESSION: &str = "sha2::sha256::compress256";
const OF_EACH_BLOCK: &str = "sha2::sha256::soft::to_u32s";

/// Budgets above what is counted by more than this part have room for a mistake.
const SLACK: f64 = 0.2;

/// In the budget, what a verification's time may be of that of its compressions, in percent.
const VERIFICATION: &str = "verification";
const PERCENT: &str = "percent";

/// The median is of so many pairs.
const PAIRS: &str = "400";

/// Across crates as what is shipped; callgrind needs the names of functions that this profile puts into one another.
const SHIPPED: &str = "release";

/// By path, and by what is bounded.
type Bounds = BTreeMap<String, BTreeMap<String, u64>>;

/// What one may cost.
#[derive(Debug)]
struct Budget {
    path: String,
    /// At most.
    instructions: u64,
    /// Exactly.
    compressions: u64,
}

/// What was counted in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    /// Outside of SHA-256.
    instructions: u64,
    compressions: u64,
}

/// Runs `cargo xtask counts`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if !arguments.is_empty() {
        println!("{}", help::TEXT);
        return Ok(ExitCode::FAILURE);
    }
    println!(
        "{:12} {:>12} {:>8} {:>13} {:>8}",
        "PATH", "INSTRUCTIONS", "BUDGET", "COMPRESSIONS", "BUDGET"
    );
    let counted = count_all()?;
    for (budget, one) in &counted {
        let Budget { path, instructions, compressions } = budget;
        let Count { instructions: counted, compressions: compressed } = one;
        println!("{path:12} {counted:>12} {instructions:>8} {compressed:>13} {compressions:>8}");
    }
    let mut problems = missed(&counted);
    let (ratio, budget) = verification()?;
    println!(
        "a verification takes {ratio:.2} times as long as its compressions; budget {budget:.2}"
    );
    problems.extend(slow(ratio, budget));
    problems.iter().for_each(|problem| println!("{problem}"));
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The budgets that are missed.
pub(crate) fn problems() -> Result<Vec<String>, String> {
    let mut problems = count_all().map(|counted| missed(&counted))?;
    let (ratio, budget) = verification()?;
    problems.extend(slow(ratio, budget));
    Ok(problems)
}

/// How much longer it takes than its compressions alone, and what is allowed.
fn verification() -> Result<(f64, f64), String> {
    build(PACKAGE, PACKAGE, SHIPPED)?;
    let mut command = Command::new(target_directory()?.join(SHIPPED).join(PACKAGE));
    command.args([VERIFICATION, PAIRS]);
    let told = stdout_of(command)?;
    let ratio = told.trim().parse().map_err(|_| format!("{PACKAGE} told no ratio: {told}"))?;
    let percent = read_budgets()?.get(VERIFICATION).and_then(|bounds| bounds.get(PERCENT).copied());
    let percent = percent.ok_or_else(|| format!("{BUDGET}: {VERIFICATION} has no {PERCENT}"))?;
    Ok((ratio, percent as f64 / 100.0))
}

fn slow(ratio: f64, budget: f64) -> Option<String> {
    (ratio > budget).then(|| {
        format!(
            "a verification takes {ratio:.2} times as long as its compressions, and the budget is {budget:.2}; \
             find what it does besides"
        )
    })
}

fn read_budgets() -> Result<Bounds, String> {
    let budget = root().join(BUDGET);
    let text = fs::read_to_string(&budget).map_err(|error| format!("{BUDGET}: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{BUDGET}: {error}"))
}

fn missed(counted: &[(Budget, Count)]) -> Vec<String> {
    let mut problems = Vec::new();
    for (Budget { path, instructions, compressions }, one) in counted {
        let mut miss = |what: &str, counted: u64, budget: u64, remedy: &str| {
            problems
                .push(format!("{path}: {counted} {what}, and the budget is {budget}; {remedy}"));
        };
        if one.instructions > *instructions {
            miss("instructions", one.instructions, *instructions, "find what has become dearer");
        }
        if (one.instructions as f64) < *instructions as f64 * (1.0 - SLACK) {
            miss(
                "instructions",
                one.instructions,
                *instructions,
                "lower it: it has room for a mistake",
            );
        }
        if one.compressions != *compressions {
            miss("compressions", one.compressions, *compressions, "each is 50 ns of every share");
        }
    }
    problems
}

fn count_all() -> Result<Vec<(Budget, Count)>, String> {
    let valgrind = tools::counters().map_err(Lack::told)?;
    build(PACKAGE, PACKAGE, OPTIMISED)?;
    let budgets = budgets(read_budgets()?).map_err(|error| format!("{BUDGET}: {error}"))?;
    let (target, out) = (target_directory()?, output_directory("xtask-counts")?);
    let count = |path: &str, times: u64| {
        let file = out.join(format!("{path}-{times}"));
        let mut command = Command::new(valgrind.join("usr/bin/valgrind"));
        command.env("VALGRIND_LIB", valgrind.join("usr/libexec/valgrind"));
        command.args(["--tool=callgrind", "--compress-strings=no", "--compress-pos=no"]);
        command.arg(format!("--toggle-collect={COUNTED}"));
        command.arg(format!("--callgrind-out-file={}", file.display()));
        command.arg(target.join(OPTIMISED).join(PACKAGE)).args([path, &times.to_string()]);
        stdout_of(command)?;
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        Ok::<Count, String>(read(&text))
    };
    let one = |budget: Budget| {
        let (few, many) = (count(&budget.path, TIMES)?, count(&budget.path, 2 * TIMES)?);
        let difference = |many: u64, few: u64| many.saturating_sub(few) / TIMES;
        let one = Count {
            instructions: difference(many.instructions, few.instructions),
            compressions: difference(many.compressions, few.compressions),
        };
        Ok((budget, one))
    };
    budgets.into_iter().map(one).collect()
}

/// Of each path that is counted.
fn budgets(read: Bounds) -> Result<Vec<Budget>, String> {
    let budget = |(path, bounds): (String, BTreeMap<String, u64>)| {
        let of =
            |what: &str| bounds.get(what).copied().ok_or_else(|| format!("{path} has no {what}"));
        let (instructions, compressions) = (of("instructions")?, of("compressions")?);
        Ok(Budget { path, instructions, compressions })
    };
    read.into_iter().filter(|(path, _)| path != VERIFICATION).map(budget).collect()
}

/// Callgrind's own format: after `fn=` the function's own costs, one line each; after `calls=` one line with the cost of those
/// calls, which is counted where it arises.
fn read(text: &str) -> Count {
    let (mut all, mut hashing, mut compressions) = (0, 0, 0);
    let (mut called, mut is_of_calls) = ("", false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("cfn=") {
            called = name;
        } else if let Some(calls) = line.strip_prefix("calls=") {
            is_of_calls = true;
            compressions += if called == OF_EACH_BLOCK { leading(calls) } else { 0 };
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            let cost = line.split_whitespace().nth(1).map_or(0, leading);
            match std::mem::take(&mut is_of_calls) {
                true if called == COMPRESSION => hashing += cost,
                true => {}
                false => all += cost,
            }
        }
    }
    Count { instructions: all - hashing, compressions }
}

fn leading(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hashings_own_is_counted_by_its_calls_and_nothing_twice() {
        let text = "version: 1\nevents: Ir\nfn=main\n0 7\n0 3\ncfn=sha2::sha256::compress256\ncalls=1 0\n0 900\n0 2\n\n\
                    fn=sha2::sha256::compress256\n0 40\ncfn=sha2::sha256::soft::to_u32s\ncalls=5 0\n0 860\n\n\
                    fn=sha2::sha256::soft::to_u32s\n0 860\n\ntotals: 912\n";
        assert_eq!(read(text), Count { instructions: 12, compressions: 5 });
    }

    #[test]
    fn a_verification_may_be_as_slow_as_its_budget() {
        assert_eq!(slow(1.3, 1.3), None);
        assert!(slow(1.31, 1.3).unwrap().contains("1.31 times as long"));
    }

    #[test]
    fn a_budget_is_missed_from_both_sides() {
        let told = |counted: u64, compressions: u64| {
            let budget = Budget { path: "submit".into(), instructions: 100, compressions: 43 };
            missed(&[(budget, Count { instructions: counted, compressions })]).join(" ")
        };
        assert_eq!(told(100, 43), "");
        assert!(told(101, 43).contains("101 instructions, and the budget is 100"));
        assert!(told(79, 43).contains("lower it"));
        assert!(told(90, 44).contains("44 compressions, and the budget is 43"));
    }
}
