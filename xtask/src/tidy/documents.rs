//! Paths and links in documents lead somewhere, tests that they name exist, and no file names a place of somebody's own machine.

use super::Problem;
use super::references::join;
use super::tree::{File, Tree};

/// The rooms of the tree: a word in code type that begins with one of these is a path.
const ROOMS: [&str; 14] = [
    "stratum/",
    "api/",
    "proxy/",
    "operator/",
    "ops/",
    "farm/",
    "tests/",
    "xtask/",
    "docs/",
    "crds/",
    "deploy/",
    "charts/",
    ".ci/",
    ".cargo/",
];

/// Signs that make a pattern of a path.
const PATTERN: [char; 9] = ['*', '<', '>', '{', '}', '…', '$', ':', '='];

/// What the directories of one machine are called; absolute, they are nobody else's.
const PRIVATE: [&str; 3] = ["work", "root", "home"];

/// A name in code type with so many underscores is a sentence, and so a test's. What begins like a metric is one.
const UNDERSCORES_OF_A_TEST: usize = 4;
const METRIC: &str = "loka_";

/// Dead paths and links, tests that are not there, and paths of one machine.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems: Vec<Problem> = tree.files.iter().flat_map(private_paths).collect();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        problems.extend(dead_links(tree, file));
        problems.extend(dead_paths(tree, file));
        problems.extend(lost_tests(tree, file));
    }
    problems
}

fn private_paths(file: &File) -> Vec<Problem> {
    let mut wanted: Vec<String> = PRIVATE.iter().map(|name| format!("/{name}/")).collect();
    wanted.push(["..", "shared"].join("/"));
    let names = |line: &str| wanted.iter().any(|path| begins_with_path(line, path));
    let lines = file.text.lines().enumerate().filter(|(_, line)| names(line));
    lines
        .map(|(index, _)| {
            let remedy = "name it from the root of the project";
            Problem::new(&file.path, index + 1, "a path of somebody's own machine", remedy)
        })
        .collect()
}

/// Whether `path` stands in `line` by itself, and not inside of a longer path or address.
fn begins_with_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|sign| !sign.is_alphanumeric() && !"_-./~}".contains(sign))
    })
}

fn dead_links(tree: &Tree, file: &File) -> Vec<Problem> {
    let (directory, _) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let mut problems = Vec::new();
    for (line, target) in links(&file.text) {
        let outside = target.contains("://") || target.starts_with("mailto:");
        let path = target.split(['#', '?']).next().unwrap_or_default();
        if outside || path.is_empty() || tree.holds(&join(directory, path)) {
            continue;
        }
        let what = format!("the link to {target} leads nowhere");
        problems.push(Problem::new(&file.path, line, what, "correct or remove it"));
    }
    problems
}

/// The targets of `](…)`, `src="…"`, `srcset="…"` and `href="…"`, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let forms = [("](", ')'), ("src=\"", '"'), ("srcset=\"", '"'), ("href=\"", '"')];
    let mut links = Vec::new();
    for (line, text) in prose(text) {
        for (opening, closing) in forms {
            let parts = text.split(opening).skip(1);
            links.extend(
                parts.filter_map(|part| part.split_once(closing)).map(|(to, _)| (line, to)),
            );
        }
    }
    links
}

fn dead_paths(tree: &Tree, file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (line, text) in prose(&file.text) {
        for word in text.split('`').skip(1).step_by(2) {
            let path = word.split('#').next().unwrap_or_default();
            let is_path = ROOMS.iter().any(|room| path.starts_with(room))
                && !path.contains(|sign: char| sign.is_whitespace() || PATTERN.contains(&sign));
            if is_path && !tree.holds(path) {
                let what = format!("there is no {path}");
                problems.push(Problem::new(&file.path, line, what, "correct or remove it"));
            }
        }
    }
    problems
}

fn lost_tests(tree: &Tree, file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (line, text) in prose(&file.text) {
        for word in text.split('`').skip(1).step_by(2).filter(|word| names_a_test(word)) {
            let declared = format!("fn {word}(");
            if !tree.sources.iter().any(|source| source.text.contains(&declared)) {
                let what = format!("there is no test {word}");
                problems.push(Problem::new(&file.path, line, what, "correct or remove it"));
            }
        }
    }
    problems
}

fn names_a_test(word: &str) -> bool {
    let signs = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '_';
    word.chars().all(signs)
        && word.matches('_').count() >= UNDERSCORES_OF_A_TEST
        && !word.starts_with(METRIC)
}

/// The lines outside of fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_document(text: &str, wanted: &[&str]) {
        let tree = Tree::sample(&[("docs/a.md", text), ("docs/b.md", ""), ("proxy/src/x.rs", "")]);
        let found: Vec<String> = check(&tree).into_iter().map(|p| p.what).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn links_lead_to_files() {
        check_document("[b](b.md#part) [x](../proxy/src/x.rs) [w](https://x.y/z) [h](#h)", &[]);
        check_document("[c](c.md)", &["the link to c.md leads nowhere"]);
        check_document("<img src=\"c.svg\">", &["the link to c.svg leads nowhere"]);
        check_document("```\n[c](c.md)\n```", &[]);
    }

    #[test]
    fn paths_in_code_type_exist() {
        check_document("`proxy/src/x.rs`, `proxy/src/`, `proxy/src/*.rs`, `proxy/x y`", &[]);
        check_document("a\n`proxy/src/y.rs`", &["there is no proxy/src/y.rs"]);
    }

    #[test]
    fn tests_that_are_named_exist() {
        let sources = [("docs/a.md", "`a_b_c_d_e` `loka_b_c_d_e` `a_b_c`"), ("docs/b.md", "")];
        let tree = Tree::sample(&[sources[0], sources[1], ("proxy/src/x.rs", "fn a_b_c_d_e() {}")]);
        assert!(check(&tree).is_empty());
        check_document("x\n`a_b_c_d_f`", &["there is no test a_b_c_d_f"]);
    }

    #[test]
    fn no_path_of_ones_own_machine_is_named() {
        let [private, ..] = PRIVATE;
        check_document(&format!("see /{private}/x"), &["a path of somebody's own machine"]);
        check_document(&format!("https://x.y/{private}/x, a/{private}/x"), &[]);
        check_document(&["see ..", "shared/x"].join("/"), &["a path of somebody's own machine"]);
    }
}
