//! Requests beside shares on a connection that works: what waits for their answers, bounded.
//!
//! None of them holds anything up: a pool may leave them unanswered for ever.

use std::collections::VecDeque;

use super::LoginOf;

/// Answers that are waited for; beyond it the oldest is given up, and what it would have brought is not had.
const ASIDES_MAX: usize = 512;

/// What was asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Aside {
    /// `mining.authorize` of a further login.
    Login(Box<str>, LoginOf),
    /// `mining.suggest_difficulty`; the answer does not matter.
    Suggestion,
}

/// In the order of their ids.
#[derive(Debug, Default)]
pub(super) struct Asides(VecDeque<(u64, Aside)>);

// === impl Asides ===

impl Asides {
    pub(super) fn push(&mut self, request: u64, aside: Aside) {
        if self.0.len() >= ASIDES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((request, aside));
    }

    /// Removes what `request` asked.
    pub(super) fn take(&mut self, request: u64) -> Option<Aside> {
        let at = self.0.binary_search_by_key(&request, |(id, _)| *id).ok()?;
        self.0.remove(at).map(|(_, aside)| aside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pool_never_answers_is_bounded() {
        let mut asides = Asides::default();
        let asked = u64::try_from(ASIDES_MAX).unwrap() + 1;
        for request in 0..asked {
            asides.push(request, Aside::Suggestion);
        }
        assert_eq!(asides.take(0), None, "the oldest was given up");
        assert_eq!(asides.take(asked - 1), Some(Aside::Suggestion));
        assert_eq!(asides.take(asked - 1), None, "once");
    }
}
