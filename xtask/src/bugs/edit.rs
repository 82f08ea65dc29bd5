//! A change of one file, as lines that go, come and stay, and how it is made.
//!
//! Lines are compared without their indentation, and only a few are named, so that a change of the file elsewhere, or of
//! its layout, does not spoil the edit.

/// Lines of a file that are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// From the root.
    pub(super) path: String,
    pub(super) lines: Vec<Line>,
}

/// One line of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// It comes.
    New(String),
    /// It goes.
    Old(String),
    /// It shows the place, and stays.
    Same(String),
}

// === impl Edit ===

impl Edit {
    /// `text` with the edit made.
    ///
    /// # Errors
    /// The lines are not in `text`, or more than once.
    pub(super) fn apply(&self, text: &str) -> Result<String, String> {
        let lines: Vec<&str> = text.lines().collect();
        let wanted: Vec<&str> = self.lines.iter().filter_map(Line::before).map(str::trim).collect();
        let fits = |place: &[&str]| place.iter().map(|line| line.trim()).eq(wanted.iter().copied());
        let mut places =
            lines.windows(wanted.len().max(1)).enumerate().filter(|(_, place)| fits(place));
        let first = wanted.first().copied().unwrap_or_default();
        let Some((start, _)) = places.next() else {
            return Err(format!("{} has no place for the edit at `{first}`", self.path));
        };
        if places.next().is_some() {
            return Err(format!("{} has several places for the edit at `{first}`", self.path));
        }
        let after = self.lines.iter().filter_map(Line::after);
        let rest = lines.iter().skip(start + wanted.len()).copied();
        let all = lines.iter().take(start).copied().chain(after).chain(rest);
        Ok(all.flat_map(|line| [line, "\n"]).collect())
    }

    /// Whether anything changes.
    pub(super) fn changes(&self) -> bool {
        self.lines.iter().any(|line| !matches!(line, Line::Same(_)))
    }
}

// === impl Line ===

impl Line {
    fn before(&self) -> Option<&str> {
        match self {
            Self::Old(text) | Self::Same(text) => Some(text),
            Self::New(_) => None,
        }
    }

    fn after(&self) -> Option<&str> {
        match self {
            Self::New(text) | Self::Same(text) => Some(text),
            Self::Old(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(lines: &[Line]) -> Edit {
        Edit { path: "a.rs".into(), lines: lines.to_vec() }
    }

    #[test]
    fn lines_go_come_and_stay_whatever_their_indentation() {
        let edit = edit(&[
            Line::Same("fn a() {".into()),
            Line::Old("b();".into()),
            Line::New("c();".into()),
        ]);
        assert!(edit.changes());
        let text = "b();\n  fn a() {\n    b();\n  }\n";
        assert_eq!(edit.apply(text).unwrap(), "b();\nfn a() {\nc();\n  }\n");
    }

    #[test]
    fn a_place_that_is_not_there_or_not_the_only_one_is_told() {
        let edit = edit(&[Line::Old("b();".into())]);
        assert!(edit.apply("c();\n").unwrap_err().contains("no place for the edit at `b();`"));
        assert!(edit.apply("b();\n b();\n").unwrap_err().contains("several places"));
        assert_eq!(edit.apply("b();\n").unwrap(), "");
    }
}
