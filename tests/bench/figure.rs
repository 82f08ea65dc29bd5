//! One number that was measured, and what is to be said with it.

use std::borrow::Cow;

use serde::Serialize;

/// One number of one subject in one round.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) what: Cow<'static, str>,
    pub(crate) unit: &'static str,
    /// None where it could not be measured; the note says why.
    pub(crate) value: Option<f64>,
    pub(crate) better: Better,
    /// How many miners it is of, where a scene has several numbers of them.
    pub(crate) miners: Option<usize>,
    /// Whether it is also told by how much it is more than without anything between.
    pub(crate) is_added_to: bool,
    /// What limits it, or what it does not say.
    pub(crate) note: Option<String>,
}

/// Which way it is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Less,
    More,
    /// It says how the others came about.
    Neither,
}

/// A number of which less is better.
pub(crate) fn figure(what: impl Into<Cow<'static, str>>, unit: &'static str, value: f64) -> Figure {
    Figure {
        what: what.into(),
        unit,
        value: Some(value),
        better: Better::Less,
        miners: None,
        is_added_to: false,
        note: None,
    }
}

/// A number, by the same name as where there is one, that there is not.
pub(crate) fn lacking(
    what: impl Into<Cow<'static, str>>,
    unit: &'static str,
    why: impl Into<String>,
) -> Figure {
    Figure { value: None, note: Some(why.into()), ..figure(what, unit, 0.0) }
}

// === impl Figure ===

impl Figure {
    pub(crate) fn more_is_better(self) -> Self {
        Self { better: Better::More, ..self }
    }

    pub(crate) fn neither_is_better(self) -> Self {
        Self { better: Better::Neither, ..self }
    }

    /// What is between adds to it.
    pub(crate) fn added_to(self) -> Self {
        Self { is_added_to: true, ..self }
    }

    /// With this note beside what notes it has.
    pub(crate) fn noted(self, note: Option<impl Into<String>>) -> Self {
        let note = match (self.note, note.map(Into::into)) {
            (Some(one), Some(other)) => Some(format!("{one}; {other}")),
            (one, other) => one.or(other),
        };
        Self { note, ..self }
    }

    /// The same of one of several.
    pub(crate) fn of(self, whose: &str) -> Self {
        Self { what: format!("{}, {whose}", self.what).into(), ..self }
    }

    /// The same of so many miners, where a scene has several numbers of them.
    pub(crate) fn of_miners(self, miners: usize) -> Self {
        Self { miners: Some(miners), ..self }
    }
}

/// A number of things, as a reader has it.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
