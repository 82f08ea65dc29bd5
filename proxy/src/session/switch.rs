//! Which route's work a miner is fed from: the rules, asked when its handshake is complete and whenever they change.
//!
//! Until then it reads its listener's entry, which holds a layout and no job where the rules can lead elsewhere. A miner
//! that moves is sent another job and nothing else; for a while it may still answer those that it had.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use loka_stratum::job::JobTable;
use tokio::sync::watch;

use super::driver::Session;
use super::{Feed, FeedPool};
use crate::router::{Newcomer, Rules};
use crate::upstream::PoolId;

/// How long the jobs of a route that a miner has left are answered as before: more than the slowest takes to change jobs.
const FORMER_KEPT: Duration = Duration::from_secs(30);

/// Rises whenever the routes that a listener's miners can take have changed, or the way to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Generation(pub(crate) u32);

/// What a feed is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Miners whose route is not settled yet.
    Entry,
    /// The miners of a route.
    Route,
    /// One miner, whose pool connections are its own.
    Private,
}

/// When a miner is told that its share is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// When the pool's verdict has come, and by that.
    ByThePool,
    /// When the pool's socket has it.
    WhenWritten,
}

/// Opens a route of its own for the miner of this name.
pub(crate) struct Opening(Box<Open>);

type Open = dyn Fn(&str) -> watch::Receiver<Arc<Feed>> + Send + Sync;

/// Where the miners of a listener can be sent.
#[derive(Debug)]
pub(crate) struct Switch {
    pub(crate) generation: Generation,
    pub(crate) rules: Arc<Rules>,
    /// For those whose handshake is not complete.
    pub(crate) entry: watch::Receiver<Arc<Feed>>,
    /// One for each route that the rules lead to.
    pub(crate) ways: Vec<Way>,
}

/// The way to a route.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) route: Arc<str>,
    pub(crate) feed: watch::Receiver<Arc<Feed>>,
    /// Where each miner has pool connections of its own.
    pub(crate) private: Option<Opening>,
}

/// A listener's switch; none before its start and after its end.
#[derive(Debug, Default)]
pub(crate) struct Switchboard(
    /// Contended by sessions whose handshake has just been completed or whose rules have changed; held for a clone.
    Mutex<Option<Arc<Switch>>>,
);

/// What a session has asked the rules with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing yet, or there was nothing to ask.
    Nothing,
    /// Before its miner had a name.
    Nameless,
    /// All that there is to know.
    All,
}

/// The feed of a route that a miner has left.
#[derive(Debug)]
pub(super) struct Former {
    /// As it was.
    feed: Arc<Feed>,
    /// For as long as it is held, the route is fed.
    _kept: watch::Receiver<Arc<Feed>>,
    until: Instant,
}

// === impl Opening ===

impl Opening {
    pub(crate) fn new(
        open: impl Fn(&str) -> watch::Receiver<Arc<Feed>> + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(open))
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opening")
    }
}

// === impl Switchboard ===

impl Switchboard {
    pub(crate) fn set(&self, switch: Option<Switch>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = switch.map(Arc::new);
    }

    fn now(&self) -> Option<Arc<Switch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

// === impl Switch ===

impl Switch {
    fn way(&self, newcomer: &Newcomer<'_>) -> Option<&Way> {
        let route = self.rules.route(newcomer);
        self.ways.iter().find(|way| *way.route == *route)
    }
}

// === impl Former ===

impl Former {
    pub(super) fn jobs(&self) -> &JobTable {
        &self.feed.work.jobs
    }
}

// === impl Session ===

impl Session {
    /// Whether the rules must be asked (again), now that `feed` is what the session reads.
    pub(super) fn is_misplaced(&self, feed: &Feed) -> bool {
        let is_mining = self.machine.is_mining();
        feed.generation > self.generation
            || (is_mining && feed.stage == Stage::Entry)
            || (self.asked == Asked::Nameless && self.machine.worker().is_some())
    }

    /// What the session reads from now on.
    pub(super) fn look(&mut self, now: Instant) -> Arc<Feed> {
        if self.former.as_ref().is_some_and(|former| former.until <= now) {
            self.former = None;
        }
        let feed = self.fed();
        if !self.is_misplaced(&feed) {
            return feed;
        }
        let Some(switch) = self.context.switchboard.now() else { return feed };
        self.generation = switch.generation;
        self.take(&switch, &feed, now);
        self.fed()
    }

    fn fed(&mut self) -> Arc<Feed> {
        let seen = self.seen.take().filter(|_| matches!(self.feed.has_changed(), Ok(false)));
        seen.unwrap_or_else(|| Arc::clone(&self.feed.borrow_and_update()))
    }

    fn take(&mut self, switch: &Switch, feed: &Arc<Feed>, now: Instant) {
        let to = match self.machine.is_mining() {
            false => Some(switch.entry.clone()),
            true => self.ask(switch, feed),
        };
        let Some(to) = to.filter(|to| !to.same_channel(&self.feed)) else { return };
        let left = std::mem::replace(&mut self.feed, to);
        self.is_moved = true;
        if feed.stage != Stage::Entry && self.machine.is_mining() {
            let until = now + FORMER_KEPT;
            self.former = Some(Box::new(Former { feed: Arc::clone(feed), _kept: left, until }));
        }
    }

    /// The feed that is the miner's by the rules; none where it has to stay, for now or for good.
    fn ask(&mut self, switch: &Switch, feed: &Feed) -> Option<watch::Receiver<Arc<Feed>>> {
        let worker = self.machine.worker().map(|worker| worker.as_str());
        if let Some(worker) = worker {
            // One that was given work before it told its name has one now.
            self.card.named(worker, self.machine.user_agent().unwrap_or_default());
        }
        self.asked = worker.map_or(Asked::Nameless, |_| Asked::All);
        let source = self.peer().ip();
        let way = switch.way(&Newcomer { worker, source, firmware: self.machine.class() })?;
        let Some(opening) = &way.private else { return Some(way.feed.clone()) };
        let is_there = feed.stage == Stage::Private && feed.route == way.route;
        // Without a name there is no login yet.
        worker.filter(|_| !is_there).map(|worker| opening.0(worker))
    }

    /// Where shares for the jobs of `pool` go.
    pub(super) fn pool<'a>(&'a self, feed: &'a Feed, pool: PoolId) -> Option<&'a FeedPool> {
        let former = || self.former.as_ref().and_then(|former| former.feed.pool(pool));
        feed.pool(pool).or_else(former)
    }

    /// What its firmware is counted and routed as.
    pub(super) fn class(&self) -> &str {
        self.machine.class()
    }
}
