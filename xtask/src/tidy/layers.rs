//! Which module may use which: inside the proxy by a table, and the farm's judge none at all.

use super::Problem;
use super::source::{Role, Source, Token, starts_with};
use super::tree::Tree;

const PROXY: &str = "proxy/src/";
const JUDGE: [&str; 2] = ["farm/src/judge.rs", "farm/src/judge/"];

const REMEDY: &str = "the layers are in ARCHITECTURE.md; move the code down, or pass a value in";
const JUDGE_REMEDY: &str =
    "a judge that shares our code shares our mistakes; use the bitcoin crate";

/// Modules that know the whole process, and that nobody may know.
const TOPS: [&str; 4] = ["main", "lib", "run", "app"];

/// Every other module of the proxy and those that it may use, from the top down. A new edge is a change of the
/// architecture: it changes this table and ARCHITECTURE.md in one commit.
const LAYERS: [(&str, &[&str]); 29] = [
    ("ctl", &["args", "admin", "clock", "table"]),
    ("args", &["audit", "config", "room"]),
    ("check", &["args", "config", "table"]),
    ("hash_password", &["args", "logins"]),
    ("admin", &["sink", "telemetry", "clock"]),
    ("control", &["config", "policy", "telemetry", "disk", "clock"]),
    ("audit", &["policy", "telemetry"]),
    ("books", &["sink", "telemetry", "disk", "clock"]),
    (
        "listener",
        &[
            "fleet",
            "session",
            "pipeline",
            "logins",
            "tallies",
            "policy",
            "room",
            "router",
            "seats",
            "sink",
            "telemetry",
            "transport",
            "tls",
            "workers",
            "clock",
        ],
    ),
    (
        "fleet",
        &[
            "upstream",
            "policy",
            "room",
            "seats",
            "sink",
            "telemetry",
            "transport",
            "workers",
            "clock",
        ],
    ),
    (
        "session",
        &[
            "pipeline",
            "upstream",
            "router",
            "policy",
            "room",
            "seats",
            "sink",
            "telemetry",
            "transport",
            "wire",
            "clock",
        ],
    ),
    ("pipeline", &["logins", "tallies", "policy", "telemetry", "upstream", "wire"]),
    ("logins", &["policy", "telemetry", "transport", "tls", "upstream", "workers", "clock"]),
    ("tallies", &["policy"]),
    ("table", &[]),
    ("upstream", &["policy", "sink", "telemetry", "transport", "wire", "tls", "clock"]),
    ("wire", &["transport"]),
    ("sink", &[]),
    ("policy", &[]),
    ("room", &[]),
    ("router", &[]),
    ("telemetry", &[]),
    ("config", &["tls", "clock"]),
    ("seats", &[]),
    ("workers", &[]),
    ("tls", &["clock"]),
    ("transport", &[]),
    ("disk", &[]),
    ("clock", &[]),
];

/// Edges that the tables do not hold.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let proxy = tree.sources.iter().filter(|source| source.path.starts_with(PROXY));
    let mut problems: Vec<Problem> = proxy.flat_map(check_proxy).collect();
    let judge =
        tree.sources.iter().filter(|source| JUDGE.iter().any(|path| source.path.starts_with(path)));
    problems.extend(judge.flat_map(check_judge));
    problems
}

fn check_proxy(source: &Source) -> Vec<Problem> {
    let Some(module) = source.module() else { return Vec::new() };
    if TOPS.contains(&module) {
        return Vec::new();
    }
    let Some((_, allowed)) = LAYERS.iter().find(|(known, _)| *known == module) else {
        let what = format!("module {module} is in no table of layers");
        return vec![Problem::new(&source.path, 1, what, "enter it in xtask/src/tidy/layers.rs")];
    };
    uses(source)
        .into_iter()
        .filter(|used| used.role == Role::Product)
        .filter(|used| used.text != module && !allowed.contains(&used.text.as_str()))
        .map(|used| {
            let what = format!("{module} uses {}", used.text);
            Problem::new(&source.path, used.line, what, REMEDY)
        })
        .collect()
}

fn check_judge(source: &Source) -> Vec<Problem> {
    let mut problems: Vec<Problem> = uses(source)
        .into_iter()
        .filter(|used| used.text != "judge")
        .map(|used| problem(source, used, &format!("the judge uses the farm's {}", used.text)))
        .collect();
    let outside: &[&str] = if source.path.ends_with("/judge.rs") {
        &["super", ":"]
    } else {
        &["super", ":", ":", "super"]
    };
    // Tests of the judge stand one level deeper, and may look at the judge.
    problems.extend(
        source
            .find(outside)
            .filter_map(<[Token]>::first)
            .filter(|used| used.role == Role::Product)
            .map(|used| problem(source, used, "the judge looks outside of itself")),
    );
    let ours = source.tokens.iter().filter(|token| token.text.starts_with("loka_"));
    problems
        .extend(ours.map(|used| problem(source, used, &format!("the judge uses {}", used.text))));
    problems
}

fn problem(source: &Source, at: &Token, what: &str) -> Problem {
    Problem::new(&source.path, at.line, what, JUDGE_REMEDY)
}

/// The first word after each `crate::`, those of a `crate::{…}` included.
fn uses(source: &Source) -> Vec<&Token> {
    let mut found = Vec::new();
    for rest in source.find(&["crate", ":", ":"]) {
        let Some(rest) = rest.get(3..) else { continue };
        if starts_with(rest, &["{"]) {
            found.extend(group(rest));
        } else {
            found.extend(rest.first());
        }
    }
    found
}

/// The first words of the parts of `{a::b, c, …}`.
fn group(tokens: &[Token]) -> Vec<&Token> {
    let (mut depth, mut begins) = (0_usize, false);
    let mut found = Vec::new();
    for token in tokens {
        match token.text.as_str() {
            "{" => (depth, begins) = (depth + 1, depth == 0),
            "}" if depth == 1 => break,
            "}" => depth = depth.saturating_sub(1),
            "," => begins = depth == 1,
            _ if begins => {
                found.push(token);
                begins = false;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_file(path: &str, text: &str, wanted: &[&str]) {
        let found: Vec<String> =
            check(&Tree::sample(&[(path, text)])).into_iter().map(|p| p.what).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn an_edge_upwards_is_a_problem_and_one_downwards_is_not() {
        check_file(
            "proxy/src/session/driver.rs",
            "use crate::wire::Wire; use crate::session::X;",
            &[],
        );
        check_file("proxy/src/wire.rs", "use crate::session::X;", &["wire uses session"]);
        check_file(
            "proxy/src/wire.rs",
            "// crate::session\nlet x = crate::app::y();",
            &["wire uses app"],
        );
    }

    #[test]
    fn a_group_is_taken_apart() {
        let text = "use crate::{transport::{Io, session}, clock, app::App};";
        check_file("proxy/src/wire.rs", text, &["wire uses clock", "wire uses app"]);
    }

    #[test]
    fn tests_and_the_top_may_use_what_they_like() {
        check_file("proxy/src/wire/tests.rs", "use crate::app::App;", &[]);
        check_file("proxy/src/app/status.rs", "use crate::admin::X;", &[]);
    }

    #[test]
    fn a_module_that_nobody_entered_is_a_problem() {
        check_file("proxy/src/new.rs", "", &["module new is in no table of layers"]);
    }

    #[test]
    fn the_judge_uses_nothing_of_ours() {
        check_file("farm/src/judge.rs", "use bitcoin::Block; use crate::judge::verdict;", &[]);
        check_file(
            "farm/src/judge.rs",
            "use crate::wire::Hex;",
            &["the judge uses the farm's wire"],
        );
        check_file(
            "farm/src/judge/a.rs",
            "use super::b; use super::super::pool;",
            &["the judge looks outside of itself"],
        );
        check_file("farm/src/judge/a.rs", "use loka_stratum::x;", &["the judge uses loka_stratum"]);
    }

    #[test]
    fn the_table_has_no_cycle() {
        let mut left: Vec<&str> = LAYERS.iter().map(|(module, _)| *module).collect();
        while !left.is_empty() {
            let before = left.len();
            let uses = |module: &str| LAYERS.iter().find(|(known, _)| *known == module).unwrap().1;
            let now = left.clone();
            left.retain(|module| uses(module).iter().any(|used| now.contains(used)));
            assert!(left.len() < before, "a cycle among {left:?}");
        }
    }
}
