//! The feeds of a listener: one for each route that its rules can lead to, and the entry for miners whose route is not
//! settled yet. They are built here from the routes' work and the listener's own terms, and from nothing else.
//!
//! A feed is of one route for as long as it lives. When the routes change, those that are left are told for a last time,
//! with a generation that sends their miners to ask the rules again.

use std::sync::Arc;
use std::time::Duration;

use loka_stratum::downstream::{Nameless, NoPool, Terms};
use loka_stratum::extranonce::Layout;
use loka_stratum::types::VersionMask;
use loka_stratum::work::Work;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::dedicated::Kit;
use super::guards::Guards;
use super::{Orders, Reachable, vardiff};
use crate::fleet::Dedicated;
use crate::pipeline::{Conduct, Pace};
use crate::router::Rules;
use crate::seats::Seats;
use crate::session::{Answers, Feed, FeedPool, Generation, SessionContext, Stage, Switch, Way};
use crate::sink::ledger::{CLASS_OTHER, RowKey, Rows};
use crate::workers::Tasks;

/// Feeds that nobody is sent to any more, and that somebody may still read.
const RETIRED_MAX: usize = 32;

type Sender = watch::Sender<Arc<Feed>>;

/// What a listener publishes.
#[derive(Debug)]
pub(super) struct Feeds {
    generation: Generation,
    rules: Arc<Rules>,
    /// In the order of the orders' routes.
    channels: Vec<Channel>,
    /// What newcomers read: the entry where several routes can be reached, else the one that there is.
    newcomers: Sender,
    /// The seats of those who have no route yet. No route's task looks at them.
    entry_seats: Arc<Seats>,
    retired: Vec<Sender>,
    tasks: Tasks,
    /// The feeds of single miners end with these.
    life: CancellationToken,
    _end: DropGuard,
}

/// What feeds are made of, next to the work of routes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Makings<'a> {
    pub(super) orders: &'a Orders,
    pub(super) guards: &'a Guards,
    pub(super) context: &'a Arc<SessionContext>,
}

#[derive(Clone, Debug)]
struct Channel {
    route: Arc<str>,
    /// Of those whose miners have pool connections of their own.
    dedicated: Option<Arc<Dedicated>>,
    feed: Sender,
}

// === impl Feeds ===

impl Feeds {
    pub(super) fn new(makings: Makings<'_>, tasks: Tasks) -> Self {
        let orders = makings.orders;
        let life = CancellationToken::new();
        let entry_seats = Arc::<Seats>::default();
        let generation = Generation::default();
        let entry = entry_feed(makings, generation, &entry_seats);
        let mut feeds = Self {
            generation,
            rules: Arc::clone(&orders.rules),
            channels: Vec::new(),
            newcomers: Sender::new(Arc::new(entry)),
            entry_seats,
            retired: Vec::new(),
            tasks,
            _end: life.clone().drop_guard(),
            life,
        };
        feeds.lay(makings);
        feeds
    }

    /// What a newcomer reads.
    pub(super) fn entry(&self) -> watch::Receiver<Arc<Feed>> {
        self.newcomers.subscribe()
    }

    /// Everything anew, by new orders.
    pub(super) fn reorder(&mut self, makings: Makings<'_>) {
        let orders = makings.orders;
        let now = self.channels.iter().map(|now| (&now.route, now.dedicated.is_some()));
        let wanted = orders.routes.iter().map(|to| (&to.name, to.dedicated.is_some()));
        if self.rules != orders.rules || !now.eq(wanted) {
            self.generation.0 += 1;
            self.rules = Arc::clone(&orders.rules);
            self.lay(makings);
        } else {
            for index in 0..orders.routes.len() {
                self.publish(index, makings);
            }
        }
        self.retired.retain(|retired| retired.receiver_count() > 0);
        for retired in &self.retired {
            retired.send_modify(|feed| Arc::make_mut(feed).leave = orders.leave);
        }
    }

    /// The work of one route has changed.
    pub(super) fn publish(&mut self, index: usize, makings: Makings<'_>) {
        let orders = makings.orders;
        let generation = self.generation;
        if let (Some(channel), Some(route)) = (self.channels.get(index), orders.routes.get(index)) {
            channel.feed.send_replace(Arc::new(route_feed(route, makings, generation)));
        }
        if has_entry(orders) {
            let entry = entry_feed(makings, generation, &self.entry_seats);
            self.newcomers.send_replace(Arc::new(entry));
        }
    }

    /// Makes the channels those of the orders. The switch first: whoever is woken asks it.
    fn lay(&mut self, makings: Makings<'_>) {
        let Makings { orders, guards: _, context } = makings;
        let generation = self.generation;
        let mut former = std::mem::take(&mut self.channels);
        let mut fresh = Vec::new();
        for route in &orders.routes {
            let feed = Arc::new(route_feed(route, makings, generation));
            let known = former.iter().position(|channel| channel.route == route.name);
            let sender = match known {
                Some(known) => former.remove(known).feed,
                None => Sender::new(Arc::clone(&feed)),
            };
            let (name, dedicated) = (Arc::clone(&route.name), route.dedicated.clone());
            self.channels.push(Channel { route: name, dedicated, feed: sender });
            fresh.push(feed);
        }
        let gone = former.into_iter().map(|channel| channel.feed);
        let entry = self.lay_entry(makings);
        let gone: Vec<Sender> = gone.chain(entry).collect();
        context.switchboard.set(Some(self.switch(context)));
        for (channel, feed) in self.channels.iter().zip(fresh) {
            channel.feed.send_replace(feed);
        }
        for feed in gone {
            self.retire(feed, orders);
        }
    }

    /// Makes the newcomers' feed what it is to be; returns the one that is not any more.
    fn lay_entry(&mut self, makings: Makings<'_>) -> Option<Sender> {
        let was_entry = self.newcomers.borrow().stage == Stage::Entry;
        match (has_entry(makings.orders), self.channels.first()) {
            (false, Some(own)) => {
                let former = std::mem::replace(&mut self.newcomers, own.feed.clone());
                was_entry.then_some(former)
            }
            (true, _) | (false, None) => {
                let entry = entry_feed(makings, self.generation, &self.entry_seats);
                match was_entry {
                    true => drop(self.newcomers.send_replace(Arc::new(entry))),
                    // A route's: it stays, or is retired, among the channels.
                    false => self.newcomers = Sender::new(Arc::new(entry)),
                }
                None
            }
        }
    }

    /// Its readers are sent on; those that still need its route keep it for a while.
    fn retire(&mut self, feed: Sender, orders: &Orders) {
        feed.send_modify(|feed| {
            let feed = Arc::make_mut(feed);
            (feed.generation, feed.leave) = (self.generation, orders.leave);
        });
        if self.retired.len() >= RETIRED_MAX {
            self.retired.remove(0);
        }
        self.retired.push(feed);
    }

    fn switch(&self, context: &Arc<SessionContext>) -> Switch {
        let private = |channel: &Channel| {
            let kit = Kit {
                dedicated: Arc::clone(channel.dedicated.as_ref()?),
                named: channel.feed.subscribe(),
                context: Arc::clone(context),
                tasks: self.tasks.clone(),
                life: self.life.clone(),
            };
            Some(kit.opening())
        };
        let way = |channel: &Channel| Way {
            route: Arc::clone(&channel.route),
            feed: channel.feed.subscribe(),
            private: private(channel),
        };
        Switch {
            generation: self.generation,
            rules: Arc::clone(&self.rules),
            entry: self.newcomers.subscribe(),
            ways: self.channels.iter().map(way).collect(),
        }
    }
}

/// Whether a miner's route can be known only when its handshake is complete.
fn has_entry(orders: &Orders) -> bool {
    orders.routes.len() > 1 || orders.routes.iter().any(|route| route.dedicated.is_some())
}

/// For miners whose route is not settled: a layout that fits wherever they may be led, and no job.
fn entry_feed(makings: Makings<'_>, generation: Generation, seats: &Arc<Seats>) -> Feed {
    let Makings { orders, guards: _, context } = makings;
    let routes = orders.routes.iter().map(|route| Arc::clone(&route.state.borrow()));
    let layouts: Option<Vec<Layout>> = routes.clone().map(|route| route.work.layout).collect();
    // One that not all firmware takes only where no route can do with another.
    let smallest = |layout: &Layout| (layout.is_narrow(), layout.total());
    let layout = layouts.and_then(|all| all.into_iter().min_by_key(smallest));
    // An id is one that each of them can serve.
    let banks = routes.clone().map(|route| route.work.banks).min_by_key(|banks| banks.0);
    let banks = banks.unwrap_or_default();
    // Bits that one route lets roll and another does not are taken back by the first job.
    let masks = routes.map(|route| route.version_mask);
    let mask = masks.reduce(|one, other| VersionMask(one.0 | other.0)).unwrap_or(VersionMask::NONE);
    let own: Arc<str> = orders.rules.own().into();
    Feed {
        stage: Stage::Entry,
        generation,
        answers: Answers::WhenWritten,
        work: Work { layout, banks, ..Work::default() },
        seats: Arc::clone(seats),
        terms: terms(makings, NoPool::Wait, mask),
        conduct: conduct(makings),
        line_bytes_max: line_bytes_max(orders),
        pools: Vec::new(),
        unknown: rows(context, &own, "", ""),
        time: context.ledger.time().row(&context.listener, &own),
        leave: orders.leave,
        route: own,
    }
}

fn route_feed(route: &Reachable, makings: Makings<'_>, generation: Generation) -> Feed {
    let Makings { orders, guards: _, context } = makings;
    let state = route.state.borrow();
    let pools = state.pools.iter().map(|handle| FeedPool {
        rows: rows(context, &state.name, &handle.name, &handle.account),
        handle: Arc::clone(handle),
    });
    Feed {
        route: Arc::clone(&state.name),
        stage: Stage::Route,
        generation,
        answers: Answers::WhenWritten,
        work: state.work.clone(),
        seats: Arc::clone(&state.seats),
        terms: terms(makings, state.no_pool, state.version_mask),
        conduct: conduct(makings),
        line_bytes_max: line_bytes_max(orders),
        pools: pools.collect(),
        unknown: rows(context, &state.name, "", ""),
        time: context.ledger.time().row(&context.listener, &state.name),
        leave: orders.leave,
    }
}

fn terms(makings: Makings<'_>, no_pool: NoPool, version_mask: VersionMask) -> Terms {
    let Makings { orders, guards, context: _ } = makings;
    let config = &orders.config;
    Terms {
        vardiff: vardiff(&config.difficulty),
        handshake_timeout: Duration::from_millis(config.limits.handshake_timeout_ms),
        idle_timeout: Duration::from_millis(config.limits.idle_timeout_ms),
        no_pool,
        version_mask,
        firmware: orders.firmware.clone(),
        nameless: match guards.gate {
            Some(_) => Nameless::Wait,
            None => Nameless::Served,
        },
    }
}

fn conduct(makings: Makings<'_>) -> Conduct {
    let Makings { orders, guards, context: _ } = makings;
    let limits = &orders.config.limits;
    let Guards { tallies, gate, of: _ } = guards;
    Conduct {
        pace: Pace { per_second: limits.submits_per_second, burst: limits.submit_burst },
        tallies: tallies.clone(),
        gate: gate.clone(),
    }
}

fn line_bytes_max(orders: &Orders) -> usize {
    usize::try_from(orders.config.limits.max_line_bytes).unwrap_or(usize::MAX)
}

pub(super) fn rows(
    context: &SessionContext,
    route: &Arc<str>,
    pool: &str,
    account: &str,
) -> Arc<Rows> {
    context.ledger.rows(&RowKey {
        listener: Arc::clone(&context.listener),
        route: Arc::clone(route),
        pool: pool.into(),
        account: account.into(),
        class: CLASS_OTHER.into(),
    })
}
