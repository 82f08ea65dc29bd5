//! The environment, read once at start into a value, so that whatever parses it can be tested
//! without it.

use std::collections::BTreeMap;
use std::fmt;

/// The variables of the process. Values may be secrets: `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

// === impl Environment ===

impl Environment {
    /// The environment of this process. A value that is not UTF-8 counts as absent.
    pub fn read() -> Self {
        std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of `key`. As the OpenTelemetry specification has it, an empty value counts as
    /// absent.
    pub fn string(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Names of the variables that begin with `prefix`.
    pub fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.keys().map(String::as_str).filter(move |name| name.starts_with(prefix))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value_and_an_empty_value_counts_as_absent() {
        let environment: Environment =
            [("PASSWORD", "hunter2"), ("EMPTY", "")].into_iter().collect();
        assert!(!format!("{environment:?}").contains("hunter2"));
        assert_eq!(environment.string("PASSWORD"), Some("hunter2"));
        assert_eq!(environment.string("EMPTY"), None);
        assert_eq!(environment.names("PASS").collect::<Vec<_>>(), ["PASSWORD"]);
    }
}
