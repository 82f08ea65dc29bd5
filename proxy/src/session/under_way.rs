//! Due shares of a miner that are on their way to its pool, until it is known what became of them.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use loka_stratum::downstream::{HandOver, Ticket};
use tokio::sync::oneshot;

/// What is known when a share's fate is told to its miner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// That the pool's socket has it, which takes no time: its miner is read no further until then.
    Handed,
    /// The pool's verdict, or that it was waited for in vain until then. A round trip passes, so its miner goes on.
    Judged { by: Instant },
}

/// They are few: the machine bounds them by what it owes its miner. An empty one holds no heap.
#[derive(Debug, Default)]
pub(super) struct UnderWay(Vec<Share>);

#[derive(Debug)]
struct Share {
    ticket: Ticket,
    answer: oneshot::Receiver<HandOver>,
    known: Known,
}

// === impl UnderWay ===

impl UnderWay {
    pub(super) fn add(
        &mut self,
        ticket: Ticket,
        known: Known,
        answer: oneshot::Receiver<HandOver>,
    ) {
        self.0.push(Share { ticket, answer, known });
    }

    /// Whether the miner may be read further.
    pub(super) fn lets_read(&self) -> bool {
        self.0.iter().all(|share| share.known != Known::Handed)
    }

    /// When the first verdict has been waited for in vain.
    pub(super) fn until(&self) -> Option<Instant> {
        self.0.iter().filter_map(Share::until).min()
    }

    /// One whose verdict is not waited for any longer.
    pub(super) fn take_late(&mut self, now: Instant) -> Option<Ticket> {
        let is_late = |share: &Share| share.until().is_some_and(|until| until <= now);
        self.0.iter().position(is_late).map(|place| self.take(place))
    }

    /// The next of which it is known what became of it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Ticket, HandOver)> {
        let known = self.0.iter_mut().enumerate().find_map(|(place, share)| {
            match Pin::new(&mut share.answer).poll(cx) {
                // A task that drops the share without an answer has lost it, and has booked it so.
                Poll::Ready(result) => Some((place, result.unwrap_or(HandOver::Lost))),
                Poll::Pending => None,
            }
        });
        known.map_or(Poll::Pending, |(place, result)| Poll::Ready((self.take(place), result)))
    }

    fn take(&mut self, place: usize) -> Ticket {
        let ticket = self.0.remove(place).ticket;
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        ticket
    }
}

// === impl Share ===

impl Share {
    fn until(&self) -> Option<Instant> {
        match self.known {
            Known::Handed => None,
            Known::Judged { by } => Some(by),
        }
    }
}
