//! The levels on a real Kubernetes: an API server alone, then machines and pods.
//!
//! It owns what is built for them, and the network in which the latter run.

use std::env;

use super::setup::Tool;
use super::steps::{Start, Step, built_below, tests};
use crate::tools::Stage;
use crate::workspace;
use crate::workspace::PROXY_BIN;

/// What goes into images: package, binary, and the variable that names it to the tests. Built apart, for the features that
/// they ship with.
const IMAGES: [(&str, &str, &str); 4] = [
    ("loka-proxy", "stratum-proxy", PROXY_BIN),
    ("loka-operator", "stratum-operator", "LOKA_OPERATOR_BIN"),
    ("loka-farm", "loka-practice", "LOKA_PRACTICE_BIN"),
    ("loka-pod", "loka-pod", "LOKA_POD_BIN"),
];

/// Static, as in the images that are shipped: there is nothing else in them. It stands in place of what
/// `.cargo/config.toml` says.
const STATIC: &str = "-C target-feature=+crt-static --cfg tokio_unstable";

const TEST: [&str; 5] = ["test", "--package", "loka-tests", "--test", "k8s"];

/// Both levels.
pub(super) fn steps() -> Vec<Step> {
    let api = Start::cargo(&run("api::")).with("RUST_BACKTRACE", "0");
    let node = on_machines("node::", &[]);
    let needing = |stage, step| Step { needs: Some(Tool::Kubernetes(stage)), ..step };
    vec![
        needing(Stage::Api, tests("api", "api", "a real API server", vec![api])),
        needing(Stage::Node, tests("node", "node", "a real cluster: machines and pods", node)),
    ]
}

/// Builds everything, and runs the tests whose names begin like this, in a network of their own, where cargo can fetch
/// nothing.
pub(super) fn on_machines(module: &str, variables: &[(&'static str, &str)]) -> Vec<Start> {
    // Naming the target keeps the flags from what runs while building: a static program cannot load a macro.
    let target = workspace::host();
    let mut starts: Vec<Start> =
        IMAGES.map(|(package, binary, _)| static_build(&target, package, binary)).into();
    starts.push(Start::cargo(&[TEST.as_slice(), &["--no-run"]].concat()));
    let fabric = workspace::root().join("tests/tools/fabric.sh").to_string_lossy().into_owned();
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let inside = [&[fabric.as_str(), &cargo], run(module).as_slice()].concat();
    let mut inside = Start::program("sh", &inside).with("RUST_BACKTRACE", "0");
    for (_, binary, variable) in IMAGES {
        inside = inside.with(variable, &built_below(&format!("{target}/debug"), binary));
    }
    for (name, value) in variables {
        inside = inside.with(name, value);
    }
    starts.push(inside);
    starts
}

fn static_build(target: &str, package: &str, binary: &str) -> Start {
    let build = ["build", "--target", target, "--package", package, "--bin", binary];
    Start::cargo(&build).with("RUSTFLAGS", STATIC)
}

fn run(module: &str) -> Vec<&str> {
    [TEST.as_slice(), &["--no-fail-fast", "--", module, "--show-output"]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_binary_of_an_image_is_built_static_and_named_to_the_tests() {
        let starts = on_machines("node::a::", &[("LOKA_EDITS", "7")]);
        let commands: Vec<_> = starts.iter().map(Start::command).collect();
        let (inside, builds) = commands.split_last().unwrap();
        let value = |command: &std::process::Command, name: &str| {
            let value = command.get_envs().find(|(key, _)| *key == name).and_then(|(_, it)| it);
            value.map(|it| it.to_string_lossy().into_owned())
        };
        for (package, binary, variable) in IMAGES {
            let is_it =
                |command: &&std::process::Command| command.get_args().any(|it| it == package);
            let build = builds.iter().find(is_it).unwrap();
            assert!(value(build, "RUSTFLAGS").unwrap().contains("+crt-static"), "{build:?}");
            let target = build.get_args().nth(2).unwrap().to_string_lossy().into_owned();
            let path = value(inside, variable).unwrap();
            assert!(path.ends_with(&format!("{target}/debug/{binary}")), "{path}");
        }
        assert_eq!(value(inside, "LOKA_EDITS").as_deref(), Some("7"));
        assert_eq!(value(inside, "RUSTFLAGS"), None);
        assert!(inside.get_args().any(|argument| argument == "node::a::"));
    }
}
