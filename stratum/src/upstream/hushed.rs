//! A pool's words without passwords: some pools repeat what they refuse, and what they say is logged and shown.
//!
//! Ours is struck out. Those of miners are not kept, so once a pool has been told one, nothing of its words is.

use super::{Event, PoolError, Upstream};
use crate::message::PoolMisbehaved;

/// Shorter ones are what miners send for want of one (`x`, `123`), and would be struck out of every second word.
const SECRET_LEN_MIN: usize = 5;

const IN_ITS_PLACE: &str = "(redacted)";
const WITHHELD: &str = "(withheld: this pool was told passwords of miners)";

// === impl Upstream ===

impl<T> Upstream<T> {
    /// Takes passwords out of what these events say.
    pub(super) fn hush_events(&self, events: &mut [Event<T>]) {
        for event in events {
            match event {
                Event::Message(text) | Event::Misbehaved(text) => self.hush(text),
                Event::Login { user: _, of: _, outcome: Err(text) } => self.hush(text),
                // Not just words: it is where the pool wants us. Who shows it hushes it.
                Event::Reconnect { host: Some(host), .. } => self.strike(host),
                Event::Job { .. }
                | Event::Login { .. }
                | Event::Ready(_)
                | Event::Reconnect { .. }
                | Event::Verdict { .. } => {}
            }
        }
    }

    /// The same of what an error says.
    pub(super) fn hushed(&self, mut error: PoolError) -> PoolError {
        match &mut error {
            PoolError::LoginRefused { user: _, message }
            | PoolError::Unusable { request: _, message } => self.hush(message),
            PoolError::Malformed { count: _, last } => match last {
                PoolMisbehaved::NotStratum { detail } => self.hush(detail),
                PoolMisbehaved::WrongField { value, .. } => self.hush(value),
            },
            PoolError::Frame(_)
            | PoolError::HandshakeTimeout { .. }
            | PoolError::JobSilence(_)
            | PoolError::FirstJobTimeout(_)
            | PoolError::SubmitTimeout(_) => {}
        }
        error
    }

    /// Takes out of words of the pool what is not to be shown.
    pub fn hush(&self, text: &mut String) {
        match self.knows_miners {
            true => WITHHELD.clone_into(text),
            false => self.strike(text),
        }
    }

    fn strike(&self, text: &mut String) {
        let password = &*self.login.password;
        if password.len() >= SECRET_LEN_MIN && text.contains(password) {
            *text = text.replace(password, IN_ITS_PLACE);
        }
    }
}
