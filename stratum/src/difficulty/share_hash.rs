//! The double SHA-256 of a header.

use std::fmt;

use super::Target;

/// A header's hash in the order in which SHA-256 gives it, which is a little-endian number.
/// Displayed the other way round, as block explorers do.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShareHash([u8; 32]);

impl ShareHash {
    /// Wraps the bytes that SHA-256 gave.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes that SHA-256 gave.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The difficulty that this hash would just have met, to the precision of a float. A share is
    /// credited with the difficulty that was assigned, never with this one: it is luck.
    #[must_use]
    pub fn difficulty_f64(&self) -> f64 {
        Target::from_le_bytes(self.0).difficulty_f64()
    }
}

impl fmt::Display for ShareHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Target::from_le_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for ShareHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShareHash({self})")
    }
}
