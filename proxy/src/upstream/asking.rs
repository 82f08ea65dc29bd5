//! Whether a pool lets in a miner: what listeners ask that leave it to the pool, and who waits for the answers.
//!
//! One question of a login at a time, so that its answer is told from others'; who asks with the same password shares it.
//! What cannot be asked, or is not answered, is unsaid: nobody is turned away for that.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;

/// Questions on their way to a pool's task at most.
pub(crate) const QUESTIONS_MAX: usize = 1024;

/// Logins that are known or asked for at most, and those who wait for one of them.
const LOGINS_MAX: usize = 4096;
const WAITING_MAX: usize = 1024;

/// Whether a miner may mine. Not `Debug`: it holds a password.
pub(crate) struct Question {
    /// As the miner calls itself.
    pub(crate) name: Box<str>,
    pub(crate) listener: Box<str>,
    pub(crate) password: Box<str>,
    pub(crate) reply: Reply,
}

/// Who waits for the answer. Dropped, it says that there is none.
pub(crate) struct Reply(Option<oneshot::Sender<Word>>);

/// What a pool says of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    No,
    /// Nothing: it is not connected, does not answer, or has too many logins.
    Unsaid,
    Yes,
}

/// A question that is to be put to the pool: a login and a password. Not `Debug`.
pub(super) struct ToAsk {
    pub(super) login: Arc<str>,
    pub(super) password: Box<str>,
}

/// The questions of one connection. Never iterated where the order can be seen.
#[derive(Default)]
pub(super) struct Asking {
    logins: HashMap<Arc<str>, Login>,
    waiting: usize,
}

#[derive(Default)]
struct Login {
    /// The password that the pool said yes to last.
    granted: Option<Box<str>>,
    /// The one that it is asked with.
    asked: Option<Box<str>>,
    waiting: VecDeque<(Box<str>, Reply)>,
}

// === impl Reply ===

impl Reply {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Word>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(sender)), receiver)
    }

    pub(super) fn say(mut self, word: Word) {
        self.send(word);
    }

    fn send(&mut self, word: Word) {
        if let Some(sender) = self.0.take() {
            // A session that is gone needs no answer.
            sender.send(word).ok();
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.send(Word::Unsaid);
    }
}

// === impl Asking ===

impl Asking {
    /// Takes a question; tells what the pool must be asked for it, if that is not known or under way.
    pub(super) fn ask(
        &mut self,
        login: &Arc<str>,
        password: Box<str>,
        reply: Reply,
    ) -> Option<ToAsk> {
        if self.waiting >= WAITING_MAX
            || (self.logins.len() >= LOGINS_MAX && !self.logins.contains_key(login))
        {
            return None;
        }
        let known = self.logins.entry(Arc::clone(login)).or_default();
        if known.granted.as_ref() == Some(&password) {
            reply.say(Word::Yes);
            return None;
        }
        self.waiting += 1;
        known.waiting.push_back((password.clone(), reply));
        if known.asked.is_some() {
            return None;
        }
        known.asked = Some(password.clone());
        Some(ToAsk { login: Arc::clone(login), password })
    }

    /// The pool's answer; tells what must be asked next of the same login.
    pub(super) fn judged(&mut self, login: &str, word: Word) -> Option<ToAsk> {
        let (login, mut known) = self.logins.remove_entry(login)?;
        let asked = known.asked.take()?;
        let waiting = std::mem::take(&mut known.waiting);
        for (password, reply) in waiting {
            if password == asked {
                self.waiting -= 1;
                reply.say(word);
            } else {
                known.waiting.push_back((password, reply));
            }
        }
        if word == Word::Yes {
            known.granted = Some(asked);
        }
        let next = known.waiting.front().map(|(password, _)| password.clone());
        known.asked.clone_from(&next);
        if known.granted.is_some() || next.is_some() {
            self.logins.insert(Arc::clone(&login), known);
        }
        next.map(|password| ToAsk { login, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(asking: &mut Asking, login: &str, password: &str) -> (bool, oneshot::Receiver<Word>) {
        let (reply, word) = Reply::new();
        let asked = asking.ask(&login.into(), password.into(), reply);
        assert!(asked.as_ref().is_none_or(|it| (&*it.login, &*it.password) == (login, password)));
        (asked.is_some(), word)
    }

    fn said(word: &mut oneshot::Receiver<Word>) -> Option<Word> {
        word.try_recv().ok()
    }

    #[test]
    fn a_login_is_asked_for_once_and_its_answer_is_for_all_who_have_its_password() {
        let mut asking = Asking::default();
        let (first, mut one) = ask(&mut asking, "a.1", "x");
        let (second, mut two) = ask(&mut asking, "a.1", "x");
        assert_eq!((first, second), (true, false));
        assert_eq!((said(&mut one), said(&mut two)), (None, None));
        assert!(asking.judged("a.1", Word::Yes).is_none());
        assert_eq!((said(&mut one), said(&mut two)), (Some(Word::Yes), Some(Word::Yes)));
        let (again, mut three) = ask(&mut asking, "a.1", "x");
        assert_eq!((again, said(&mut three)), (false, Some(Word::Yes)), "it is known");
        assert_eq!(asking.waiting, 0);
    }

    #[test]
    fn another_password_is_another_question_and_lets_nobody_in_by_the_first() {
        let mut asking = Asking::default();
        let (_, mut right) = ask(&mut asking, "a.1", "right");
        let (asked, mut wrong) = ask(&mut asking, "a.1", "wrong");
        assert!(!asked, "one at a time");
        let next = asking.judged("a.1", Word::Yes).expect("the other");
        assert_eq!((&*next.login, &*next.password), ("a.1", "wrong"));
        assert_eq!((said(&mut right), said(&mut wrong)), (Some(Word::Yes), None));
        assert!(asking.judged("a.1", Word::No).is_none());
        assert_eq!(said(&mut wrong), Some(Word::No));
        let (asked, mut right) = ask(&mut asking, "a.1", "right");
        assert_eq!((asked, said(&mut right)), (false, Some(Word::Yes)), "the first still holds");
    }

    #[test]
    fn what_is_not_answered_is_unsaid_and_all_of_it_is_bounded() {
        let mut asking = Asking::default();
        let (_, mut word) = ask(&mut asking, "a.1", "x");
        for _ in 1..WAITING_MAX {
            // Whoever goes does not wait; the place is kept until the pool has answered.
            drop(ask(&mut asking, "a.1", "x"));
        }
        let (asked, mut beyond) = ask(&mut asking, "a.2", "x");
        assert_eq!((asked, said(&mut beyond)), (false, Some(Word::Unsaid)));
        drop(asking);
        assert_eq!(said(&mut word), Some(Word::Unsaid));

        let mut asking = Asking::default();
        for login in 0..LOGINS_MAX {
            let (_, _word) = ask(&mut asking, &format!("a.{login}"), "x");
            asking.judged(&format!("a.{login}"), Word::Yes);
        }
        let (asked, mut beyond) = ask(&mut asking, "b.1", "x");
        assert_eq!((asked, said(&mut beyond)), (false, Some(Word::Unsaid)));
    }
}
