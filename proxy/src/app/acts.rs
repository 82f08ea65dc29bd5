//! What is done by hand. What concerns connections is done at once, on whoever asks; what changes routes, listeners or the log
//! is ordered from the app's task, which alone changes them, and holds until it is taken back: a later configuration changes
//! nothing of it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use loka_api::runtime_config::{Listener, Pool, Route};
use loka_stratum::downstream::Close;
use tokio::sync::{mpsc, oneshot};

use super::{App, DRAIN_SPREAD, Shared, Supervisor};
use crate::admin::acts::{
    Act, Acting, Ban, Change, LogLevel, PAGE_DEFAULT, PAGE_MAX, Pending, Refusal, Session,
    Sessions, SessionsWanted, Shares,
};
use crate::listener::{MinerCount, leave};
use crate::policy::visitors::{self, BannedBy};
use crate::session::{Card, Facts, Numbers, SessionId};
use crate::telemetry::{AdminEvent, LogLevelError, Telemetry};

/// Acts that wait for the app's task. Each waits for its answer, so there is one for each connection of the admin API.
const ORDERS_MAX: usize = 64;

/// Hashes of difficulty 1.
const HASHES_PER_DIFFICULTY: f64 = 4_294_967_296.0;

/// What is in force by hand.
#[derive(Clone, Debug, Default)]
pub(super) struct ByHand {
    /// By route.
    pub(super) pins: BTreeMap<String, Pin>,
    /// Listeners that take no miners.
    pub(super) drained: BTreeMap<String, Drained>,
    pub(super) log_level_until: Option<Instant>,
}

/// A pool that a route mines on before all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pin {
    pub(super) pool: String,
    /// In Unix seconds.
    pub(super) since: u64,
}

/// A listener that was drained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drained {
    /// In Unix seconds.
    pub(super) since: u64,
}

/// A change that waits for its answer.
#[derive(Debug)]
pub(super) struct Order {
    change: Change,
    answer: oneshot::Sender<Result<String, Refusal>>,
}

/// The hand of whoever runs the proxy.
#[derive(Clone)]
pub struct Hand {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    telemetry: Telemetry,
}

/// The two ends of the orders.
pub(super) fn orders() -> (mpsc::Sender<Order>, mpsc::Receiver<Order>) {
    mpsc::channel(ORDERS_MAX)
}

// === impl App ===

impl App {
    /// What acts on the running proxy, for the admin API.
    pub fn hand(&self) -> Hand {
        let (shared, orders) = (Arc::clone(&self.shared), self.orders.clone());
        Hand { shared, orders, telemetry: self.telemetry.clone() }
    }

    /// Until somebody asks by hand for a drain.
    pub async fn drain_asked(&self) {
        self.shared.drain_asked.cancelled().await;
    }
}

// === impl ByHand ===

impl ByHand {
    /// The route as it is to run.
    pub(super) fn over(&self, route: &Route) -> Route {
        let pin = self.pins.get(&route.name).filter(|pin| has(route, &pin.pool));
        let pin = pin.map(|pin| pin.pool.clone());
        Route { pin: pin.or_else(|| route.pin.clone()), ..route.clone() }
    }
}

/// Whether the route has a pool of this name.
pub(super) fn has(route: &Route, pool: &str) -> bool {
    connections(route, pool).next().is_some()
}

/// The endpoints of a pool.
fn connections<'a>(route: &'a Route, pool: &'a str) -> impl Iterator<Item = &'a Pool> {
    route.pools.iter().filter(move |of| base(&of.name) == pool)
}

/// The StratumPool that an endpoint is of.
fn base(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

// === impl Hand ===

impl fmt::Debug for Hand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hand")
    }
}

impl Acting for Hand {
    fn sessions(&self, wanted: &SessionsWanted) -> Sessions {
        let SessionsWanted { listener, worker, address, after, limit } = wanted;
        let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let is_it = |card: &Card| {
            listener.as_ref().is_none_or(|name| **name == *card.listener)
                && address.is_none_or(|at| at.to_canonical() == card.peer.ip().to_canonical())
                && worker.as_ref().is_none_or(|name| card.is_of(name))
        };
        let all = self.shared.sessions.all(is_it);
        let total = all.len();
        let rest = all.iter().skip_while(|card| after.is_some_and(|after| card.id.0 <= after));
        let mut rest = rest.peekable();
        let sessions: Vec<Session> = rest.by_ref().take(limit).map(|card| shown(card)).collect();
        let last = sessions.last().map(|last| last.id);
        let next = last.filter(|_| rest.peek().is_some());
        Sessions { total, sessions, next }
    }

    fn session(&self, id: u64) -> Option<Session> {
        self.shared.sessions.find(SessionId(id)).map(|card| shown(&card))
    }

    fn bans(&self) -> Vec<Ban> {
        let now = self.shared.clock.now().instant;
        let mut bans = Vec::new();
        for miners in self.listeners() {
            bans.extend(miners.visitors().bans(now).into_iter().map(|ban| Ban {
                listener: miners.listener().to_string(),
                address: match ban.address {
                    IpAddr::V4(address) => address.to_string(),
                    IpAddr::V6(address) => format!("{address}/{}", ban.prefix),
                },
                remaining_seconds: ban.until.saturating_duration_since(now).as_secs(),
                by: match ban.by {
                    BannedBy::Hand => "hand".to_owned(),
                    BannedBy::Offences => "offences".to_owned(),
                },
            }));
        }
        bans
    }

    fn log_level(&self) -> Option<LogLevel> {
        let crate::telemetry::LogLevel { level, instead_of } = self.telemetry.log_level()?;
        let until = self.shared.view().by_hand.log_level_until;
        let now = self.shared.clock.now().instant;
        let remaining = until.map(|until| until.saturating_duration_since(now).as_secs());
        let remaining_seconds = remaining.filter(|_| instead_of.is_some());
        Some(LogLevel { level, instead_of, remaining_seconds })
    }

    fn act<'a>(&'a self, act: &'a Act) -> Pending<'a, Result<String, Refusal>> {
        Box::pin(async move {
            match act {
                Act::Ban { address, lasts, listener } => {
                    self.ban(*address, *lasts, listener.as_deref())
                }
                Act::Pardon { address } => self.pardon(*address),
                Act::Kick { session } => self.kick(*session),
                Act::KickWorker { worker } => self.kick_worker(worker),
                Act::Drain => {
                    self.shared.drain_asked.cancel();
                    Ok("draining: the proxy ends when its miners have left".to_owned())
                }
                Act::Change(change) => self.order(change.clone()).await,
            }
        })
    }
}

impl Hand {
    async fn order(&self, change: Change) -> Result<String, Refusal> {
        let (answer, answered) = oneshot::channel();
        let draining = || Refusal::state("the proxy drains", "nothing is changed any more");
        self.orders.send(Order { change, answer }).await.map_err(|_| draining())?;
        answered.await.map_err(|_| draining())?
    }

    fn listeners(&self) -> Vec<MinerCount> {
        let view = self.shared.view();
        view.listeners.iter().filter_map(|listener| listener.miners.clone()).collect()
    }

    fn ban(
        &self,
        address: IpAddr,
        lasts: Duration,
        listener: Option<&str>,
    ) -> Result<String, Refusal> {
        let now = self.shared.clock.now().instant;
        let all = self.listeners();
        let is_it = |miners: &&MinerCount| listener.is_none_or(|name| name == &**miners.listener());
        let at: Vec<&MinerCount> = all.iter().filter(is_it).collect();
        if at.is_empty() {
            let known = all.iter().map(|miners| &**miners.listener());
            return Err(Refusal::unknown("listener", listener.unwrap_or_default(), known));
        }
        if let Some(miners) = at.iter().find(|miners| miners.visitors().exempts(address)) {
            let name = miners.listener();
            let error = format!("listener {name} exempts {address}");
            let remedy = format!(
                "take it out of limits.exempt of listener {name}, or ban it at another listener"
            );
            return Err(Refusal::asked(error, remedy));
        }
        for miners in &at {
            // Looked at above; a configuration that comes in between is the later one.
            miners.visitors().ban(now, address, lasts).ok();
        }
        let is_there = |card: &Card| {
            visitors::count_as_one(card.peer.ip(), address)
                && at.iter().any(|miners| *miners.listener() == card.listener)
        };
        let gone = kick_all(&self.shared.sessions.all(is_there));
        let seconds = lasts.as_secs();
        Ok(format!("{address} is refused for {seconds} s; {gone} connection(s) let go"))
    }

    fn pardon(&self, address: IpAddr) -> Result<String, Refusal> {
        let now = self.shared.clock.now().instant;
        let all = self.listeners();
        let pardoned = all.iter().filter(|miners| miners.visitors().pardon(now, address)).count();
        match pardoned {
            0 => {
                let remedy = "GET /v1/bans (stratum-proxy ctl bans) shows those that hold";
                Err(Refusal::missing(format!("{address} is not banned"), remedy))
            }
            count => Ok(format!("{address} is let in again at {count} listener(s)")),
        }
    }

    fn kick(&self, id: u64) -> Result<String, Refusal> {
        let Some(card) = self.shared.sessions.find(SessionId(id)) else {
            return Err(Refusal::no_session(id));
        };
        card.kick();
        Ok(format!("session {id} is let go once its shares in flight are answered"))
    }

    fn kick_worker(&self, worker: &str) -> Result<String, Refusal> {
        match kick_all(&self.shared.sessions.all(|card| card.is_of(worker))) {
            0 => Err(Refusal::no_worker(worker)),
            count => Ok(format!(
                "{count} connection(s) of {worker} let go once their shares in flight are answered"
            )),
        }
    }
}

fn kick_all(cards: &[Arc<Card>]) -> usize {
    cards.iter().for_each(|card| card.kick());
    cards.len()
}

fn shown(card: &Card) -> Session {
    let Facts { worker, user_agent, route, pool } = card.facts();
    let Numbers { difficulty, rate, last_share, accepted, refused, due, work } = card.numbers();
    Session {
        id: card.id.0,
        listener: card.listener.to_string(),
        address: card.peer.to_string(),
        worker: worker.map(String::from),
        user_agent: user_agent.map(String::from),
        route: route.map(|name| name.to_string()),
        pool: pool.map(|name| name.to_string()),
        difficulty,
        hashrate: rate * HASHES_PER_DIFFICULTY,
        since: card.since.0.into(),
        last_share: last_share.map(|at| at.0.into()),
        shares: Shares {
            accepted: accepted.into(),
            due: due.into(),
            rejected: refused.into(),
            accepted_difficulty: work,
        },
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// Does what was ordered, and answers.
    pub(super) async fn obey(&mut self, order: Order) {
        let Order { change, answer } = order;
        let done = match change {
            Change::Pin { route, pool } => self.pin(&route, pool),
            Change::Unpin { route } => self.unpin(&route),
            Change::DrainListener { listener } => self.drain_listener(&listener),
            Change::Resume { listener } => self.resume(&listener).await,
            Change::LogLevel { level, lasts } => self.log_level(&level, lasts),
            Change::LogLevelBack => self.log_level_back(),
        };
        self.shared.view().by_hand = self.by_hand.clone();
        // Whoever asked may have gone.
        drop(answer.send(done));
    }

    fn route(&self, name: &str) -> Result<Route, Refusal> {
        let routes = self.applied.as_ref().map(|now| &now.applied.config.routes);
        let routes = routes.into_iter().flatten();
        let found = routes.clone().find(|route| route.name == name);
        let known = routes.map(|route| route.name.as_str());
        found.cloned().ok_or_else(|| Refusal::unknown("route", name, known))
    }

    fn listener(&self, name: &str) -> Result<Arc<Listener>, Refusal> {
        let listeners = self.applied.as_ref().map(|now| &now.applied.config.listeners);
        let listeners = listeners.into_iter().flatten();
        let found = listeners.clone().find(|listener| listener.name == name);
        let known = listeners.map(|listener| listener.name.as_str());
        found.cloned().map(Arc::new).ok_or_else(|| Refusal::unknown("listener", name, known))
    }

    /// Whatever the hand wants, hash goes nowhere that the allow-list does not have.
    fn pin(&mut self, route: &str, pool: String) -> Result<String, Refusal> {
        let config = self.route(route)?;
        if !has(&config, &pool) {
            let known = config.pools.iter().map(|of| base(&of.name));
            return Err(Refusal::unknown(&format!("pool of route {route}"), &pool, known));
        }
        for of in connections(&config, &pool) {
            let (host, port) = (&of.endpoint.host, of.endpoint.port);
            if self.fleet.allowed.allows(host, port, &of.account).is_err() {
                let error = format!("the allow-list does not have {} at {host}:{port}", of.account);
                return Err(Refusal::asked(error, "compare the StratumPool with the allow-list"));
            }
        }
        let said = format!(
            "route {route} is pinned to {pool}, whatever later configurations say, until it is unpinned"
        );
        let since = u64::from(self.seams.clock.now().unix.0);
        self.by_hand.pins.insert(route.to_owned(), Pin { pool, since });
        self.rerun(&config);
        Ok(said)
    }

    fn unpin(&mut self, route: &str) -> Result<String, Refusal> {
        let config = self.route(route)?;
        if self.by_hand.pins.remove(route).is_none() {
            let error = format!("route {route} is not pinned by hand");
            return Err(Refusal::asked(error, "a pin of the document is changed in the document"));
        }
        self.rerun(&config);
        Ok(format!("route {route} runs as its configuration says"))
    }

    fn rerun(&self, route: &Route) {
        if let Some(running) = self.routes.get(&route.name) {
            running.config.send_replace(Arc::new(self.by_hand.over(route)));
        }
    }

    fn drain_listener(&mut self, name: &str) -> Result<String, Refusal> {
        self.listener(name)?;
        if self.by_hand.drained.contains_key(name) {
            let error = format!("listener {name} is drained already");
            return Err(Refusal::asked(error, "resume it first, if it is to take miners again"));
        }
        let since = u64::from(self.seams.clock.now().unix.0);
        self.by_hand.drained.insert(name.to_owned(), Drained { since });
        self.failed.retain(|failed| failed.listener.name != name);
        let limit = self.applied.as_ref().map(|now| now.applied.config.drain.timeout_ms);
        let window = Duration::from_millis(limit.unwrap_or_default()).mul_f32(DRAIN_SPREAD);
        let miners = match self.listeners.remove(name) {
            Some(running) => {
                let miners = running.miners.now();
                self.dismiss(running, leave(Close::Drained, window));
                miners
            }
            None => 0,
        };
        self.show_applied();
        let seconds = window.as_secs();
        Ok(format!(
            "listener {name} takes no more miners; its {miners} are let go within {seconds} s"
        ))
    }

    async fn resume(&mut self, name: &str) -> Result<String, Refusal> {
        let listener = self.listener(name)?;
        if self.by_hand.drained.remove(name).is_none() {
            let error = format!("listener {name} was not drained by hand");
            return Err(Refusal::asked(error, "GET /v1/status shows how the listeners are"));
        }
        self.take_over(vec![listener]).await;
        self.show_applied();
        match self.failed.iter().find(|failed| failed.listener.name == name) {
            None => Ok(format!("listener {name} takes miners again")),
            Some(failed) => {
                let error = format!("listener {name} cannot listen: {}", failed.error);
                let remedy = crate::telemetry::listen_remedy(&failed.error);
                Err(Refusal::state(error, format!("{remedy}; it is tried again meanwhile")))
            }
        }
    }

    fn show_applied(&self) {
        if let Some(now) = &self.applied {
            self.show(&now.applied.config);
        }
    }

    fn log_level(&mut self, level: &str, lasts: Duration) -> Result<String, Refusal> {
        self.seams.telemetry.log_by_hand(Some(level)).map_err(|error| unlogged(&error))?;
        self.by_hand.log_level_until = Some(self.seams.clock.now().instant + lasts);
        Ok(format!("logging at {level} for {} s", lasts.as_secs()))
    }

    fn log_level_back(&mut self) -> Result<String, Refusal> {
        if self.by_hand.log_level_until.take().is_none() {
            let remedy = "the document or --log-level says it";
            return Err(Refusal::asked("the log level was not set by hand", remedy));
        }
        self.seams.telemetry.log_by_hand(None).map_err(|error| unlogged(&error))?;
        let level = self.seams.telemetry.log_level().map(|now| now.level).unwrap_or_default();
        Ok(format!("logging at {level}, as before"))
    }

    /// Its time is over.
    pub(super) fn log_level_over(&mut self) {
        if self.log_level_back().is_ok() {
            let level = self.seams.telemetry.log_level().map(|now| now.level).unwrap_or_default();
            self.seams.telemetry.emit(AdminEvent::LogLevelOver { level: &level });
        }
        self.shared.view().by_hand = self.by_hand.clone();
    }

    /// What a new configuration has no more is no longer in force by hand, and comes back as the document has it.
    pub(super) fn forget_by_hand(&mut self) {
        let Some(now) = &self.applied else { return };
        let config = &now.applied.config;
        let has_route = |name: &str| config.routes.iter().any(|route| route.name == *name);
        let has_listener = |name: &str| config.listeners.iter().any(|of| of.name == *name);
        self.by_hand.pins.retain(|route, _| has_route(route));
        self.by_hand.drained.retain(|listener, _| has_listener(listener));
        self.shared.view().by_hand = self.by_hand.clone();
    }
}

fn unlogged(error: &LogLevelError) -> Refusal {
    match error {
        LogLevelError::NoLogs => Refusal::state(error.to_string(), "none: this is not the program"),
        LogLevelError::Unreadable(_) => {
            let remedy = "give error, warn, info, debug or trace, or directives such as info,loka_proxy=debug";
            Refusal::asked(error.to_string(), remedy)
        }
    }
}

impl Shared {
    /// Locked: written when the configuration or a hand changes something, read by pages.
    pub(super) fn view(&self) -> std::sync::MutexGuard<'_, super::View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
