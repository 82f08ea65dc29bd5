//! `cargo xtask test`: every level of test, one after the other, to the end even if one fails.
//!
//! It owns the order, the progress on the terminal and the counts. What a step does stands in [`steps`]; how a program
//! is run and watched in [`running`]; what a test binary printed is read in [`counts`].

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::tools::{Lack, Variable};
use crate::wish::Wish;
use crate::workspace;

pub(crate) mod alerts;
mod counts;
mod excerpt;
pub(crate) mod fuzz;
mod kubernetes;
pub(crate) mod propagation;
pub(crate) mod running;
pub(crate) mod setup;
mod steps;

use self::counts::Counts;
use self::setup::Missing;
use self::steps::{LEVELS, Step, Work};

/// Where logs go, below cargo's own directory.
const LOGS: &str = "xtask-test";

const USAGE: &str = "usage: cargo xtask test [--only LEVEL]... [--list]";

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It ran, and all is well.
    Passed(Counts),
    /// It ran, and something is not well, which the log tells.
    Failed(Counts),
    /// This machine cannot run it.
    NotRun(Missing),
}

/// What all steps came to.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    failures: Vec<String>,
    not_run: Vec<String>,
}

/// Runs `cargo xtask test ARGUMENTS`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let wish = Wish::parse(arguments, USAGE)?;
    let chosen = choose(steps::all(), &wish.only)?;
    if wish.list {
        for step in &chosen {
            println!("{:8} {:16} {}", step.level, step.name, step.what);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let logs = logs()?;
    println!("{} steps; the output of each goes to {}", chosen.len(), shown(&logs).display());
    let started = Instant::now();
    let mut tally = Tally::default();
    for (index, step) in chosen.iter().enumerate() {
        let place = format!("[{:2}/{}]", index + 1, chosen.len());
        tally.add(step.name, run_step(step, &place, &logs.join(format!("{}.log", step.name))));
    }
    println!("\n{} in all", duration(started.elapsed()));
    Ok(tally.print())
}

/// The directory of the logs, made if it is not there.
fn logs() -> Result<PathBuf, String> {
    workspace::output_directory(LOGS)
}

/// The steps of the levels in `only`, or with the names in it; all of them if it is empty.
fn choose(all: Vec<Step>, only: &[String]) -> Result<Vec<Step>, String> {
    let fits = |step: &Step, wanted: &String| step.level == wanted || step.name == wanted;
    if let Some(unknown) = only.iter().find(|wanted| !all.iter().any(|step| fits(step, wanted))) {
        let levels = LEVELS.join(", ");
        return Err(format!(
            "no level `{unknown}`: there are {levels}; `cargo xtask test --list` names the steps"
        ));
    }
    let wanted = |step: &Step| only.is_empty() || only.iter().any(|wanted| fits(step, wanted));
    Ok(all.into_iter().filter(wanted).collect())
}

fn run_step(step: &Step, place: &str, log: &Path) -> Verdict {
    let started = Instant::now();
    let title = format!("{place} {}: {}", step.name, step.what);
    println!("{title}");
    let verdict = match step.needs.map_or_else(|| Ok(Vec::new()), setup::provide) {
        Err(Lack::Missing(missing)) => Verdict::NotRun(missing),
        Err(Lack::Broken(why)) => run_broken(&why, log),
        Ok(variables) => match &step.work {
            Work::Check(check) => run_check(*check, log),
            Work::Programs(commands) => run_programs(step, commands, &variables, log),
        },
    };
    let time = duration(started.elapsed());
    match &verdict {
        Verdict::Passed(counts) => println!("        ok, {} ({time})", counts.text()),
        Verdict::NotRun(missing) => println!("        not run: {} ({time})", missing.why),
        Verdict::Failed(counts) => {
            println!("        FAILED, {} ({time})", counts.text());
            print_excerpt(log);
        }
    }
    verdict
}

/// A check of our own, which answers with a line for each problem.
fn run_check(check: fn() -> Result<Vec<String>, String>, log: &Path) -> Verdict {
    let problems = check().unwrap_or_else(|error| vec![error]);
    let text: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
    let verdict = if problems.is_empty() { Counts::passed() } else { Counts::failed() };
    match fs::write(log, text) {
        Ok(()) if problems.is_empty() => Verdict::Passed(verdict),
        Ok(()) | Err(_) => Verdict::Failed(verdict),
    }
}

/// What the step needs could be made here, and was not.
fn run_broken(why: &str, log: &Path) -> Verdict {
    // The verdict is the same without a log; the terminal has the text then.
    if fs::write(log, format!("{why}\n")).is_err() {
        println!("        {why}");
    }
    Verdict::Failed(Counts::failed())
}

fn run_programs(
    step: &Step,
    commands: &[steps::Start],
    variables: &[Variable],
    log: &Path,
) -> Verdict {
    let ended = running::run_all(step.name, commands, variables, log);
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let found = if step.prints_tests { counts::of_tests(&text) } else { Counts::default() };
    match ended {
        Err(problem) => {
            running::note(log, &problem);
            Verdict::Failed(found.with_failure())
        }
        Ok(()) if !step.prints_tests => Verdict::Passed(Counts::passed()),
        Ok(()) if found.ran() == 0 => {
            running::note(log, "it ended well, but ran no test");
            Verdict::Failed(found.with_failure())
        }
        Ok(()) => Verdict::Passed(found),
    }
}

fn print_excerpt(log: &Path) {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    for line in excerpt::of(&text, &counts::of_tests(&text).failures) {
        println!("        | {line}");
    }
    println!("        the whole of it: {}", shown(log).display());
}

/// A path relative to the root where that is shorter.
fn shown(path: &Path) -> PathBuf {
    path.strip_prefix(workspace::root()).map_or_else(|_| path.to_path_buf(), Path::to_path_buf)
}

pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        return format!("{:.1} s", time.as_secs_f64());
    }
    format!("{} min {} s", seconds / 60, seconds % 60)
}

// === impl Tally ===

impl Tally {
    fn add(&mut self, name: &str, verdict: Verdict) {
        let counts = match verdict {
            Verdict::NotRun(Missing { why, remedy }) => {
                self.skipped += 1;
                self.not_run.push(format!("not run: {name}: {why}; {remedy}"));
                return;
            }
            Verdict::Passed(counts) => counts,
            Verdict::Failed(counts) => {
                let tests: Vec<String> =
                    counts.failures.iter().map(|test| format!("{name}: {test}")).collect();
                self.failures.extend(if tests.is_empty() { vec![name.to_owned()] } else { tests });
                counts
            }
        };
        let Counts { passed, failed, skipped, failures: _ } = counts;
        self.passed += passed;
        self.failed += failed;
        self.skipped += skipped.len();
        self.not_run.extend(skipped.into_iter().map(|what| format!("not run: {name}: {what}")));
    }

    fn print(&self) -> ExitCode {
        let Self { passed, failed, skipped, failures, not_run } = self;
        for failure in failures {
            println!("failed: {failure}");
        }
        for line in not_run {
            println!("{line}");
        }
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        if *failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests;
