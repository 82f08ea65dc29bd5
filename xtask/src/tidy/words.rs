//! Words and constructs that have no place in the tree, and the opening that every module has.

use super::Problem;
use super::source::{Role, Source, Token};
use super::tree::{File, Tree};

/// Notes of unfinished work, in pieces so that this file is not one of them.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// What is left of a skeleton.
const PLACEHOLDER: &str = concat!("//! place", "holder");

/// Files whose kind is read for unfinished work.
const WRITTEN: [&str; 7] = [".rs", ".toml", ".yaml", ".yml", ".sh", ".json", "Dockerfile"];

/// Tests that may wait in real time, and why.
const MAY_SLEEP: [(&str, &str); 11] = [
    ("tests/bench/farm/storm.rs", "a miner that was sent away tries again, up to a deadline"),
    ("tests/bench/pacer.rs", "what it sends has its time"),
    (
        "tests/bench/pool/apart.rs",
        "waits for shares that another process has on its way, up to a deadline",
    ),
    ("tests/bench/scenes/fan_out.rs", "between two jobs shares are to pour in for a while"),
    ("tests/bench/scenes/idle.rs", "what only logging in needs is given back in time"),
    ("tests/bench/subject.rs", "looks again whether another process listens, up to a deadline"),
    ("tests/paid/pods.rs", "a pod's start takes its time, under the paused time of its users"),
    ("tests/paid/sockets.rs", "an experiment on a real clock: what is slept is its plan"),
    ("tests/src/cluster.rs", "looks again at a cluster, up to a deadline"),
    ("tests/src/process.rs", "looks again at another process, up to a deadline"),
    (
        "farm/src/miner/tests/tiny.rs",
        "a server that answers late, under the paused time of its users",
    ),
];

/// What is written somewhere and should not be.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems: Vec<Problem> = tree.files.iter().flat_map(unfinished).collect();
    for source in &tree.sources {
        problems.extend(opening(source));
        problems.extend(constructs(source));
        problems.extend(sleeps(source));
        problems.extend(unordered_selects(source));
    }
    problems
}

fn unfinished(file: &File) -> Vec<Problem> {
    if !WRITTEN.iter().any(|kind| file.path.ends_with(kind)) {
        return Vec::new();
    }
    let lines = file.text.lines().enumerate();
    lines
        .filter(|(_, line)| UNFINISHED.iter().any(|word| has_word(line, word)))
        .map(|(index, _)| {
            let remedy = "do it, or write an issue and leave the tree whole";
            Problem::new(&file.path, index + 1, "a note of unfinished work", remedy)
        })
        .collect()
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|sign: char| !sign.is_alphanumeric() && sign != '_').any(|part| part == word)
}

fn opening(source: &Source) -> Option<Problem> {
    let first = source.text.lines().next().unwrap_or_default();
    if first == PLACEHOLDER {
        return Some(Problem::new(&source.path, 1, "an empty skeleton", "write it or delete it"));
    }
    // A file of tests is told by the module that it tests.
    let told = source.path.ends_with("/tests.rs") || first.starts_with("//!");
    let remedy = "begin with `//!`: what it owns and what it does not";
    (!told).then(|| Problem::new(&source.path, 1, "the module does not say what it owns", remedy))
}

fn constructs(source: &Source) -> Vec<Problem> {
    let banned: [(&[&str], &str, &str); 6] = [
        (&["#", "[", "ignore"], "an ignored test", "let it run, or say SKIPPED at run time"),
        (&["todo", "!"], "unfinished code", "write it"),
        (&["unimplemented", "!"], "unfinished code", "write it"),
        (&["unsafe", "{"], "unsafe code", "find the safe way; the workspace forbids it"),
        (&["unsafe", "fn"], "unsafe code", "find the safe way; the workspace forbids it"),
        (&["unbounded_channel"], "a queue without a bound", "give it one, as a named constant"),
    ];
    let mut problems = Vec::new();
    for (wanted, what, remedy) in banned {
        let found = source.find(wanted).filter_map(<[Token]>::first);
        problems.extend(found.map(|at| Problem::new(&source.path, at.line, what, remedy)));
    }
    let globs = source.find(&["use", "super", ":", ":", "*"]).filter_map(<[Token]>::first);
    problems.extend(globs.filter(|at| at.role == Role::Product).map(|at| {
        let what = "`use super::*` outside of tests";
        Problem::new(&source.path, at.line, what, "name what is used")
    }));
    problems
}

/// Waiting in real time makes a test slow, and wrong on a busy machine. Under paused time it costs nothing.
fn sleeps(source: &Source) -> Vec<Problem> {
    let paused = source.tokens.iter().any(|token| token.text == "start_paused");
    if paused || MAY_SLEEP.iter().any(|(path, _)| *path == source.path) {
        return Vec::new();
    }
    let calls = source.find(&["sleep", "("]).filter_map(<[Token]>::first);
    calls
        .filter(|at| at.role == Role::Test)
        .map(|at| {
            let remedy = "wait for what the test is about, or pause the time (start_paused)";
            Problem::new(&source.path, at.line, "a test that sleeps", remedy)
        })
        .collect()
}

/// An unbiased `select!` draws lots, and a simulation no longer follows from its seed (ADR 0002).
fn unordered_selects(source: &Source) -> Vec<Problem> {
    if !["proxy/src/", "ops/src/"].iter().any(|path| source.path.starts_with(path)) {
        return Vec::new();
    }
    let selects = source.find(&["select", "!", "{"]);
    selects
        .filter(|rest| rest.get(3).is_none_or(|next| next.text != "biased"))
        .filter_map(<[Token]>::first)
        .filter(|at| at.role == Role::Product)
        .map(|at| {
            let remedy = "begin it with `biased;` and order the branches (ADR 0002)";
            Problem::new(&source.path, at.line, "a select! without an order", remedy)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_file(path: &str, text: &str, wanted: &[(usize, &str)]) {
        let found = check(&Tree::sample(&[(path, text)]));
        let found: Vec<(usize, &str)> = found.iter().map(|p| (p.line, p.what.as_str())).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn every_module_says_what_it_owns() {
        check_file("a/src/b.rs", "//! Owns b.\n", &[]);
        check_file("a/src/b/tests.rs", "use super::*;\n", &[]);
        check_file("a/src/b.rs", "use c;\n", &[(1, "the module does not say what it owns")]);
        check_file("a/src/b.rs", PLACEHOLDER, &[(1, "an empty skeleton")]);
    }

    #[test]
    fn unfinished_work_is_found_as_a_word() {
        let [todo, ..] = UNFINISHED;
        check_file("a.toml", &format!("a\n# {todo}: b"), &[(2, "a note of unfinished work")]);
        check_file("a.toml", &format!("{todo}S_MAX"), &[]);
        check_file("a.md", todo, &[]);
    }

    #[test]
    fn banned_constructs_are_found_in_code_only() {
        check_file("a.rs", "//!\n#[ignore]\nfn a() {}", &[(2, "an ignored test")]);
        check_file("a.rs", "//!\n// #[ignore]\nlet x = \"unsafe {\";", &[]);
        check_file("a.rs", "//!\nuse super::*;", &[(2, "`use super::*` outside of tests")]);
        check_file("a.rs", "//!\n#[cfg(test)]\nmod tests { use super::*; }", &[]);
    }

    #[test]
    fn a_test_sleeps_only_in_paused_time() {
        check_file("a/tests.rs", "fn a() { sleep(x); }", &[(1, "a test that sleeps")]);
        check_file("a/tests.rs", "#[tokio::test(start_paused = true)]\nfn a() { sleep(x); }", &[]);
        check_file("a.rs", "//!\nfn a() { sleep(x); }", &[]);
    }

    #[test]
    fn selects_of_the_proxy_have_an_order() {
        check_file("proxy/src/a.rs", "//!\nselect! { biased; a => b }", &[]);
        let unordered = [(2, "a select! without an order")];
        check_file("proxy/src/a.rs", "//!\ntokio::select! { a => b }", &unordered);
        check_file("ops/src/a.rs", "//!\ntokio::select! { a => b }", &unordered);
        check_file("farm/src/a.rs", "//!\ntokio::select! { a => b }", &[]);
        check_file("proxy/src/a/tests.rs", "select! { a => b }", &[]);
    }
}
