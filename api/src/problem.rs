//! What is wrong with a document, for the person who wrote it: where, what, and what to do.
//! Owns the cutting and redacting of values, and that nothing of a document reaches a terminal as
//! a control character. Never holds a secret.

use std::{borrow::Cow, fmt};

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
        write!(f, "{}: ", printable(&self.document))?;
        let path = printable(&self.path);
        match (path.is_empty(), &self.value) {
            (true, _) => {}
            (false, None) => write!(f, "{path}: ")?,
            (false, Some(value)) => write!(f, "{path} ({}): ", printable(value))?,
        }
        f.write_str(&printable(&self.message))?;
        if !self.remedy.is_empty() {
            write!(f, "\n    remedy: {}", printable(&self.remedy))?;
        }
        Ok(())
    }
}

/// On one line, and without anything that a terminal obeys.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

impl std::error::Error for Problem {}

/// A value on one line, cut, and without the credentials that a URL may carry.
pub(crate) fn shown(value: &Value) -> String {
    shortened(&without_credentials(value.to_string())).into_owned()
}

/// Hides what stands before the `@` of a URL, or of `user:password@host` without a scheme, and
/// what stands behind a URL's `?`.
fn without_credentials(line: String) -> String {
    let (scheme, rest) = match line.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), line.as_str()),
    };
    match rest.rsplit_once('@') {
        Some((before, after)) if !scheme.is_empty() || before.contains(':') => {
            format!("{scheme}…@{after}")
        }
        Some(_) | None => match rest.split_once('?') {
            Some((address, _)) if !scheme.is_empty() => format!("{scheme}{address}?…"),
            Some(_) | None => line,
        },
    }
}

/// A text, cut where it is longer than a reader needs.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(VALUE_LENGTH_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
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
        for (value, expected) in [
            (
                "stratum+tcp://user:hunter2@pool.example.com:3333",
                "stratum+tcp://…@pool.example.com:3333",
            ),
            ("stratum+tcp://a:hunter2@b@pool.example.com", "stratum+tcp://…@pool.example.com"),
            ("acme:hunter2@pool.example.com:3333", "…@pool.example.com:3333"),
            ("acme.w1:hunter2@pool", "…@pool"),
        ] {
            assert!(shown(&json!(value)).contains(expected), "{}", shown(&json!(value)));
            assert!(!shown(&json!(value)).contains("hunter2"), "{}", shown(&json!(value)));
        }
        let text = shown(&json!("stratum+tcp://pool:1?password=hunter2"));
        assert_eq!(text, "\"stratum+tcp://pool:1?…");
        assert_eq!(shown(&json!("me@example.com")), "\"me@example.com\"");
    }

    #[test]
    fn nothing_of_a_document_reaches_a_terminal_as_a_command() {
        let problem = Problem::of(&"f.yaml\u{1b}[2J", "a\nb", "c\rd").at("spec.\u{7}x");
        let text = problem.to_string();
        assert_eq!(text.matches(char::is_control).collect::<String>(), "\n", "{text:?}");
        assert!(text.contains("spec.\u{fffd}x: a\u{fffd}b\n    remedy: c\u{fffd}d"), "{text:?}");
    }
}
