//! A decision that is on its way, from whoever makes it.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

use super::Decision;
use crate::telemetry::reasons::LoginRefusal;
use crate::upstream::Word;

/// How long a decision of ours is waited for: less than it takes miners to give up on an answer, and more than a queue of
/// logins takes that all come at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a pool's word is: some leave such questions without one.
const PATIENCE_WITH_POOLS: Duration = Duration::from_secs(5);

/// Whoever is waited for.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The list's thread, or the hook.
    Ours(oneshot::Receiver<Decision>),
    Pools(oneshot::Receiver<Word>),
}

// === impl Answer ===

impl Answer {
    pub(crate) const fn patience(&self) -> Duration {
        match self {
            Self::Ours(_) => PATIENCE,
            Self::Pools(_) => PATIENCE_WITH_POOLS,
        }
    }

    /// What it is when it does not come.
    pub(crate) const fn overdue(&self) -> Decision {
        match self {
            Self::Ours(_) => Decision::Out(LoginRefusal::Busy),
            Self::Pools(_) => Decision::of(Word::Unsaid),
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Decision> {
        let overdue = self.overdue();
        match self {
            Self::Ours(decision) => {
                Pin::new(decision).poll(cx).map(|decided| decided.unwrap_or(overdue))
            }
            Self::Pools(word) => {
                Pin::new(word).poll(cx).map(|word| word.map_or(overdue, Decision::of))
            }
        }
    }
}

// === impl Decision ===

impl Decision {
    /// Who leaves it to a pool turns nobody away for a pool that says nothing: the work of a farm whose pool is slow is worth
    /// more than that a stranger works for it.
    const fn of(word: Word) -> Self {
        match word {
            Word::Yes | Word::Unsaid => Self::In(None),
            Word::No => Self::Out(LoginRefusal::Pool),
        }
    }
}
