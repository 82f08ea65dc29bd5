//! `cargo xtask bugs`: puts known mistakes into a copy of the tree, one at a time, and demands that the tests find each.
//!
//! It owns the order, the progress and the verdict. What a bug is, and whether the list still fits the tree, stands in
//! [`list`]; the copy in [`scratch`]; how the tests are run and read in [`trial`]. The tree itself is never changed.

use std::process::ExitCode;
use std::time::Instant;

use crate::Outcome;
use crate::test::duration;
use crate::wish::Wish;
use crate::workspace;

mod edit;
mod list;
mod scratch;
mod sockets;
mod trial;

use self::list::Bug;
use self::scratch::Scratch;
use self::trial::Finding;

/// Where everything of this command is, below cargo's own directory. It stays, so that a later run builds little.
const DIRECTORY: &str = "xtask-bugs";

const USAGE: &str = "usage: cargo xtask bugs [--only NAME]... [--list]";

/// What came of one bug, for the table.
#[derive(Debug)]
struct Line {
    name: String,
    /// How many tests found it, or what went wrong.
    finding: Result<usize, String>,
    time: String,
}

/// Runs `cargo xtask bugs ARGUMENTS`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let wish = Wish::parse(arguments, USAGE)?;
    let mut bugs = choose(list::read(&workspace::root())?, &wish.only)?;
    if wish.list {
        for Bug { name, what, like, .. } in &bugs {
            println!("{name}\n    {what}\n    as in {like}");
        }
        println!("{} bugs", bugs.len());
        return Ok(ExitCode::SUCCESS);
    }
    let problems = list::problems(&workspace::root(), &bugs);
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    // Those that one test program finds follow one another, so that little is built for each.
    bugs.sort_by(|one, other| {
        one.programs().cmp(&other.programs()).then(one.name.cmp(&other.name))
    });
    let directory = workspace::target_directory()?.join(DIRECTORY);
    let scratch = Scratch::prepare(&workspace::root(), &directory)?;
    let started = Instant::now();
    println!("first, all of these tests without any bug");
    trial::baseline(&scratch, &bugs)?;
    println!("all pass ({}); output of the tests: {}", since(started), scratch.logs().display());
    let lines = bugs
        .iter()
        .enumerate()
        .map(|(index, bug)| try_one(&scratch, bug, &format!("[{:2}/{}]", index + 1, bugs.len())))
        .collect::<Result<Vec<Line>, String>>()?;
    Ok(conclude(&lines, &since(started)))
}

/// What does not fit the tree any more: an edit that applies nowhere, a test that is gone. Quick, and part of every test.
pub(crate) fn stale() -> Result<Vec<String>, String> {
    let bugs = list::read(&workspace::root())?;
    let mut problems = list::problems(&workspace::root(), &bugs);
    problems.extend(list::too_few(&bugs));
    Ok(problems)
}

/// Those whose name contains one of `only`; all if it is empty.
fn choose(bugs: Vec<Bug>, only: &[String]) -> Result<Vec<Bug>, String> {
    let fits = |bug: &Bug, wanted: &String| bug.name.contains(wanted.as_str());
    if let Some(unknown) = only.iter().find(|wanted| !bugs.iter().any(|bug| fits(bug, wanted))) {
        return Err(format!("no bug `{unknown}`: `cargo xtask bugs --list` names them"));
    }
    let wanted = |bug: &Bug| only.is_empty() || only.iter().any(|wanted| fits(bug, wanted));
    Ok(bugs.into_iter().filter(wanted).collect())
}

fn try_one(scratch: &Scratch, bug: &Bug, place: &str) -> Result<Line, String> {
    let started = Instant::now();
    println!("{place} {}: {}", bug.name, bug.what);
    let former = scratch.apply(&bug.edits)?;
    let finding = trial::attempt(scratch, bug);
    Scratch::restore(&former)?;
    let time = since(started);
    let finding = match finding {
        Finding::Found(tests) => {
            println!("        found by {tests} ({time})");
            Ok(tests)
        }
        Finding::Missed(why) => {
            println!("        NOT FOUND: {why} ({time})");
            Err(why)
        }
    };
    Ok(Line { name: bug.name.clone(), finding, time })
}

fn conclude(lines: &[Line], time: &str) -> ExitCode {
    let width = lines.iter().map(|line| line.name.len()).max().unwrap_or_default();
    println!("\n{:width$}  {:>5}  TIME", "BUG", "TESTS");
    for Line { name, finding, time } in lines {
        match finding {
            Ok(tests) => println!("{name:width$}  {tests:>5}  {time}"),
            Err(why) => println!("{name:width$}  {:>5}  {time}  NOT FOUND: {why}", "-"),
        }
    }
    let found = lines.iter().filter(|line| line.finding.is_ok()).count();
    println!("\n{found} of {} found, {time} in all", lines.len());
    if found == lines.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn since(started: Instant) -> String {
    duration(started.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn bugs_may_be_chosen_by_a_part_of_their_name() {
        let wish =
            Wish::parse(&words(&["--only", "ledger", "--only=hex", "--list"]), USAGE).unwrap();
        assert_eq!(wish, Wish { only: words(&["ledger", "hex"]), list: true });
        let refused = |text| Wish::parse(&words(&[text]), USAGE).is_err();
        assert!(refused("--only") && refused("x"));
        let bugs = || ["hex-case", "ledger-twice", "other"].map(list::sample).to_vec();
        let names = |bugs: Vec<Bug>| bugs.into_iter().map(|bug| bug.name).collect::<Vec<_>>();
        assert_eq!(names(choose(bugs(), &wish.only).unwrap()), ["hex-case", "ledger-twice"]);
        assert_eq!(choose(bugs(), &[]).unwrap().len(), 3);
        let error = choose(bugs(), &words(&["none"])).unwrap_err();
        assert!(error.contains("`none`"), "{error}");
    }

    #[test]
    fn one_that_is_not_found_fails_the_run() {
        let line = |finding| Line { name: "a".into(), finding, time: "1 s".into() };
        assert_eq!(conclude(&[line(Ok(1))], "1 s"), ExitCode::SUCCESS);
        let missed = line(Err("passed".into()));
        assert_eq!(conclude(&[line(Ok(1)), missed], "1 s"), ExitCode::FAILURE);
    }
}
