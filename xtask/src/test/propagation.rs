//! `cargo xtask propagation`: how long a change takes to the last of twenty pods, measured in a cluster of our own.
//!
//! It runs the test that proves the order of things, with more edits than the test alone takes, and shows the distribution
//! that it prints.

use std::fs;
use std::process::ExitCode;

use super::setup::{self, Tool};
use super::{kubernetes, logs, print_excerpt, running, shown};
use crate::Outcome;
use crate::tools::{Lack, Stage};

const USAGE: &str = "usage: cargo xtask propagation [--edits N]";

const NAME: &str = "propagation";

const TEST: &str = "node::propagation::";

/// How many edits the test is to make.
const VARIABLE: &str = "LOKA_EDITS";

const EDITS: u32 = 100;

/// How the distribution begins, and how many lines it has.
const HEAD: &str = "write to last ACK on ";
const LINES: usize = 3;

/// Runs `cargo xtask propagation ARGUMENTS`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let edits = parse(arguments)?;
    let variables = setup::provide(Tool::Kubernetes(Stage::Node)).map_err(Lack::told)?;
    let log = logs()?.join(format!("{NAME}.log"));
    println!("{edits} edits; all output: {}", shown(&log).display());
    let starts = kubernetes::on_machines(TEST, &[(VARIABLE, &edits.to_string())]);
    let ended = running::run_all(NAME, &starts, &variables, &log);
    let text = fs::read(&log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    match (ended, distribution(&text)) {
        (Ok(()), Some(found)) => {
            println!("{found}");
            Ok(ExitCode::SUCCESS)
        }
        (ended, _) => {
            print_excerpt(&log);
            Err(ended.err().unwrap_or_else(|| "it ended well, but measured nothing".to_owned()))
        }
    }
}

fn parse(arguments: &[String]) -> Result<u32, String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let text = match words.as_slice() {
        [] => return Ok(EDITS),
        ["--edits", text] => text,
        [one] => one.strip_prefix("--edits=").ok_or(USAGE)?,
        _ => return Err(USAGE.to_owned()),
    };
    match text.parse() {
        Ok(edits) if edits > 0 => Ok(edits),
        Ok(_) | Err(_) => Err(format!("--edits: {text} is no number from 1 up; {USAGE}")),
    }
}

/// What the test says of its times, out of all that was printed.
fn distribution(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().skip_while(|line| !line.starts_with(HEAD)).collect();
    Some(lines.get(..LINES)?.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parsed(arguments: &[&str]) -> Result<u32, String> {
        parse(&arguments.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn edits_are_a_number_from_one_up() {
        assert_eq!(parsed(&[]), Ok(EDITS));
        assert_eq!(parsed(&["--edits", "7"]), Ok(7));
        assert_eq!(parsed(&["--edits=8"]), Ok(8));
        for wrong in
            [&["--edits"][..], &["--edits", "0"], &["--edits", "x"], &["7"], &["a", "b", "c"]]
        {
            assert!(parsed(wrong).unwrap_err().contains(USAGE), "{wrong:?}");
        }
    }

    #[test]
    fn the_distribution_is_found_among_the_rest() {
        let table = "write to last ACK on 20 pods, 5 edits, milliseconds:\n  min  max\n  1  2";
        let text = format!("running 1 test\n---- node::a stdout ----\n{table}\n\nsuccesses:\n");
        assert_eq!(distribution(&text).as_deref(), Some(table));
        assert_eq!(distribution("write to last ACK on 20 pods"), None);
        assert_eq!(distribution("SKIPPED: a: b; c\n\n\n"), None);
    }
}
