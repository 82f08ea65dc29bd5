//! What a step needs besides Rust itself: looked for, fetched or built where that is ours to do, else told.

use std::process::Command;

use crate::tools::{self, Lack, Stage, Variable};
use crate::workspace::{cargo, works};

/// A tool that a fresh machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Rustfmt,
    Clippy,
    /// What is known against dependencies, from a database that is not ours.
    Advisories,
    CargoDeny,
    /// Valgrind.
    Counters,
    /// Of the fuzzer's engine.
    Cxx,
    /// The programs of Kubernetes, built from pinned sources.
    Kubernetes(Stage),
    /// Prometheus and promtool.
    Prometheus,
}

/// Why something is not there, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) why: String,
    pub(crate) remedy: String,
}

/// Makes sure that `tool` is there, and says by which variables a step's programs find it.
pub(super) fn provide(tool: Tool) -> Result<Vec<Variable>, Lack> {
    let standing = match tool {
        Tool::Advisories => return tools::deny::provide_advisories(),
        Tool::CargoDeny => return tools::deny::provide(),
        Tool::Counters => {
            let root = tools::counters()?;
            return Ok(vec![(tools::VALGRIND, root.to_string_lossy().into_owned())]);
        }
        Tool::Kubernetes(stage) => return tools::provide(stage),
        Tool::Prometheus => {
            let root = tools::prometheus()?;
            return Ok(vec![(tools::PROMETHEUS, root.to_string_lossy().into_owned())]);
        }
        Tool::Rustfmt => component("fmt", "rustfmt"),
        Tool::Clippy => component("clippy", "clippy"),
        Tool::Cxx if works("c++", &["--version"]) => Ok(()),
        Tool::Cxx => {
            Err(missing("there is no C++ compiler", "install one (g++, clang++) as `c++`"))
        }
    };
    standing.map(|()| Vec::new()).map_err(Lack::Missing)
}

/// A component of the toolchain, which rustup can add.
fn component(subcommand: &str, component: &str) -> Result<(), Missing> {
    if is_there(subcommand) {
        return Ok(());
    }
    let by_hand = format!("install {component} for this toolchain");
    if !works("rustup", &["--version"]) {
        let why = format!("{component} is not installed, and there is no rustup to add it");
        return Err(missing(&why, &by_hand));
    }
    println!("        adding {component} to the toolchain");
    let added = Command::new("rustup").args(["component", "add", component]).output();
    if added.is_ok_and(|output| output.status.success()) && is_there(subcommand) {
        return Ok(());
    }
    let why = format!("`rustup component add {component}` failed");
    Err(missing(&why, &by_hand))
}

fn is_there(subcommand: &str) -> bool {
    cargo([subcommand, "--version"]).output().is_ok_and(|output| output.status.success())
}

pub(crate) fn missing(why: &str, remedy: &str) -> Missing {
    Missing { why: why.to_owned(), remedy: remedy.to_owned() }
}
