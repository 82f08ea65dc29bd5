//! What is wrong with a document, for the person who wrote it: where, what, and what to do.
//! Owns the cutting and redacting of values. Never holds a secret.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// Longer values are cut: the reader knows them, and a line of a terminal is short.
const VALUE_LENGTH_MAX: usize = 64;

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The document, such as `farm.yaml:12 StratumProxy/farm-east`.
    pub document: String,
    /// The field, such as `spec.listeners[0].port`. Empty: the document as a whole.
    pub path: String,
    /// The value that stands there, cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// A problem of a whole document.
    #[must_use]
    pub fn of(document: &impl ToString, message: &str, remedy: &str) -> Self {
        Self {
            document: document.to_string(),
            path: String::new(),
            value: None,
            message: message.to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    /// The same problem, at a field.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// The same problem, with the value that stands there. Not for values that may be secret.
    #[must_use]
    pub fn with_value(mut self, value: &Value) -> Self {
        self.value = Some(shown(value));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.document)?;
        match (self.path.is_empty(), &self.value) {
            (true, _) => {}
            (false, None) => write!(f, "{}: ", self.path)?,
            (false, Some(value)) => write!(f, "{} ({value}): ", self.path)?,
        }
        f.write_str(&self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "\n    remedy: {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// A value on one line, cut, and without the credentials that a URL may carry.
pub(crate) fn shown(value: &Value) -> String {
    let line = value.to_string();
    let line = match line.split_once("://") {
        Some((scheme, rest)) if rest.contains('@') => {
            let after = rest.rsplit_once('@').map_or("", |(_, after)| after);
            format!("{scheme}://…@{after}")
        }
        Some(_) | None => line,
    };
    match line.char_indices().nth(VALUE_LENGTH_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_reads_as_place_fault_and_remedy() {
        let problem = Problem::of(&"farm.yaml:1", "is no port", "choose another")
            .at("spec.listeners[0].port")
            .with_value(&json!(80));
        assert_eq!(
            problem.to_string(),
            "farm.yaml:1: spec.listeners[0].port (80): is no port\n    remedy: choose another"
        );
    }

    #[test]
    fn a_long_value_is_cut() {
        let text = shown(&json!("é".repeat(200)));
        assert_eq!(text.chars().count(), VALUE_LENGTH_MAX + 1);
        assert!(text.ends_with('…'), "{text}");
    }

    #[test]
    fn a_credential_in_a_url_is_not_shown() {
        let text = shown(&json!("stratum+tcp://user:hunter2@pool.example.com:3333"));
        assert_eq!(text, "\"stratum+tcp://…@pool.example.com:3333\"");
    }
}
