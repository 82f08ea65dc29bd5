//! What a driver that looks at messages first does with them: turns one away, or lets its miner wait for a decision. Who is
//! let in is not decided here; every answer is given here.

use std::time::Duration;

use super::answers::Answer;
use super::{Downstream, Event, Outbox, View, refuse};
use crate::message::{ClientMessage, ClientRequest};
use crate::rpc::{RejectCode, RequestId};
use crate::share::Reject;

/// A message that is answered with an error and goes no further.
#[derive(Debug)]
pub struct Turned<'a> {
    /// What was asked. A share counts as one that was refused by a limit.
    pub request: &'a ClientRequest<'a>,
    /// What it is answered with.
    pub code: RejectCode,
    /// The same in words.
    pub text: &'static str,
}

// === impl Downstream ===

impl Downstream {
    pub(super) fn turn(&mut self, view: &View<'_>, turned: &Turned<'_>, out: &mut Outbox) {
        let Turned { request, code, text } = turned;
        self.peer.heard = view.now.instant;
        if matches!(request.message, ClientMessage::Submit(_)) {
            let id = request.id.clone().unwrap_or(RequestId::NULL);
            self.answers.say(&mut out.wire, id, Answer::Bad(*code, text));
            out.events.push(Event::Refused(Reject::RateLimited, None));
        } else if let (Some(id), false) = (request.reply_id(), self.answers.is_empty()) {
            // In its turn, behind what the miner is owed.
            self.answers.say(&mut out.wire, id.clone(), Answer::Bad(*code, text));
        } else {
            refuse(out, request.reply_id().cloned(), *code, text);
        }
    }

    /// The miner waits for us, for so long at most, and is neither late nor silent meanwhile.
    pub fn excuse(&mut self, wait: Duration) {
        self.peer.opened += wait;
        self.peer.heard += wait;
    }

    /// The wait was shorter than was excused, by so much.
    pub fn unexcuse(&mut self, rest: Duration) {
        // Taken from what `excuse` added; a clock near its beginning cannot be set back, and need not be.
        let back = |at: std::time::Instant| at.checked_sub(rest).unwrap_or(at);
        self.peer.opened = back(self.peer.opened);
        self.peer.heard = back(self.peer.heard);
    }
}
