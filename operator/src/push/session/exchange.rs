//! Which snapshot is under way, and which answers are to it. Pure; the time is an argument.

use std::time::{Duration, Instant};

use loka_api::control::Identity;

/// The last snapshot that was sent.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    last: Option<Sent>,
}

#[derive(Debug)]
struct Sent {
    identity: Identity,
    at: Instant,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing else is sent until it is answered.
    Awaited,
    /// It took long. The answer still counts, as long as nothing else was sent.
    Late,
    Answered,
}

// === impl Exchange ===

impl Exchange {
    /// A snapshot goes out. Answers to those before it no longer count.
    pub(super) fn sent(&mut self, identity: Identity, now: Instant) {
        self.last = Some(Sent { identity, at: now, state: State::Awaited });
    }

    /// When the snapshot under way is late; none when none is.
    pub(super) fn late_at(&self, patience: Duration) -> Option<Instant> {
        let sent = self.last.as_ref().filter(|sent| sent.state == State::Awaited)?;
        Some(sent.at + patience)
    }

    /// No longer waits for the snapshot under way.
    pub(super) fn give_up(&mut self) -> Option<Identity> {
        let sent = self.last.as_mut().filter(|sent| sent.state == State::Awaited)?;
        sent.state = State::Late;
        Some(sent.identity.clone())
    }

    /// Whether the pod runs what the stream has not brought: the mounted file may be faster. Of what
    /// is older than the last that was sent, nothing is news.
    pub(super) fn is_news(&self, identity: &Identity) -> bool {
        self.last.as_ref().is_none_or(|Sent { identity: last, at: _, state: _ }| {
            identity.epoch == last.epoch && identity.is_newer_than(last)
        })
    }

    /// An answer: how long it took, or none when it is to something else.
    pub(super) fn answered(&mut self, identity: &Identity, now: Instant) -> Option<Duration> {
        let sent = self.last.as_mut().filter(|sent| sent.identity == *identity)?;
        if sent.state == State::Answered {
            return None;
        }
        sent.state = State::Answered;
        Some(now.duration_since(sent.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn identity(sequence: u64) -> Identity {
        Identity { epoch: "e".to_owned(), sequence, hash: format!("h{sequence}") }
    }

    #[test]
    fn the_snapshot_under_way_is_answered_once() {
        let now = Instant::now();
        let mut exchange = Exchange::default();
        assert_eq!(exchange.answered(&identity(1), now), None);
        exchange.sent(identity(1), now);
        assert_eq!(exchange.late_at(PATIENCE), Some(now + PATIENCE));
        assert_eq!(exchange.answered(&identity(2), now), None);
        assert_eq!(exchange.answered(&identity(1), now + PATIENCE / 2), Some(PATIENCE / 2));
        assert_eq!(exchange.late_at(PATIENCE), None);
        assert_eq!(exchange.answered(&identity(1), now), None);
    }

    #[test]
    fn a_late_answer_counts_until_something_newer_is_sent() {
        let now = Instant::now();
        let mut exchange = Exchange::default();
        exchange.sent(identity(1), now);
        assert_eq!(exchange.give_up(), Some(identity(1)));
        assert_eq!((exchange.give_up(), exchange.late_at(PATIENCE)), (None, None));
        assert_eq!(exchange.answered(&identity(1), now + PATIENCE), Some(PATIENCE));
        exchange.sent(identity(2), now);
        exchange.give_up();
        exchange.sent(identity(3), now);
        assert_eq!(exchange.answered(&identity(2), now), None);
        assert_eq!(exchange.answered(&identity(3), now), Some(Duration::ZERO));
    }

    #[test]
    fn what_came_another_way_is_news_if_it_is_newer() {
        let now = Instant::now();
        let mut exchange = Exchange::default();
        assert!(exchange.is_news(&identity(1)));
        exchange.sent(identity(2), now);
        let news = [1, 2, 3].map(|sequence| exchange.is_news(&identity(sequence)));
        assert_eq!(news, [false, false, true]);
        assert!(!exchange.is_news(&Identity { epoch: "other".to_owned(), ..identity(3) }));
    }

    #[test]
    fn the_same_snapshot_sent_again_is_answered_again() {
        let now = Instant::now();
        let mut exchange = Exchange::default();
        for _ in 0..2 {
            exchange.sent(identity(1), now);
            assert_eq!(exchange.answered(&identity(1), now), Some(Duration::ZERO));
        }
    }
}
