//! The name under which a miner logs in.

use std::fmt;

use thiserror::Error;

/// A miner's name: 1 to 255 bytes without control characters, safe to log. Not safe as a metric
/// label: anyone may invent as many as they like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerName(Box<str>);

/// A name that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WorkerNameError {
    /// Nothing is left of it without control characters.
    #[error("the worker name is empty: set a user name in the miner's pool settings")]
    Empty,
    /// Longer than any honest firmware sends.
    #[error("the worker name has {bytes} bytes: shorten it to {}", WorkerName::MAX_BYTES)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

impl WorkerName {
    /// Pools in use accept up to 191 bytes; nobody sends more than this.
    pub const MAX_BYTES: usize = 255;

    /// Takes a name from the wire, leaving out control characters: they would forge log lines.
    ///
    /// # Errors
    /// An empty name, or one of more than [`Self::MAX_BYTES`] bytes.
    pub fn from_peer(raw: &str) -> Result<Self, WorkerNameError> {
        let name: String = printable(raw).take(Self::MAX_BYTES + 1).collect();
        if name.is_empty() {
            return Err(WorkerNameError::Empty);
        }
        if name.len() > Self::MAX_BYTES {
            return Err(WorkerNameError::TooLong { bytes: raw.len() });
        }
        Ok(Self(name.into_boxed_str()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a submit with this raw name comes from this worker.
    #[must_use]
    pub fn matches(&self, raw: &str) -> bool {
        // The first comparison is the usual one; the second is for names with control characters.
        *self.0 == *raw || printable(raw).eq(self.0.chars())
    }
}

impl fmt::Display for WorkerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn printable(raw: &str) -> impl Iterator<Item = char> {
    raw.chars().filter(|c| !c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_field_are_kept_as_they_are() {
        for name in ["acct.worker1", "a_b-c@d+e=f,g:h/i~j", "bc1q…x.Ω"] {
            assert_eq!(WorkerName::from_peer(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn control_characters_are_left_out_and_still_match() {
        let name = WorkerName::from_peer("a\r\nb\u{1b}[2J").unwrap();
        assert_eq!(name.as_str(), "ab[2J");
        assert!(name.matches("a\r\nb\u{1b}[2J"));
        assert!(name.matches("ab[2J"));
        assert!(!name.matches("ab"));
        assert!(!name.matches("ab[2Jc"));
    }

    #[test]
    fn empty_and_overlong_names_are_refused() {
        assert_eq!(WorkerName::from_peer(""), Err(WorkerNameError::Empty));
        assert_eq!(WorkerName::from_peer("\n"), Err(WorkerNameError::Empty));
        assert!(WorkerName::from_peer(&"x".repeat(255)).is_ok());
        assert_eq!(
            WorkerName::from_peer(&"x".repeat(256)),
            Err(WorkerNameError::TooLong { bytes: 256 })
        );
    }
}
