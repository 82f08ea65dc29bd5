//! The steps of `cargo xtask test`: what there is to check, in the order in which a failure of one explains the next.

use std::env;
use std::process::Command;

use super::setup::Tool;
use super::{alerts, fuzz, kubernetes};
use crate::workspace::{self, PACKAGES, PROXY_BIN, cargo};
use crate::{bugs, codegen, counts, heap, paid, soak, tidy};

/// The levels, from the cheapest to the dearest.
pub(super) const LEVELS: [&str; 7] = ["house", "unit", "sim", "it", "demo", "api", "node"];

/// How long the demo runs as a test: enough for both moves between pools.
const DEMO_DURATION: &str = "20s";

/// Where the demo is, for the tests on real sockets.
const DEMO_BIN: &str = "LOKA_DEMO_BIN";

/// The module of the tests that need a Prometheus.
const MONITORING_TESTS: &str = "monitoring::";

/// Clippy and rustdoc look at the same build of everything.
const EVERYTHING: [&str; 2] = ["--workspace", "--all-features"];

/// One thing to check.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) level: &'static str,
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) needs: Option<Tool>,
    /// Whether it prints libtest's results; else it counts as one.
    pub(super) prints_tests: bool,
    pub(super) work: Work,
}

/// How a step is done.
#[derive(Debug)]
pub(super) enum Work {
    /// By us: a line for each problem.
    Check(fn() -> Result<Vec<String>, String>),
    /// By programs, one after the other.
    Programs(Vec<Start>),
}

/// A program to start.
#[derive(Debug)]
pub(super) struct Start {
    program: Program,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

#[derive(Debug)]
enum Program {
    Cargo,
    Other(String),
}

/// Every step that exists so far.
pub(super) fn all() -> Vec<Step> {
    let mut steps = house();
    steps.extend(unit());
    steps.extend(simulations());
    steps.extend(real());
    steps.extend(kubernetes::steps());
    steps
}

// === impl Start ===

impl Start {
    pub(super) fn cargo(arguments: &[&str]) -> Self {
        Self { program: Program::Cargo, arguments: strings(arguments), variables: Vec::new() }
    }

    pub(super) fn program(program: &str, arguments: &[&str]) -> Self {
        let program = Program::Other(program.to_owned());
        Self { program, arguments: strings(arguments), variables: Vec::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    pub(super) fn command(&self) -> Command {
        let Self { program, arguments, variables } = self;
        let mut command = match program {
            Program::Cargo => cargo([]),
            Program::Other(program) => {
                let mut command = Command::new(program);
                command.current_dir(workspace::root());
                command
            }
        };
        command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn house() -> Vec<Step> {
    let step = |name, what, needs, work| Step {
        level: "house",
        name,
        what,
        needs,
        prints_tests: false,
        work,
    };
    let [all, features] = EVERYTHING;
    let clippy = ["clippy", all, features, "--all-targets", "--", "-D", "warnings"];
    let doc = ["doc", all, features, "--no-deps", "--document-private-items"];
    let checks = ["check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    let deny = |before: &[&str]| Start::cargo(&[&["deny"], before, &checks].concat());
    let fuzz = format!("{}/Cargo.toml", fuzz::CRATE);
    let denied = vec![deny(&["--all-features"]), deny(&["--manifest-path", &fuzz])];
    let programs = |start| Work::Programs(vec![start]);
    vec![
        step(
            "fmt",
            "the layout of the code",
            Some(Tool::Rustfmt),
            programs(Start::cargo(&["fmt", "--all", "--check"])),
        ),
        step("tidy", "the house rules", None, Work::Check(tidy_lines)),
        step("bugs", "the seeded bugs fit the tree", None, Work::Check(bugs::stale)),
        step("codegen", "the generated files", None, Work::Check(codegen::stale)),
        step(
            "clippy",
            "lints, warnings as errors",
            Some(Tool::Clippy),
            programs(Start::cargo(&clippy)),
        ),
        step(
            "doc",
            "the documentation in the code, warnings as errors",
            None,
            programs(Start::cargo(&doc).with("RUSTDOCFLAGS", "-D warnings")),
        ),
        step(
            "deny",
            "licences, sources and bans of the dependencies",
            Some(Tool::CargoDeny),
            Work::Programs(denied),
        ),
        step(
            "advisories",
            "what is known against the dependencies",
            Some(Tool::Advisories),
            programs(Start::cargo(&["deny", "--all-features", "check", "advisories"])),
        ),
    ]
}

fn tidy_lines() -> Result<Vec<String>, String> {
    Ok(tidy::problems()?.iter().map(ToString::to_string).collect())
}

/// Package by package: built together, they would share features that the shipped binaries do not have.
fn unit() -> Vec<Step> {
    // Those that are one binary per level have no unit tests.
    let packages = PACKAGES.iter().filter(|package| **package != "loka-tests");
    packages
        .map(|package| {
            let mut arguments = vec!["test", "--package", package, "--all-features"];
            if *package == "loka-stratum" {
                // Its simulation is a level of its own.
                arguments.push("--lib");
            }
            tests("unit", package, "unit tests", vec![test_start(&arguments)])
        })
        .collect()
}

fn simulations() -> Vec<Step> {
    let core = ["test", "--package", "loka-stratum", "--all-features", "--test", "sim"];
    let any = ["test", "--package", "loka-stratum", "--all-features", "--test", "fuzz"];
    let whole = ["test", "--package", "loka-tests", "--test", "sim"];
    vec![
        fuzz::step(),
        tests("sim", "sim-core", "the machines in virtual time", vec![test_start(&core)]),
        tests(
            "sim",
            "peers",
            "what peers may send: a corpus and its changes",
            vec![test_start(&any)],
        ),
        Step {
            level: "sim",
            name: "counts",
            what: "instructions and compressions of the core's paths, against their budgets",
            needs: Some(Tool::Counters),
            prints_tests: false,
            work: Work::Check(counts::problems),
        },
        tests("sim", "sim-proxy", "the whole proxy in virtual time", vec![test_start(&whole)]),
        Step {
            level: "sim",
            name: "paid",
            what: "the paid-work experiment, short",
            needs: None,
            prints_tests: false,
            work: Work::Programs(vec![Start::cargo(&[
                "run",
                "--quiet",
                "--package",
                paid::PACKAGE,
                "--",
                "--short",
            ])]),
        },
    ]
}

/// What runs the shipped programs. Each builds them apart, for the features that they ship with.
fn real() -> Vec<Step> {
    let (proxy, demo) = (built("stratum-proxy"), built("loka-demo"));
    let build = || {
        [("loka-proxy", "stratum-proxy"), ("loka-farm", "loka-demo")].map(|(package, binary)| {
            Start::cargo(&["build", "--package", package, "--bin", binary])
        })
    };
    let sockets = ["test", "--package", "loka-tests", "--test", "it"];
    // By themselves: hundreds of miners would slow down whatever runs beside them.
    let alone = |test: &str| test_start_with(&sockets, &[test]).with(PROXY_BIN, &proxy);
    let (soak, attack) = (alone(soak::TROUBLE.test), alone(soak::ATTACK.test));
    let heap = build().into_iter().chain([alone(heap::TESTS)]).collect();
    let watched = build().into_iter().chain([alone(MONITORING_TESTS)]).collect();
    let apart = [soak::TROUBLE.test, soak::ATTACK.test, heap::TESTS, MONITORING_TESTS];
    let skipped: Vec<&str> = apart.iter().flat_map(|test| ["--skip", test]).collect();
    let sockets = test_start_with(&sockets, &skipped);
    let sockets = sockets.with(PROXY_BIN, &proxy).with(DEMO_BIN, &demo);
    let samples = workspace::root().join("deploy/samples").to_string_lossy().into_owned();
    let show = ["--proxy", &proxy, "--samples", &samples, "--duration", DEMO_DURATION, "--json"];
    vec![
        tests("it", "it", "real sockets", build().into_iter().chain([sockets]).collect()),
        Step {
            needs: Some(Tool::Counters),
            ..tests("it", "heap", "the heap of an idle miner, against its budget", heap)
        },
        Step {
            level: "it",
            name: "alerts",
            what: "the alert rules, each rung and not rung",
            needs: Some(Tool::Prometheus),
            prints_tests: false,
            work: Work::Check(alerts::problems),
        },
        Step {
            needs: Some(Tool::Prometheus),
            ..tests("it", "monitoring", "dashboards and alerts on a real Prometheus", watched)
        },
        tests("it", "soak", "a minute of trouble for two thousand miners", vec![soak]),
        tests("it", "attack", "a minute of strangers around five hundred miners", vec![attack]),
        Step {
            level: "demo",
            name: "demo",
            what: "the demo, short",
            needs: None,
            prints_tests: false,
            work: Work::Programs(
                build().into_iter().chain([Start::program(&demo, &show)]).collect(),
            ),
        },
    ]
}

pub(super) fn tests(
    level: &'static str,
    name: &'static str,
    what: &'static str,
    programs: Vec<Start>,
) -> Step {
    let work = Work::Programs(programs);
    Step { level, name, what, needs: None, prints_tests: true, work }
}

/// `cargo test` that shows what passing tests print: some say that they could not run.
fn test_start(arguments: &[&str]) -> Start {
    test_start_with(arguments, &[])
}

/// The same, with arguments for the test binary.
fn test_start_with(arguments: &[&str], further: &[&str]) -> Start {
    let mut all = arguments.to_vec();
    all.extend(["--no-fail-fast", "--", "--show-output"]);
    all.extend(further);
    // A backtrace would push what went wrong out of the part of the log that is shown.
    Start::cargo(&all).with("RUST_BACKTRACE", "0")
}

/// Where cargo puts `binary`. If cargo cannot say, nothing will build, and that says why.
fn built(binary: &str) -> String {
    let name = format!("{binary}{}", env::consts::EXE_SUFFIX);
    built_below("debug", &name)
}

/// The same, in another directory than that of what runs here.
pub(super) fn built_below(directory: &str, name: &str) -> String {
    let target = workspace::target_directory().unwrap_or_else(|_| "target".into());
    target.join(directory).join(name).to_string_lossy().into_owned()
}
