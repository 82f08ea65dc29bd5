//! The answers that a miner is owed, in the order in which it asked.
//!
//! A due share is answered when it is known what became of it, and several may be on their way. What is submitted
//! meanwhile is judged at once, but its answer waits for its turn: minerd gives every submit the same id, so that answers
//! can only be told apart by their order.

use std::collections::VecDeque;

use crate::rpc::{RejectCode, RequestId, reply};

/// Answers that are owed at a time; beyond them no line is taken.
pub const ANSWERS_MAX: usize = 32;

/// What a due share is called between the machine and its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u32);

/// What is said of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Good,
    Bad(RejectCode, &'static str),
}

/// What a miner is owed. Most of the time nothing, which takes no heap.
#[derive(Debug, Default)]
pub(super) struct Answers {
    owed: Option<Box<Owed>>,
    /// Of the next answer that is owed.
    next: u32,
}

#[derive(Debug, Default)]
struct Owed {
    /// The oldest first; none where it is not known yet.
    answers: VecDeque<(RequestId, Option<Answer>)>,
    /// A line that is no submit, and must not overtake them.
    stalled: Option<Box<[u8]>>,
}

// === impl Answers ===

impl Answers {
    pub(super) fn len(&self) -> usize {
        self.owed.as_ref().map_or(0, |owed| owed.answers.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.owed.is_none()
    }

    pub(super) fn has_room(&self) -> bool {
        let is_full = |owed: &Owed| owed.answers.len() >= ANSWERS_MAX || owed.stalled.is_some();
        !self.owed.as_deref().is_some_and(is_full)
    }

    /// Says it, or lets it wait for what is owed before.
    pub(super) fn say(&mut self, wire: &mut Vec<u8>, id: RequestId, answer: Answer) {
        match &mut self.owed {
            None => answer.write(wire, &id),
            Some(owed) => {
                owed.answers.push_back((id, Some(answer)));
                self.next = self.next.wrapping_add(1);
            }
        }
    }

    /// It will be known later.
    pub(super) fn await_verdict(&mut self, id: RequestId) -> Ticket {
        let ticket = Ticket(self.next);
        self.next = self.next.wrapping_add(1);
        self.owed.get_or_insert_default().answers.push_back((id, None));
        ticket
    }

    /// It is known now: says what may be said, and gives back the line that was kept until then. Nothing, if it was known.
    pub(super) fn settle(
        &mut self,
        wire: &mut Vec<u8>,
        ticket: Ticket,
        answer: Answer,
    ) -> Option<Box<[u8]>> {
        let behind = usize::try_from(self.next.wrapping_sub(ticket.0)).ok()?;
        let owed = self.owed.as_mut()?;
        let place = owed.answers.len().checked_sub(behind)?;
        if let Some((_, unknown @ None)) = owed.answers.get_mut(place) {
            *unknown = Some(answer);
        }
        while let Some((id, Some(answer))) = owed.answers.front() {
            answer.write(wire, id);
            owed.answers.pop_front();
        }
        if !owed.answers.is_empty() {
            return None;
        }
        self.owed.take().and_then(|owed| owed.stalled)
    }

    /// Keeps a line until nothing is owed any more.
    pub(super) fn stall(&mut self, line: &[u8]) {
        if let Some(owed) = &mut self.owed {
            owed.stalled = Some(line.into());
        }
    }
}

// === impl Answer ===

impl Answer {
    fn write(self, wire: &mut Vec<u8>, id: &RequestId) {
        match self {
            Self::Good => reply::result_true(wire, id),
            Self::Bad(code, text) => reply::submit_error(wire, id, code, text),
        }
    }
}
