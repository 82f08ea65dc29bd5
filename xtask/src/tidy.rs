//! `cargo xtask tidy`: the house rules that a compiler does not know.
//!
//! It reads text: each rule is a function from the tree to problems, with a test on a sample that breaks it. What
//! rustc and clippy can see is theirs, and not repeated here.

use std::fmt;
use std::process::ExitCode;

use crate::Outcome;
use crate::workspace;

mod crates;
mod delays;
mod documents;
mod layers;
mod monitoring;
mod names;
mod references;
mod sizes;
mod source;
mod time;
mod tree;
mod words;

use self::crates::Workspace;
use self::tree::Tree;

/// Something to put right, where, and how.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    path: String,
    line: usize,
    what: String,
    remedy: &'static str,
}

/// Runs `cargo xtask tidy`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if !arguments.is_empty() {
        return Err("usage: cargo xtask tidy".to_owned());
    }
    let problems = problems()?;
    for problem in &problems {
        println!("{problem}");
    }
    println!("tidy: {} to put right", problems.len());
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything in the tree that breaks a rule, in the order of the files.
pub(crate) fn problems() -> Result<Vec<Problem>, String> {
    let tree = Tree::read(&workspace::root())?;
    let workspace = Workspace::read()?;
    let mut problems = crates::check(&workspace);
    problems.extend(crates::check_shipped()?);
    problems.extend(references::check(&tree, &workspace));
    for rule in [
        layers::check,
        sizes::check,
        words::check,
        names::check,
        time::check,
        delays::check,
        documents::check,
        monitoring::check,
    ] {
        problems.extend(rule(&tree));
    }
    problems.sort();
    problems.dedup();
    Ok(problems)
}

/// For tests of a rule: the lines of a file that it finds something in.
#[cfg(test)]
fn lines_found(rule: fn(&Tree) -> Vec<Problem>, path: &str, text: &str) -> Vec<usize> {
    rule(&Tree::sample(&[(path, text)])).into_iter().map(|problem| problem.line).collect()
}

// === impl Problem ===

impl Problem {
    fn new(path: &str, line: usize, what: impl Into<String>, remedy: &'static str) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), remedy }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, what, remedy } = self;
        write!(formatter, "{path}:{line}: {what}; {remedy}")
    }
}
