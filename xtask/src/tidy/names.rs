//! Names that say nothing about what a thing owns.

use super::Problem;
use super::source::{Source, Token};
use super::tree::Tree;

/// Words that mean "the rest".
const EMPTY_WORDS: [&str; 10] = [
    "manager",
    "managers",
    "handler",
    "handlers",
    "helper",
    "helpers",
    "util",
    "utils",
    "processor",
    "processors",
];

/// The words that a definition begins with.
const DEFINES: [&str; 8] = ["struct", "enum", "trait", "type", "fn", "mod", "const", "static"];

const REMEDY: &str = "name it for what it owns or does";

/// Definitions and files with such a name.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems: Vec<Problem> = tree.sources.iter().flat_map(check_source).collect();
    for path in tree.paths.iter().filter(|path| path.ends_with(".rs")) {
        let stem = path.trim_end_matches(".rs").rsplit('/').next().unwrap_or_default();
        if stem == "mod" {
            let what = "a module file called mod.rs";
            problems.push(Problem::new(path, 1, what, "call it like the directory, beside it"));
        } else if is_empty_name(stem) {
            problems.push(Problem::new(path, 1, format!("the name {stem} says nothing"), REMEDY));
        }
    }
    problems
}

fn check_source(source: &Source) -> Vec<Problem> {
    let pairs = source.tokens.windows(2).filter_map(|pair| match pair {
        [keyword, name] if DEFINES.contains(&keyword.text.as_str()) => Some((keyword, name)),
        _ => None,
    });
    pairs.filter_map(|(keyword, name)| problem(source, keyword, name)).collect()
}

fn problem(source: &Source, keyword: &Token, name: &Token) -> Option<Problem> {
    let text = name.text.as_str();
    if is_empty_name(text) {
        let what = format!("the name {text} says nothing");
        return Some(Problem::new(&source.path, name.line, what, REMEDY));
    }
    let getter = keyword.text == "fn" && text.starts_with("get_");
    getter.then(|| {
        let what = format!("the name {text} begins with get_");
        Problem::new(&source.path, name.line, what, "name what it returns")
    })
}

fn is_empty_name(name: &str) -> bool {
    words(name).iter().any(|word| EMPTY_WORDS.contains(&word.as_str()))
}

/// The words of a name in either case: `PoolManager` and `pool_manager` have the same two.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for sign in name.chars() {
        let starts = sign == '_' || sign.is_uppercase();
        if starts && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| sign != '_') {
            word.extend(sign.to_lowercase());
        }
    }
    words
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
    fn names_are_read_by_word() {
        check_file("a.rs", "struct PoolManager;", &["the name PoolManager says nothing"]);
        check_file("a.rs", "fn submit_handler() {}", &["the name submit_handler says nothing"]);
        check_file("a.rs", "fn handle() {} struct Utilisation; mod managed {}", &[]);
    }

    #[test]
    fn files_have_names_too() {
        check_file("a/utils.rs", "", &["the name utils says nothing"]);
        check_file("a/mod.rs", "", &["a module file called mod.rs"]);
    }

    #[test]
    fn nothing_is_got() {
        check_file("a.rs", "fn get_pool() {}", &["the name get_pool begins with get_"]);
        check_file("a.rs", "fn pool() { x.get_mut() }", &[]);
    }
}
