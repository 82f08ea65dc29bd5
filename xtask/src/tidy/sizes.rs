//! How long a function and a file may be. Both limits are hard and without a list of exceptions.

use super::Problem;
use super::tree::Tree;

/// A function that does not fit on a screen is not read.
const FUNCTION_LINES_MAX: usize = 70;

/// A file of this length has a second subject.
const FILE_LINES_MAX: usize = 600;

/// What is too long.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for source in &tree.sources {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            let what = format!("{lines} lines, of at most {FILE_LINES_MAX}");
            problems.push(Problem::new(&source.path, 1, what, "split it by what it owns"));
        }
        for function in source.functions().filter(|f| f.lines > FUNCTION_LINES_MAX) {
            let what = format!(
                "function {} has {} lines, of at most {FUNCTION_LINES_MAX}",
                function.name, function.lines
            );
            let remedy = "take out the parts that have a name of their own";
            problems.push(Problem::new(&source.path, function.line, what, remedy));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_may_have_seventy_lines() {
        let body = |lines: usize| format!("fn f() {{\n{}}}\n", "\n".repeat(lines - 2));
        assert_eq!(check(&Tree::sample(&[("a.rs", &body(70))])), []);
        let found = check(&Tree::sample(&[("a.rs", &body(71))]));
        assert_eq!(found.first().map(|p| p.line), Some(1));
    }

    #[test]
    fn a_file_may_have_six_hundred_lines() {
        assert_eq!(check(&Tree::sample(&[("a.rs", &"\n".repeat(600))])), []);
        assert_eq!(check(&Tree::sample(&[("a.rs", &"\n".repeat(601))])).len(), 1);
    }
}
