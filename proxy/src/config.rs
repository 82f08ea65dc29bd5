//! From files and environment to the configuration that runs: read, validated as in a cluster,
//! rendered. Parse, don't validate: what leaves this module is an [`Applied`] or a list of
//! problems.
//!
//! Validation and rendering are `loka_api`'s; this module owns the reading, the secrets' sources,
//! and the checks that need the protocol core. It follows nothing ([`crate::control`] does) and
//! logs nothing.

mod allow_list;
mod files;
#[cfg(test)]
pub(crate) mod fixture;
mod load;
mod secrets;
mod values;

pub use allow_list::load_allow_list;
pub(crate) use allow_list::{parse_allow_list, read_allow_list};
pub use files::{Contents, Inputs};
pub use load::{Applied, Loaded, load};
pub(crate) use values::check as check_values;

use std::fmt;

use loka_api::Problem;
use serde::Serialize;

/// Everything that is wrong with the documents. Each problem names the file, the field, the value
/// and the remedy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConfigError {
    /// What went wrong.
    pub blame: Blame,
    /// Never empty.
    pub problems: Vec<Problem>,
}

/// What kind of trouble a [`ConfigError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Blame {
    /// The documents say something wrong.
    Documents,
    /// The files could not be read.
    Files,
}

// === impl ConfigError ===

impl ConfigError {
    fn documents(problems: Vec<Problem>) -> Self {
        Self { blame: Blame::Documents, problems }
    }

    fn files(problems: Vec<Problem>) -> Self {
        Self { blame: Blame::Files, problems }
    }

    /// One text per problem.
    pub fn texts(&self) -> Vec<String> {
        self.problems.iter().map(ToString::to_string).collect()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} problem(s) in the documents", self.problems.len())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

impl std::error::Error for ConfigError {}
