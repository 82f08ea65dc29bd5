//! Runs the tests that a bug names, and reads what they say.
//!
//! Found means that every test that the bug names ran and failed. What does not compile, does not end, or dies without
//! a word was not found: no test has said what is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::list::Bug;
use super::scratch::{Scratch, directory_of};
use super::sockets;
use crate::test::running::{PROGRAM_TIME_MAX, run_within};

/// Building and running the tests of one bug takes a minute on a busy machine.
const TRIAL_TIME_MAX: Duration = Duration::from_mins(10);

/// Fewer seeds than the simulations take by themselves: a bug that so many do not show is hardly guarded against.
const SEEDS: [(&str, &str); 2] = [("LOKA_SIM_SEEDS", "8"), ("STRATUM_SIM_SEEDS", "40")];

/// A test that is to find a bug.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Test {
    pub(super) package: String,
    pub(super) level: Level,
    /// Its name without that of its module.
    pub(super) name: String,
}

/// Which of a package's test programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// The unit tests.
    Lib,
    /// The simulation.
    Sim,
    /// What peers may send.
    Fuzz,
    /// Real sockets.
    It,
}

/// What came of a bug.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// So many tests failed, which is all that were asked.
    Found(usize),
    /// Why it was not found.
    Missed(String),
}

/// What a test said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Failed,
    Ok,
}

/// A test program, and the tests of it that are wanted.
type Programs<'a> = BTreeMap<(&'a str, Level), Vec<&'a str>>;

/// All tests of `bugs` without any bug: each must pass.
pub(super) fn baseline(scratch: &Scratch, bugs: &[Bug]) -> Result<(), String> {
    let tests = bugs.iter().flat_map(|bug| &bug.tests);
    for ((package, level), names) in programs(tests) {
        let log = scratch.logs().join(format!("without-{package}-{}.log", level.name()));
        if level == Level::It {
            sockets::prepare(scratch, package, PROGRAM_TIME_MAX)?;
        }
        let text = run(scratch, (package, level), &names, &log, PROGRAM_TIME_MAX);
        if !text.contains("\nrunning ") {
            let built = level.built(package);
            return Err(format!("{built} does not build: {}", log.display()));
        }
        let failed = |name: &&&str| said(&text, name) != Some(Said::Ok);
        let failed: Vec<&str> = names.iter().filter(failed).copied().collect();
        if !failed.is_empty() {
            let failed = failed.join(", ");
            return Err(format!("these fail without any bug: {failed}: {}", log.display()));
        }
    }
    Ok(())
}

/// The tests of `bug`, with the bug in the copy: each must fail.
pub(super) fn attempt(scratch: &Scratch, bug: &Bug) -> Finding {
    let mut found = 0;
    let mut missed = Vec::new();
    for ((package, level), names) in programs(&bug.tests) {
        let log = scratch.logs().join(format!("{}-{package}-{}.log", bug.name, level.name()));
        let text = run(scratch, (package, level), &names, &log, TRIAL_TIME_MAX);
        for name in names {
            match said(&text, name) {
                Some(Said::Failed) => found += 1,
                Some(Said::Ok) => missed.push(format!("{name} passes with it")),
                None if text.contains("\nrunning ") => {
                    missed.push(format!("{name} said nothing: {}", log.display()));
                }
                None => {
                    let built = level.built(package);
                    missed.push(format!("{built} does not build: {}", log.display()));
                }
            }
        }
    }
    if missed.is_empty() { Finding::Found(found) } else { Finding::Missed(missed.join("; ")) }
}

fn programs<'a>(tests: impl IntoIterator<Item = &'a Test>) -> Programs<'a> {
    let mut programs = Programs::new();
    for Test { package, level, name } in tests {
        let names = programs.entry((package, *level)).or_default();
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    programs
}

/// What the tests print.
fn run(
    scratch: &Scratch,
    (package, level): (&str, Level),
    names: &[&str],
    log: &Path,
    time_max: Duration,
) -> String {
    // One of an earlier run would be read as this one's.
    let _absent = fs::remove_file(log);
    // Where it does not build, the proxy of another bug is there still: against that nothing is run.
    let is_built = level != Level::It || sockets::build_proxy(scratch, log, time_max).is_ok();
    if is_built {
        let mut command = level.command(scratch, package, names);
        command.envs(SEEDS).env("RUST_BACKTRACE", "0");
        // That it fails is what we want; how, the text tells.
        let _status = run_within(package, &mut command, log, time_max);
    }
    String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned()
}

/// What the test of this name said; the worst of it if there are several.
fn said(text: &str, name: &str) -> Option<Said> {
    let results = text.lines().filter_map(|line| {
        let (path, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
        let path = path.strip_suffix(" - should panic").unwrap_or(path);
        (path.rsplit("::").next() == Some(name)).then_some(result.trim())
    });
    let said = results.filter_map(|result| match result {
        "FAILED" => Some(Said::Failed),
        "ok" => Some(Said::Ok),
        _ => None,
    });
    said.reduce(|one, other| if one == Said::Failed { one } else { other })
}

// === impl Level ===

impl Level {
    /// Reads `PACKAGE LEVEL NAME`.
    pub(super) fn read_test(text: &str) -> Result<Test, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [package, level, name] = words[..] else {
            return Err(format!(
                "`{text}`: write PACKAGE, lib, sim, fuzz or it, and the name of a test"
            ));
        };
        let level = match level {
            "lib" => Self::Lib,
            "sim" => Self::Sim,
            "fuzz" => Self::Fuzz,
            "it" => Self::It,
            other => return Err(format!("`{other}` is no level: lib, sim, fuzz or it")),
        };
        Ok(Test { package: package.to_owned(), level, name: name.to_owned() })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Lib => "lib",
            Self::Sim => "sim",
            Self::Fuzz => "fuzz",
            Self::It => "it",
        }
    }

    /// What is built anew for a bug.
    const fn built(self, package: &str) -> &str {
        match self {
            Self::Lib | Self::Sim | Self::Fuzz => package,
            Self::It => sockets::PROXY,
        }
    }

    /// What runs these tests of a package.
    fn command(self, scratch: &Scratch, package: &str, names: &[&str]) -> Command {
        let target: &[&str] = match self {
            Self::Lib => &["--lib"],
            Self::Sim => &["--test", "sim"],
            Self::Fuzz => &["--test", "fuzz"],
            Self::It => return sockets::tests(scratch, package, names),
        };
        let whole = [&["test", "--package", package], target, &["--no-fail-fast", "--"], names];
        scratch.cargo(whole.concat())
    }
}

// === impl Test ===

impl Test {
    /// What is wrong if no such test is in the tree at `root`.
    pub(super) fn problem(&self, root: &Path) -> Option<String> {
        let Self { package, level, name } = self;
        let room = directory_of(package);
        let directory = match (level, room) {
            (Level::Lib, _) => format!("{room}/src"),
            // They are nothing but tests.
            (Level::Sim | Level::It, "tests") => format!("tests/{}", level.name()),
            (Level::Sim | Level::Fuzz | Level::It, _) => format!("{room}/tests/{}", level.name()),
        };
        let there = contains(&root.join(&directory), &format!("fn {name}("));
        (!there).then(|| format!("{directory} has no test `{name}`"))
    }
}

/// Whether a file of `directory` contains `text`.
fn contains(directory: &Path, text: &str) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| {
        if path.is_dir() {
            contains(&path, text)
        } else {
            fs::read_to_string(&path).is_ok_and(|source| source.contains(text))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_said_is_read_by_its_whole_name() {
        let text = "\nrunning 3 tests\ntest a::tests::one ... ok\ntest a::tests::two ... FAILED\n\
                    test two_more ... ok\n";
        assert_eq!(said(text, "one"), Some(Said::Ok));
        assert_eq!(said(text, "two"), Some(Said::Failed));
        assert_eq!(said(text, "two_more"), Some(Said::Ok));
        assert_eq!(said(text, "tw"), None);
        assert_eq!(said("test x::two ... FAILED\ntest y::two ... ok\n", "two"), Some(Said::Failed));
    }

    #[test]
    fn each_program_is_run_once_with_all_that_is_wanted_of_it() {
        let read = |text| Level::read_test(text).unwrap();
        let tests = ["p lib a", "p sim b", "p lib c", "p lib a"].map(read);
        let programs = programs(&tests);
        let wanted = [(("p", Level::Lib), vec!["a", "c"]), (("p", Level::Sim), vec!["b"])];
        assert_eq!(programs, Programs::from(wanted));
    }

    #[test]
    fn a_test_is_looked_for_where_its_level_is() {
        let root = crate::workspace::root();
        let problem = |text| Level::read_test(text).unwrap().problem(&root);
        assert_eq!(problem("xtask lib a_test_is_looked_for_where_its_level_is"), None);
        assert!(problem("loka-tests sim a_test_that_nobody_wrote").is_some());
        assert_eq!(problem("loka-tests it the_pages_tell_the_truth"), None);
        let elsewhere = problem("loka-tests sim the_pages_tell_the_truth").unwrap();
        assert!(elsewhere.starts_with("tests/sim has no test"), "{elsewhere}");
    }
}
