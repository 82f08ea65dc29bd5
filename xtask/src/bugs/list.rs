//! The list: a file for each bug in `tests/bugs/`, and whether it still fits the tree.
//!
//! ```text
//! what: what goes wrong, as its victim would say it
//! like: who had it, or could
//! found by: PACKAGE lib NAME_OF_A_TEST
//! found by: PACKAGE sim NAME_OF_A_TEST
//! found by: PACKAGE fuzz NAME_OF_A_TEST
//! found by: PACKAGE it NAME_OF_A_TEST
//! edit: PATH/OF/A/FILE.rs
//!   a line that shows the place
//! - a line that goes
//! + a line that comes
//! ```
//! Each test that is named must find the bug, by failing.

use std::fs;
use std::path::Path;

use super::edit::{Edit, Line};
use super::trial::{Level, Test};

/// Where the bugs are, from the root.
const BUGS: &str = "tests/bugs";

/// The ending of their files.
const ENDING: &str = ".bug";

/// The list does not get shorter than this.
const BUGS_MIN: usize = 40;

/// A mistake that somebody made or could make, and who finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bug {
    /// The name of its file.
    pub(super) name: String,
    pub(super) what: String,
    pub(super) like: String,
    pub(super) tests: Vec<Test>,
    pub(super) edits: Vec<Edit>,
}

/// All of them, in the order of their names.
pub(super) fn read(root: &Path) -> Result<Vec<Bug>, String> {
    let directory = root.join(BUGS);
    let entries = fs::read_dir(&directory)
        .map_err(|error| format!("cannot list {}: {error}", directory.display()))?;
    let mut bugs = Vec::new();
    for entry in entries.flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let name = file
            .strip_suffix(ENDING)
            .ok_or_else(|| format!("{BUGS}/{file}: only files that end in {ENDING} belong here"))?;
        let text = fs::read_to_string(entry.path()).map_err(|error| format!("{file}: {error}"))?;
        bugs.push(parse(name, &text).map_err(|problem| format!("{BUGS}/{file}:{problem}"))?);
    }
    bugs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(bugs)
}

/// What does not fit the tree at `root`.
pub(super) fn problems(root: &Path, bugs: &[Bug]) -> Vec<String> {
    let of_one = |bug: &Bug| {
        let edits = bug.edits.iter().filter_map(|edit| edit_problem(root, edit));
        let tests = bug.tests.iter().filter_map(|test| test.problem(root));
        let found: Vec<String> = edits.chain(tests).collect();
        found.into_iter().map(|what| format!("{BUGS}/{}{ENDING}: {what}", bug.name)).collect()
    };
    bugs.iter().flat_map(|bug| -> Vec<String> { of_one(bug) }).collect()
}

/// A list that has got too short to mean anything.
pub(super) fn too_few(bugs: &[Bug]) -> Option<String> {
    let count = bugs.len();
    (count < BUGS_MIN).then(|| format!("{BUGS}: {count} bugs; keep at least {BUGS_MIN}"))
}

fn edit_problem(root: &Path, edit: &Edit) -> Option<String> {
    if !edit.changes() {
        return Some(format!("the edit of {} changes nothing", edit.path));
    }
    let text = fs::read_to_string(root.join(&edit.path))
        .map_err(|error| format!("{}: {error}", edit.path));
    text.and_then(|text| edit.apply(&text)).err()
}

/// Reads one file; a problem begins with the number of its line.
fn parse(name: &str, text: &str) -> Result<Bug, String> {
    let (what, like, tests, edits) = (String::new(), String::new(), Vec::new(), Vec::new());
    let mut bug = Bug { name: name.to_owned(), what, like, tests, edits };
    for (number, line) in (1..).zip(text.lines()) {
        bug.take(line).map_err(|problem| format!("{number}: {problem}"))?;
    }
    let Bug { what, like, tests, edits, .. } = &bug;
    if what.is_empty() || like.is_empty() || tests.is_empty() || edits.is_empty() {
        return Err("1: it needs `what:`, `like:`, `found by:` and `edit:`".to_owned());
    }
    Ok(bug)
}

// === impl Bug ===

impl Bug {
    /// The test programs that must be built to find it, the dearest first.
    pub(super) fn programs(&self) -> Vec<(Level, &str)> {
        let mut programs: Vec<(Level, &str)> =
            self.tests.iter().map(|test| (test.level, test.package.as_str())).collect();
        programs.sort_unstable_by(|one, other| other.cmp(one));
        programs.dedup();
        programs
    }

    fn take(&mut self, line: &str) -> Result<(), String> {
        if let Some(edit) = self.edits.last_mut()
            && let Some(line) = edit_line(line)
        {
            edit.lines.push(line);
            return Ok(());
        }
        match line.split_once(": ") {
            Some(("what", text)) => text.clone_into(&mut self.what),
            Some(("like", text)) => text.clone_into(&mut self.like),
            Some(("found by", text)) => self.tests.push(Level::read_test(text)?),
            Some(("edit", path)) => {
                self.edits.push(Edit { path: path.to_owned(), lines: Vec::new() });
            }
            _ => return Err(format!("`{line}` is no line of a bug; see xtask/src/bugs/list.rs")),
        }
        Ok(())
    }
}

fn edit_line(line: &str) -> Option<Line> {
    let (sign, text) = line.split_at_checked(2).unwrap_or((line, ""));
    let text = text.to_owned();
    match sign {
        "+ " | "+" => Some(Line::New(text)),
        "- " | "-" => Some(Line::Old(text)),
        "  " | "" => Some(Line::Same(text)),
        _ => None,
    }
}

#[cfg(test)]
pub(super) fn sample(name: &str) -> Bug {
    let text = "what: a\nlike: b\nfound by: loka-stratum lib t\nedit: a.rs\n- x\n+ y\n";
    parse(name, text).expect("a bug")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_is_read_as_it_is_written() {
        let text = "what: w: x\nlike: l\nfound by: loka-stratum lib a\nfound by: loka-tests it b\n\
                    edit: a.rs\n  fn a() {\n- b\n+ c\n+\nedit: d.rs\n- e\n";
        let bug = parse("n", text).unwrap();
        assert_eq!((&*bug.name, &*bug.what, &*bug.like), ("n", "w: x", "l"));
        assert_eq!(bug.tests.len(), 2);
        assert_eq!(bug.programs(), [(Level::It, "loka-tests"), (Level::Lib, "loka-stratum")]);
        let [first, second] = &bug.edits[..] else { panic!("{bug:?}") };
        assert_eq!(first.lines.len(), 4);
        assert_eq!(first.lines[0], Line::Same("fn a() {".into()));
        assert_eq!(first.lines[3], Line::New(String::new()));
        assert_eq!((&*second.path, second.lines.len()), ("d.rs", 1));
    }

    #[test]
    fn what_is_no_bug_is_told_with_its_line() {
        assert!(parse("n", "what: a\nlike: b\n").unwrap_err().starts_with("1: it needs"));
        assert!(parse("n", "what: a\nwho: b\n").unwrap_err().starts_with("2: `who: b`"));
        let error = parse("n", "found by: loka-stratum unit t\n").unwrap_err();
        assert!(error.contains("`unit`") && error.contains("fuzz or it"), "{error}");
        let error = parse("n", "found by: loka-tests it\n").unwrap_err();
        assert!(error.contains("fuzz or it"), "{error}");
    }

    #[test]
    fn an_edit_without_a_place_and_a_test_that_is_gone_are_told() {
        let root = crate::workspace::root();
        let bug = Bug { edits: Vec::new(), ..sample("n") };
        let found = problems(&root, std::slice::from_ref(&bug));
        assert!(matches!(&found[..], [one] if one.contains("no test `t`")), "{found:?}");
        let edit =
            Edit { path: "Cargo.toml".into(), lines: vec![Line::Old("no such line".into())] };
        let found = problems(&root, &[Bug { edits: vec![edit], tests: Vec::new(), ..bug }]);
        assert!(matches!(&found[..], [one] if one.contains("no place")), "{found:?}");
        assert!(too_few(&[]).is_some());
    }
}
