//! The further logins of one connection: which are had, which are asked for, which the pool refuses.
//!
//! A share never waits for one: until the pool has said yes, it goes under the plain login, which pays the same account.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A login that no share came under for this long may give way to another.
const IDLE_AFTER: Duration = Duration::from_secs(3600);

/// After so many refusals a pool is taken to want none on this connection: asking for each share would flood it.
const REFUSALS_MAX: usize = 16;

/// The further logins of a connection.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Asked for, had or refused. Never iterated where the order can be seen.
    logins: HashMap<Arc<str>, Login>,
    refusals: usize,
}

#[derive(Debug)]
struct Login {
    standing: LoginStanding,
    last_used: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LoginStanding {
    Asked,
    Granted,
    Refused,
}

/// Under which login a share goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Under {
    /// Under the plain one, and this one is to be asked for.
    Ask(Arc<str>),
    /// Under this one.
    Named(Arc<str>),
    /// Under the plain one.
    Plain(Unnamed),
}

/// Why a share goes under the plain login although its pool is told names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unnamed {
    /// The pool has not said yet.
    Asked,
    /// The pool said no.
    Refused,
    /// There are as many logins as there may be.
    TooMany,
}

// === impl Names ===

impl Names {
    /// Decides for a share under `login`, of which there may be `logins_max`.
    pub(super) fn under(&mut self, now: Instant, login: &str, logins_max: usize) -> Under {
        if let Some((name, known)) = self.logins.get_key_value(login) {
            let (name, standing) = (Arc::clone(name), known.standing);
            if let Some(known) = self.logins.get_mut(login) {
                known.last_used = now;
            }
            return match standing {
                LoginStanding::Asked => Under::Plain(Unnamed::Asked),
                LoginStanding::Granted => Under::Named(name),
                LoginStanding::Refused => Under::Plain(Unnamed::Refused),
            };
        }
        if self.refusals >= REFUSALS_MAX {
            return Under::Plain(Unnamed::Refused);
        }
        if self.in_use() >= logins_max && !self.make_room(now) {
            return Under::Plain(Unnamed::TooMany);
        }
        let name: Arc<str> = login.into();
        let asked = Login { standing: LoginStanding::Asked, last_used: now };
        self.logins.insert(Arc::clone(&name), asked);
        Under::Ask(name)
    }

    /// The pool let a miner in under its login: shares may go under it from now on, if there may be one more.
    pub(super) fn let_in(&mut self, now: Instant, login: &str, logins_max: usize) {
        if let Under::Ask(_) = self.under(now, login, logins_max) {
            self.granted(login);
        }
    }

    /// The pool let a login in.
    pub(super) fn granted(&mut self, login: &str) {
        if let Some(known) = self.logins.get_mut(login) {
            known.standing = LoginStanding::Granted;
        }
    }

    /// The pool wants nothing of a login: when asked for it, or by what it says to its shares.
    pub(super) fn refused(&mut self, login: &str) {
        let former = self.logins.get_mut(login);
        let former =
            former.map(|known| std::mem::replace(&mut known.standing, LoginStanding::Refused));
        if former.is_some_and(|former| former != LoginStanding::Refused) {
            self.refusals += 1;
        }
    }

    /// Logins that the pool counts; refused ones are remembered as well, and there are at most a few of them.
    fn in_use(&self) -> usize {
        self.logins.values().filter(|login| login.standing != LoginStanding::Refused).count()
    }

    /// Forgets the login that was used longest ago, if that is long ago.
    fn make_room(&mut self, now: Instant) -> bool {
        let had = self.logins.iter().filter(|(_, login)| login.standing == LoginStanding::Granted);
        // By name among equals, so that the same run forgets the same login.
        let oldest = had.min_by(|(a, x), (b, y)| (x.last_used, a).cmp(&(y.last_used, b)));
        let idle = oldest.filter(|(_, login)| login.last_used + IDLE_AFTER <= now);
        let idle = idle.map(|(name, _)| Arc::clone(name));
        idle.is_some_and(|name| self.logins.remove(&name).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(login: &str) -> Under {
        Under::Named(login.into())
    }

    fn ask(login: &str) -> Under {
        Under::Ask(login.into())
    }

    #[test]
    fn a_login_is_asked_for_once_and_used_when_it_is_granted() {
        let now = Instant::now();
        let mut names = Names::default();
        assert_eq!(names.under(now, "a.1", 2), ask("a.1"));
        assert_eq!(names.under(now, "a.1", 2), Under::Plain(Unnamed::Asked));
        names.granted("a.1");
        assert_eq!(names.under(now, "a.1", 2), named("a.1"));
        names.refused("a.1");
        assert_eq!(names.under(now, "a.1", 2), Under::Plain(Unnamed::Refused));
    }

    #[test]
    fn logins_are_bounded_and_one_in_use_stays() {
        let start = Instant::now();
        let mut names = Names::default();
        for login in ["a.1", "a.2"] {
            assert_eq!(names.under(start, login, 2), ask(login));
            names.granted(login);
        }
        let later = start + IDLE_AFTER / 2;
        assert_eq!(names.under(later, "a.3", 2), Under::Plain(Unnamed::TooMany));
        assert_eq!(names.under(later, "a.2", 2), named("a.2"));
        let idle = start + IDLE_AFTER;
        assert_eq!(names.under(idle, "a.3", 2), ask("a.3"), "in the place of a.1");
        assert_eq!(names.under(idle, "a.4", 2), Under::Plain(Unnamed::TooMany));
        assert_eq!(names.under(idle, "a.2", 2), named("a.2"), "in use all the time");
    }

    #[test]
    fn a_pool_that_refuses_every_name_is_asked_for_few() {
        let now = Instant::now();
        let mut names = Names::default();
        let mut asked = 0;
        for number in 0..1000 {
            let login = format!("a.{number}");
            if let Under::Ask(login) = names.under(now, &login, 256) {
                asked += 1;
                names.refused(&login);
            }
        }
        assert_eq!(asked, REFUSALS_MAX);
        assert_eq!(names.logins.len(), REFUSALS_MAX, "and few are remembered");
    }

    #[test]
    fn a_refused_login_takes_no_place() {
        let now = Instant::now();
        let mut names = Names::default();
        assert_eq!(names.under(now, "a.1", 1), ask("a.1"));
        names.refused("a.1");
        names.refused("a.1");
        assert_eq!(names.refusals, 1, "counted once");
        assert_eq!(names.under(now, "a.2", 1), ask("a.2"));
    }
}
