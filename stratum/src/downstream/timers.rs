//! The timers of a miner's session: what is due next, and what to do when it is.

use std::time::{Duration, Instant};

use super::{Close, Downstream, Nameless, NoPool, Outbox, Phase, Terms, Told, View};
use crate::rpc::reply;

/// How long a miner that was asked to reconnect may still have its shares answered.
const LEAVE_GRACE: Duration = Duration::from_secs(1);

/// Everything that a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    Former,
    Handshake,
    Idle,
    LateAuthorize,
    Leave,
    NoPool,
    Vardiff,
}

// === impl Downstream ===

impl Downstream {
    /// When [`super::Input::Timeout`] is due.
    pub fn poll_timeout(&self, terms: &Terms) -> Option<Instant> {
        self.timers(terms).map(|(_, at)| at).min()
    }

    /// Fires everything that is due.
    pub(super) fn timeouts(&mut self, view: &View<'_>, out: &mut Outbox) {
        let now = view.now.instant;
        let due: Vec<Timer> =
            self.timers(view.terms).filter(|(_, at)| *at <= now).map(|(timer, _)| timer).collect();
        for timer in due {
            self.fire(view, timer, out);
        }
    }

    fn timers(&self, terms: &Terms) -> impl Iterator<Item = (Timer, Instant)> {
        [
            (Timer::Former, self.former_at()),
            (Timer::Handshake, self.handshake_at(terms)),
            (Timer::Idle, self.idle_at(terms)),
            (Timer::LateAuthorize, self.late_authorize_at(terms)),
            (Timer::Leave, self.leaving.map(|leaving| leaving.at)),
            (Timer::NoPool, self.no_pool_at(terms)),
            (Timer::Vardiff, self.vardiff_at()),
        ]
        .into_iter()
        .filter_map(|(timer, at)| at.map(|at| (timer, at)))
    }

    fn fire(&mut self, view: &View<'_>, timer: Timer, out: &mut Outbox) {
        match timer {
            Timer::Former => self.resume_subscribe(view, out),
            Timer::Handshake => out.close = Some(self.handshake_fault()),
            Timer::Idle => out.close = Some(Close::Idle),
            Timer::LateAuthorize => self.start_mining(view, out),
            Timer::Leave => self.say_farewell(view, out),
            Timer::NoPool => self.starve(view, out),
            Timer::Vardiff => self.retarget(view, out),
        }
    }

    /// Asks the miner to reconnect, and when the grace is over and nothing is owed, closes.
    fn say_farewell(&mut self, view: &View<'_>, out: &mut Outbox) {
        let Some(leaving) = &mut self.leaving else { return };
        leaving.at = view.now.instant + LEAVE_GRACE;
        match leaving.told {
            Told::No => {
                leaving.told = Told::Yes;
                reply::notification(&mut out.wire, "client.reconnect", "[]");
            }
            Told::Yes if self.answers.is_empty() => out.close = Some(leaving.reason),
            Told::Yes => {}
        }
    }

    fn handshake_fault(&self) -> Close {
        match self.phase {
            Phase::Waiting(_) => Close::NoPool,
            Phase::Fresh(_) | Phase::Subscribed(_) | Phase::Mining(_) => Close::HandshakeTimeout,
        }
    }

    /// A miner whose subscribe waits for us is not late; the terms for having no pool hold for it.
    fn handshake_at(&self, terms: &Terms) -> Option<Instant> {
        match (&self.phase, terms.no_pool) {
            (Phase::Mining(_), _) if !self.peer.workers.is_empty() => None,
            (Phase::Waiting(_), no_pool) => no_pool.closes_at(self.peer.opened),
            _ => Some(self.peer.opened + terms.handshake_timeout),
        }
    }

    /// A miner without work has nothing to say.
    fn idle_at(&self, terms: &Terms) -> Option<Instant> {
        let Phase::Mining(mining) = &self.phase else { return None };
        mining.starved.is_none().then(|| self.peer.heard + terms.idle_timeout)
    }

    /// When to ask again whether the miner's former connection has given way.
    fn former_at(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Waiting(waiting) => waiting.former.as_ref().map(|former| former.ask_at),
            Phase::Fresh(_) | Phase::Subscribed(_) | Phase::Mining(_) => None,
        }
    }

    fn late_authorize_at(&self, terms: &Terms) -> Option<Instant> {
        match (&self.phase, terms.nameless) {
            (Phase::Subscribed(state), Nameless::Served) => Some(state.release_at),
            (Phase::Fresh(_) | Phase::Waiting(_) | Phase::Subscribed(_) | Phase::Mining(_), _) => {
                None
            }
        }
    }

    fn no_pool_at(&self, terms: &Terms) -> Option<Instant> {
        let Phase::Mining(mining) = &self.phase else { return None };
        let starved = mining.starved?;
        if terms.no_pool == NoPool::Wait {
            return None;
        }
        let closes_at = terms.no_pool.closes_at(starved.since);
        [Some(starved.notice_at), closes_at].into_iter().flatten().min()
    }

    fn vardiff_at(&self) -> Option<Instant> {
        let Phase::Mining(mining) = &self.phase else { return None };
        (mining.starved.is_none() && self.leaving.is_none()).then_some(mining.check_at)
    }
}
