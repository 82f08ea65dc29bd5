//! The unfinished config: reads fields of one document, turns texts into numbers, and notes where
//! each value came from and what was wrong. A value that cannot be read becomes a zero, which no
//! one sees: with a problem noted there is no config.

use crate::{
    problem::Problem,
    resources::Sourced,
    values::{DurationText, QuantityText},
};

use super::origin::{Explained, Origin};

/// What has been noted so far, over all documents.
#[derive(Debug, Default)]
pub(super) struct Notes {
    explained: Vec<Explained>,
    problems: Vec<Problem>,
}

impl Notes {
    pub(super) fn explain(&mut self, at: &At, value: &str, origin: Origin) {
        let (path, value) = (at.to.clone(), value.to_owned());
        self.explained.push(Explained { path, value, origin });
    }

    /// Notes a problem once, although two routes may come upon it.
    pub(super) fn refuse(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    pub(super) fn finish(self) -> Result<Vec<Explained>, Vec<Problem>> {
        if self.problems.is_empty() { Ok(self.explained) } else { Err(self.problems) }
    }
}

/// A place in a document and the place in the config that it determines.
#[derive(Debug, Clone)]
pub(super) struct At {
    pub(super) from: String,
    pub(super) to: String,
}

impl At {
    pub(super) fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into() }
    }

    /// A field of the same name in both.
    pub(super) fn field(&self, name: &str) -> Self {
        self.renamed(name, name)
    }

    /// A duration: its name in the config ends in the unit.
    pub(super) fn duration(&self, name: &str) -> Self {
        self.renamed(name, &format!("{name}Ms"))
    }

    /// An item of a list of the same name in both.
    pub(super) fn item(&self, list: &str, index: usize) -> Self {
        self.field(&format!("{list}[{index}]"))
    }

    pub(super) fn renamed(&self, from: &str, to: &str) -> Self {
        Self::new(format!("{}.{from}", self.from), format!("{}.{to}", self.to))
    }
}

/// One document, being read into the config.
pub(super) struct Draft<'a, T> {
    pub(super) document: &'a Sourced<T>,
    pub(super) notes: &'a mut Notes,
}

impl<'a, T> Draft<'a, T> {
    pub(super) const fn new(document: &'a Sourced<T>, notes: &'a mut Notes) -> Self {
        Self { document, notes }
    }

    pub(super) fn text(&mut self, at: &At, value: &str) -> String {
        self.notes.explain(at, value, self.origin(&at.from));
        value.to_owned()
    }

    pub(super) fn number<N: TryFrom<i32> + Default>(&mut self, at: &At, value: i32) -> N {
        self.text(at, &value.to_string());
        N::try_from(value).unwrap_or_else(|_| {
            self.refuse(&at.from, "is out of range", "see the description of the field");
            N::default()
        })
    }

    pub(super) fn millis(&mut self, at: &At, value: &DurationText) -> u64 {
        let millis =
            value.duration().ok().and_then(|duration| u64::try_from(duration.as_millis()).ok());
        let Some(millis) = millis else {
            self.refuse(&at.from, "is not a duration", "write it like 30s");
            return 0;
        };
        self.text(at, &millis.to_string());
        millis
    }

    pub(super) fn decimal(&mut self, at: &At, value: &QuantityText) -> String {
        match value.quantity() {
            Ok(quantity) => self.text(at, &quantity.to_string()),
            Err(_) => {
                self.refuse(&at.from, "is not a quantity", "write it like \"8192\"");
                String::new()
            }
        }
    }

    pub(super) fn refuse(&mut self, path: &str, message: &str, remedy: &str) {
        self.notes.refuse(Problem::of(&self.document.document, message, remedy).at(path));
    }

    pub(super) fn refuse_value(&mut self, path: &str, value: &str, message: &str, remedy: &str) {
        let problem = Problem::of(&self.document.document, message, remedy).at(path);
        self.notes.refuse(problem.with_value(&value.into()));
    }

    pub(super) fn origin(&self, path: &str) -> Origin {
        let path = path.to_owned();
        if let Some(variable) = self.document.variable(&path) {
            return Origin::Environment { variable: variable.to_owned(), path };
        }
        if self.document.says(&path) {
            Origin::Document { document: self.document.document.to_string(), path }
        } else {
            Origin::Default { path }
        }
    }
}
