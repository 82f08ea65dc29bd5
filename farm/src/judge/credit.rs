//! An exact sum of credited difficulties.

use std::fmt;

use super::difficulty::{Difficulty, write_attos};

/// Work that was credited: the sum of the assigned difficulties, without rounding.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Credit {
    /// In units of 10^−18; saturates at 2^128, which is 2^68 shares of difficulty 1.
    attos: u128,
}

// === impl Credit ===

impl Credit {
    pub fn add(&mut self, difficulty: Difficulty) {
        self.attos = self.attos.saturating_add(difficulty.attos());
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { attos: self.attos.saturating_add(other.attos) }
    }

    /// The sum in units of 10^−18, exact.
    pub fn attos(self) -> u128 {
        self.attos
    }

    /// For display and statistics only.
    pub fn as_f64(self) -> f64 {
        self.attos as f64 / 1e18
    }
}

impl fmt::Display for Credit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_attos(f, self.attos)
    }
}
