//! Where the proxy may read a clock: a simulation has only one, and it is `proxy/src/clock.rs` (ADR 0002).

use super::Problem;
use super::source::{Role, Source, Token, starts_with};
use super::tree::Tree;

const REMEDY: &str = "take the time from the Clock that is passed in (ADR 0002)";

/// What runs in a simulation.
const SIMULATED: [&str; 2] = ["proxy/src/", "ops/src/"];

/// Files that may read a clock of their own, and why it cannot change what a simulation does.
const MAY_READ: [(&str, &str); 7] = [
    ("proxy/src/clock.rs", "it is the clock"),
    ("proxy/src/telemetry.rs", "stamps the start of the registry; nothing decides by it"),
    ("proxy/src/telemetry/audit.rs", "stamps records, and rations them; a simulation has none"),
    ("proxy/src/telemetry/init.rs", "stamps the start of the registry; nothing decides by it"),
    ("proxy/src/control.rs", "stamps a refused change for status pages; nothing decides by it"),
    ("ops/src/throttle.rs", "rations log lines and spans; nothing else decides by it"),
    ("proxy/src/telemetry/traces.rs", "stamps spans for a collector; nothing decides by it"),
];

/// Clocks that are read elsewhere.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    tree.sources
        .iter()
        .filter(|source| SIMULATED.iter().any(|path| source.path.starts_with(path)))
        .filter(|source| MAY_READ.iter().all(|(path, _)| *path != source.path))
        .flat_map(check_source)
        .collect()
}

fn check_source(source: &Source) -> Vec<Problem> {
    let system = source.find(&["SystemTime", ":", ":", "now"]).filter_map(<[Token]>::first);
    let mut problems: Vec<Problem> = system
        .filter(|at| at.role == Role::Product)
        .map(|at| Problem::new(&source.path, at.line, "reads the system's wall clock", REMEDY))
        .collect();
    if imports_tokio_instant(source) {
        return problems;
    }
    for window in source.tokens.windows(PREFIX.len() + INSTANT_NOW.len()) {
        let Some(call) = window.get(PREFIX.len()..) else { continue };
        let of_tokio = starts_with(window, &PREFIX);
        let product = call.first().filter(|at| at.role == Role::Product);
        if let Some(at) = product.filter(|_| starts_with(call, &INSTANT_NOW) && !of_tokio) {
            let what = "reads the system's monotone clock";
            problems.push(Problem::new(&source.path, at.line, what, REMEDY));
        }
    }
    problems
}

/// Tokio's own clock, which a simulation pauses.
const PREFIX: [&str; 6] = ["tokio", ":", ":", "time", ":", ":"];
const INSTANT_NOW: [&str; 4] = ["Instant", ":", ":", "now"];

fn imports_tokio_instant(source: &Source) -> bool {
    source.find(&["use", "tokio", ":", ":", "time", ":", ":"]).any(|rest| {
        rest.iter().take_while(|token| token.text != ";").any(|token| token.text == "Instant")
    })
}

#[cfg(test)]
mod tests {
    use super::super::lines_found;
    use super::*;

    #[track_caller]
    fn check_file(path: &str, text: &str, wanted: &[usize]) {
        assert_eq!(lines_found(check, path, text), wanted);
    }

    #[test]
    fn the_systems_clocks_are_not_read() {
        check_file("proxy/src/a.rs", "a b c d e f\nlet x = SystemTime::now();", &[2]);
        check_file("proxy/src/a.rs", "use std::time::Instant;\nlet x = Instant::now();", &[2]);
        check_file("proxy/src/a.rs", "let x = std::time::Instant::now();", &[1]);
        check_file("ops/src/a.rs", "let x = SystemTime::now();", &[1]);
    }

    #[test]
    fn tokios_clock_the_clock_itself_and_tests_are_free() {
        check_file("proxy/src/a.rs", "let x = tokio::time::Instant::now();", &[]);
        check_file(
            "proxy/src/a.rs",
            "use tokio::time::{Instant, sleep};\nlet x = Instant::now();",
            &[],
        );
        check_file("proxy/src/clock.rs", "let x = SystemTime::now();", &[]);
        check_file("proxy/src/a/tests.rs", "use std::time::Instant;\nlet x = Instant::now();", &[]);
        check_file("farm/src/a.rs", "let x = SystemTime::now();", &[]);
    }
}
