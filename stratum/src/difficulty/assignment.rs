//! What a miner was told to beat.

use super::{Difficulty, Target};

/// A difficulty with its target, worked out once per change instead of once per share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    difficulty: Difficulty,
    target: Target,
}

impl Assignment {
    /// Assigns a difficulty.
    #[must_use]
    pub fn new(difficulty: Difficulty) -> Self {
        Self { difficulty, target: difficulty.target() }
    }

    /// The difficulty, which is what a share is credited with.
    #[must_use]
    pub fn difficulty(&self) -> Difficulty {
        self.difficulty
    }

    /// The target, which is what a hash is compared with.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target
    }

    /// The easier of two. Miners change over with the next job or at once, as they please, so
    /// shares for a job that was sent before a change are held to the easier one.
    #[must_use]
    pub fn easier(self, other: Self) -> Self {
        if other.difficulty < self.difficulty { other } else { self }
    }
}
