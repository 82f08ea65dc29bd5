//! `cargo xtask tools`: what the tests on Kubernetes run, and no machine has: Kubernetes itself, from pinned sources.
//! Besides, cargo-deny, which the house rules are checked with.
//!
//! It owns which programs there are and by which variables the tests find them (docs/testing-on-kubernetes.md). They are
//! kept outside of the tree, under a name made of all that they are built from: built once, found by every worktree.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::Outcome;
use crate::test::setup::{Missing, missing};
use crate::workspace::works;

mod cache;
pub(crate) mod deny;
mod go;
mod packages;

use self::go::Set;

const USAGE: &str = "usage: cargo xtask tools [--only api|node] [--print]";

/// Where somebody else's etcd, kube-apiserver and kubectl are, by the custom of Kubernetes projects.
const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// A cluster that is there already: no machine of ours is started.
const KUBECONFIG: &str = "LOKA_KUBECONFIG";

/// By which tests find valgrind: the root of the file system that has it.
pub(crate) const VALGRIND: &str = "LOKA_VALGRIND_ROOT";

/// By which tests find Prometheus, likewise.
pub(crate) const PROMETHEUS: &str = "LOKA_PROMETHEUS_ROOT";

/// Which tests the programs are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// An API server alone.
    Api,
    /// Machines and pods.
    Node,
}

/// A variable that names programs to the tests.
pub(crate) type Variable = (&'static str, String);

/// Why programs are not there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// This machine cannot have them.
    Missing(Missing),
    /// It could, and something of ours is wrong.
    Broken(String),
}

/// Whether what is not there is to be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Build,
    Look,
}

// === impl Lack ===

impl Lack {
    /// In words, with the remedy where there is one.
    pub(crate) fn told(self) -> String {
        match self {
            Self::Missing(Missing { why, remedy }) => format!("{why}; {remedy}"),
            Self::Broken(why) => why,
        }
    }
}

/// Runs `cargo xtask tools ARGUMENTS`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut stages = vec![Stage::Api, Stage::Node];
    let mut way = Way::Build;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match (argument.as_str(), rest.as_slice().first().map(String::as_str)) {
            ("--print", _) => way = Way::Look,
            ("--only", Some("api")) => stages = vec![Stage::Api],
            ("--only", Some("node")) => stages = vec![Stage::Node],
            (other, _) => return Err(format!("cannot use {other}; {USAGE}")),
        }
        if argument == "--only" {
            rest.next();
        }
    }
    let mut code = ExitCode::SUCCESS;
    let mut variables: Vec<Variable> = Vec::new();
    for stage in stages {
        match variables_of(stage, way) {
            Ok(found) => variables.extend(found),
            Err(lack) => {
                code = ExitCode::FAILURE;
                tell(lack, way);
            }
        }
    }
    variables.sort();
    variables.dedup();
    for (name, value) in variables {
        println!("export {name}='{value}'");
    }
    Ok(code)
}

/// The root of the file system that has the relays of the bench.
pub(crate) fn relays() -> Result<PathBuf, Lack> {
    packages::provide(&packages::RELAYS, Way::Build)
}

/// The root of the file system that has valgrind.
pub(crate) fn counters() -> Result<PathBuf, Lack> {
    packages::provide(&packages::COUNTERS, Way::Build)
}

/// The root of the file system that has Prometheus.
pub(crate) fn prometheus() -> Result<PathBuf, Lack> {
    packages::provide(&packages::MONITORING, Way::Build)
}

/// The root of the file system that has perf.
pub(crate) fn profiler() -> Result<PathBuf, Lack> {
    packages::provide(&packages::PROFILER, Way::Build)
}

/// Makes sure that all programs for these tests are there.
pub(crate) fn provide(stage: Stage) -> Result<Vec<Variable>, Lack> {
    variables_of(stage, Way::Build)
}

/// What is printed to be evaluated must stay a program of the shell.
fn tell(lack: Lack, way: Way) {
    let text = lack.told();
    match way {
        Way::Build => println!("not there: {text}"),
        Way::Look => println!("echo 'not there: {}' >&2; false", text.replace('\'', "\"")),
    }
}

fn variables_of(stage: Stage, way: Way) -> Result<Vec<Variable>, Lack> {
    let existing = stage == Stage::Node && env::var_os(KUBECONFIG).is_some();
    if existing && works("kubectl", &["version", "--client"]) && works("helm", &["version"]) {
        // Whoever has a cluster has what talks to it.
        return Ok(Vec::new());
    }
    if stage == Stage::Node && !existing {
        // Before an hour's quarter is spent on what cannot be used.
        packages::able()?;
    }
    let mut variables = vec![variable("LOKA_KUBE_BIN", &api_programs(way)?)];
    if stage == Stage::Api {
        return Ok(variables);
    }
    variables.push(variable("LOKA_NODE_BIN", &go::provide(&Set::NODE, way)?));
    if !existing {
        variables.push(variable("LOKA_NODE_ROOT", &packages::provide(&packages::MACHINES, way)?));
    }
    let collector = go::provide(&Set::COLLECTOR, way)?.join("otelcol");
    variables.push(variable("LOKA_OTELCOL", &collector));
    Ok(variables)
}

fn variable(name: &'static str, path: &Path) -> Variable {
    (name, path.to_string_lossy().into_owned())
}

/// Given, else built.
fn api_programs(way: Way) -> Result<PathBuf, Lack> {
    let Some(given) = env::var_os(ASSETS).filter(|given| !given.is_empty()).map(PathBuf::from)
    else {
        return go::provide(&Set::API, way);
    };
    let wanted = ["etcd", "kube-apiserver", "kubectl"];
    match wanted.iter().find(|program| !given.join(program).exists()) {
        None => Ok(given),
        Some(lacking) => {
            let why = format!("{ASSETS} is {}, where there is no {lacking}", given.display());
            let remedy = format!("put it there, or unset {ASSETS}: it is built then");
            Err(Lack::Missing(missing(&why, &remedy)))
        }
    }
}

/// Whether all of `programs` can be started; they are those of `package`.
fn programs(programs: &[&str], package: &str) -> Result<(), Lack> {
    match programs.iter().find(|program| !works(program, &["--version"])) {
        None => Ok(()),
        Some(lacking) => {
            let why = format!("{lacking} is not installed");
            Err(Lack::Missing(missing(&why, &format!("install {package}"))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let error = run(&words(&["--only", "nodes"])).unwrap_err();
        assert!(error.contains("--only") && error.contains(USAGE), "{error}");
        assert!(run(&words(&["--only"])).is_err());
        assert!(run(&words(&["api"])).is_err());
    }
}
