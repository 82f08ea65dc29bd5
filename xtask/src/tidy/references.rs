//! Files that nobody references: a module in no module tree, data that no test reads, a document that nothing links.

use std::collections::BTreeSet;

use super::Problem;
use super::crates::Workspace;
use super::source::Source;
use super::tree::Tree;

/// Files that tools and people know by name.
const KNOWN: [&str; 16] = [
    "Cargo.toml",
    "Cargo.lock",
    "clippy.toml",
    "rustfmt.toml",
    "deny.toml",
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    ".gitignore",
    ".dockerignore",
    "config.toml",
    "go.mod",
    "go.sum",
    "run",
];

/// What nothing leads to.
pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Problem> {
    let reached = reached(tree, &workspace.roots);
    let lost = tree.sources.iter().filter(|source| !reached.contains(&source.path));
    let mut problems: Vec<Problem> = lost
        .map(|source| {
            let remedy = "declare it with `mod`, or delete it";
            Problem::new(&source.path, 1, "in the module tree of no crate", remedy)
        })
        .collect();
    let others = tree.paths.iter().filter(|path| !path.ends_with(".rs"));
    problems.extend(others.filter(|path| !is_mentioned(tree, path)).map(|path| {
        let remedy = "refer to it from where it is used, or delete it";
        Problem::new(path, 1, "no other file mentions it", remedy)
    }));
    problems
}

/// Every file that is a module of a crate.
fn reached(tree: &Tree, roots: &[String]) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<(String, Place)> =
        roots.iter().map(|root| (root.clone(), Place::Root)).collect();
    while let Some((path, place)) = open.pop() {
        let Some(source) = tree.sources.iter().find(|source| source.path == path) else { continue };
        if reached.insert(path) {
            open.extend(declared(source, place).into_iter().map(|path| (path, Place::Below)));
        }
    }
    reached
}

/// Where the modules of a file are looked for.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Beside it.
    Root,
    /// In the directory of its name.
    Below,
}

fn declared(source: &Source, place: Place) -> Vec<String> {
    let (directory, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let stem = file.trim_end_matches(".rs");
    let below = match place {
        Place::Root => directory.to_owned(),
        Place::Below => format!("{directory}/{stem}"),
    };
    let modules = source.find(&["mod"]).filter_map(|rest| {
        let [keyword, name, after, ..] = rest else { return None };
        (after.text == ";").then_some((keyword.line, &name.text))
    });
    modules
        .map(|(line, name)| match path_attribute(&source.text, line) {
            Some(path) => join(directory, path),
            None => format!("{below}/{name}.rs"),
        })
        .collect()
}

/// The `#[path = "…"]` on the line above.
fn path_attribute(text: &str, line: usize) -> Option<&str> {
    let above = text.lines().nth(line.checked_sub(2)?)?;
    above.trim().strip_prefix("#[path = \"")?.strip_suffix("\"]")
}

/// `path` seen from `directory`, without `..`.
pub(super) fn join(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

fn is_mentioned(tree: &Tree, path: &str) -> bool {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    // A generator or a test may take all of a directory. A room at the top is named too often to count.
    let whole =
        if directory.contains('/') { directory.to_owned() } else { format!("{directory}/") };
    KNOWN.contains(&name)
        || tree.files.iter().filter(|file| file.path != *path).any(|file| {
            file.text.contains(name) || (!directory.is_empty() && names_path(&file.text, &whole))
        })
}

/// Whether `text` names `path` as a path of its own, not as the beginning of a longer one.
fn names_path(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let after = text.get(at + path.len()..).and_then(|rest| rest.chars().next());
        let slash = after == Some('/');
        let next = if slash {
            text.get(at + path.len() + 1..).and_then(|rest| rest.chars().next())
        } else {
            after
        };
        next.is_none_or(|sign| !sign.is_alphanumeric() && sign != '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_tree(files: &[(&str, &str)], wanted: &[&str]) {
        let workspace = Workspace { roots: vec!["a/src/lib.rs".into()], ..Workspace::default() };
        let found = check(&Tree::sample(files), &workspace);
        let found: Vec<&str> = found.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn modules_are_followed_from_the_roots() {
        let library = ("a/src/lib.rs", "mod b; // mod e;\n#[path = \"../x/f.rs\"]\nmod f;");
        let rest = [("a/src/b.rs", "mod c;"), ("a/src/b/c.rs", ""), ("a/x/f.rs", "")];
        check_tree(&[library, rest[0], rest[1], rest[2]], &[]);
        check_tree(
            &[library, ("a/src/e.rs", ""), ("a/src/c.rs", "")],
            &["a/src/e.rs", "a/src/c.rs"],
        );
    }

    #[test]
    fn data_and_documents_are_mentioned_somewhere() {
        check_tree(&[("a/data/x.json", ""), ("README.md", "see x.json")], &[]);
        check_tree(&[("a/data/x.json", ""), ("README.md", "all of `a/data/`")], &[]);
        check_tree(&[("a/data/x.json", "x.json"), ("README.md", "a/data/y")], &["a/data/x.json"]);
    }

    #[test]
    fn paths_are_joined_without_dots() {
        assert_eq!(join("a/b", "../c/./d.rs"), "a/c/d.rs");
        assert_eq!(join("", "c"), "c");
    }
}
