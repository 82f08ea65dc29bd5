//! The process: builds every route and listener, applies each new configuration to what runs, and drains.
//!
//! The only place that knows all modules. A change touches what differs: a route or listener whose name stays keeps its
//! tasks, its sockets and its miners.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use loka_api::runtime_config::{Listener, Route, Rule, RuntimeConfig};
use loka_stratum::downstream::Close;
use loka_stratum::firmware::Profiles;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::audit::Audited;
use crate::books::{Books, Kept};
use crate::clock::Clock;
use crate::config::{Blame, ConfigError};
use crate::control::{self, AllowedPools, Answer, ConfigFeed, Offer, Offered, Ports, Shown};
use crate::fleet::{Dedicated, FleetSeams, RouteOutput};
use crate::listener::{ListenerSeams, ListenerTask, MinerCount, Orders, Port, firmware, leave};
use crate::policy::backoff::REBIND;
use crate::room::Room;
use crate::session::{Leave, MinerIds, Sessions};
use crate::sink::ledger::Ledger;
use crate::telemetry::reasons::DrainCause;
use crate::telemetry::{ProcessEvent, Telemetry, TraceRef};
use crate::transport::{Bind, Dial};
use crate::upstream::at;
use crate::workers::{Tasks, Workers};

mod acts;
mod memory;
mod ports;
mod routes;
mod status;

use self::acts::{ByHand, Order};
use self::ports::{BoundPort, FailedPort, NewPorts};

pub use self::acts::Hand;
pub use self::status::StatusReader;

/// Miners are asked to leave over this part of the drain timeout, so that the rest is left for the slow ones.
const DRAIN_SPREAD: f32 = 0.25;

/// How often a drain looks whether all miners have left.
const DRAIN_POLL: Duration = Duration::from_millis(50);

/// After the miners have gone, pools may still owe verdicts.
const POOLS_STOP: Duration = Duration::from_secs(6);

/// What the outside world is, for a process or a simulation.
#[derive(Clone)]
pub struct Seams {
    /// How pools are dialled.
    pub dial: Arc<dyn Dial>,
    /// How listeners are bound.
    pub bind: Arc<dyn Bind>,
    /// The clocks.
    pub clock: Clock,
    /// Where sessions live.
    pub workers: Workers,
    /// Logs, metrics, traces.
    pub telemetry: Telemetry,
    /// The address that listeners are bound to.
    pub address: IpAddr,
    /// Makes every random choice of the process.
    pub seed: u64,
    /// The ledger: a new one, or one that goes on from an earlier process.
    pub books: Books,
    /// The audit log, if there is one.
    pub audit: Option<Audited>,
    /// How many miners there is room for.
    pub room: Room,
}

/// A running proxy.
#[derive(Debug)]
pub struct App {
    shared: Arc<Shared>,
    stop: CancellationToken,
    drain: watch::Sender<Option<DrainOrder>>,
    orders: mpsc::Sender<Order>,
    telemetry: Telemetry,
    tasks: Tasks,
}

#[derive(Clone, Copy, Debug)]
struct DrainOrder {
    cause: DrainCause,
}

/// What the app's task and status pages share.
#[derive(Debug)]
struct Shared {
    ledger: Arc<Ledger>,
    kept: Option<watch::Receiver<Kept>>,
    audit: Option<Audited>,
    room: Room,
    /// Bytes of the jobs of all routes.
    jobs: Arc<AtomicUsize>,
    clock: Clock,
    shown: Shown,
    sessions: Arc<Sessions>,
    /// Somebody asks by hand for a drain.
    drain_asked: CancellationToken,
    /// Written when the configuration changes, read by status pages and drain.
    view: Mutex<View>,
}

#[derive(Debug, Default)]
struct View {
    applied: Option<Offered>,
    applied_unix: u64,
    routes: Vec<(String, RouteOutput)>,
    listeners: Vec<ListenerView>,
    draining: Option<&'static str>,
    by_hand: ByHand,
}

#[derive(Clone, Debug)]
struct ListenerView {
    name: String,
    bound: Result<SocketAddr, String>,
    miners: Option<MinerCount>,
}

struct RunningRoute {
    config: watch::Sender<Arc<Route>>,
    output: RouteOutput,
    /// Makes those of its miners, where each has one of its own.
    dedicated: Arc<Dedicated>,
    stop: CancellationToken,
}

struct RunningListener {
    config: Arc<Listener>,
    address: SocketAddr,
    orders: watch::Sender<Orders>,
    miners: MinerCount,
    /// Cancelled when its port is closed.
    closed: CancellationToken,
}

/// The app's task.
struct Supervisor {
    seams: Seams,
    fleet: FleetSeams,
    listening: ListenerSeams,
    shared: Arc<Shared>,
    offers: mpsc::Receiver<Offer>,
    /// What runs; none before the first.
    applied: Option<Offered>,
    routes: HashMap<String, RunningRoute>,
    /// Those of the configuration that is applied.
    rules: Vec<Rule>,
    listeners: HashMap<String, RunningListener>,
    /// Listeners whose name or address has gone; kept until their miners have.
    leaving: Vec<RunningListener>,
    failed: Vec<FailedPort>,
    /// What is known of miners' software, by the configuration in use.
    firmware: Profiles,
    random: fastrand::Rng,
    leave: Option<Leave>,
    /// What is asked for by hand, and what of it is in force.
    orders: mpsc::Receiver<Order>,
    by_hand: ByHand,
}

// === impl App ===

impl App {
    /// Starts what the feed begins with, if it does, and then whatever it brings.
    ///
    /// # Errors
    /// Every listener of the first configuration that cannot be bound: the miners would be somewhere else and nobody would
    /// notice. Nothing of it has begun then. Later that is retried, or refused.
    pub async fn start(seams: Seams, feed: ConfigFeed) -> Result<Self, ConfigError> {
        let ConfigFeed { first, offers, shown, allowed } = feed;
        let tasks = Tasks::default();
        let Books { ledger, kept } = seams.books.clone();
        let (sessions, drain_asked) = (Arc::default(), CancellationToken::new());
        let (clock, view, telemetry) = (seams.clock, Mutex::default(), seams.telemetry.clone());
        let (audit, room, jobs) = (seams.audit.clone(), seams.room.clone(), Arc::default());
        let shared =
            Shared { ledger, kept, audit, room, jobs, clock, shown, sessions, drain_asked, view };
        let (shared, (orders, orders_out)) = (Arc::new(shared), acts::orders());
        let stop = CancellationToken::new();
        let (drain, drain_orders) = watch::channel(None);
        let inputs = (offers, orders_out);
        let mut supervisor = Supervisor::new(seams, inputs, allowed, Arc::clone(&shared), &tasks);
        if let Some(first) = first {
            let applied = supervisor.apply(Offered { ports: Ports::AllOrNothing, ..first }).await;
            applied.map_err(|problems| ConfigError { blame: Blame::Documents, problems })?;
        }
        tasks.spawn(supervisor.run(stop.clone(), drain_orders));
        Ok(Self { shared, stop, drain, orders, telemetry, tasks })
    }

    /// Lets the miners go, waits for what is owed to them and by the pools, and ends. Within the drain timeout.
    pub async fn drain(&self, cause: DrainCause) {
        self.drain.send_replace(Some(DrainOrder { cause }));
        self.tasks.join().await;
    }

    /// Ends without a drain; what is in flight is booked as unanswered or lost.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.join().await;
    }
}

// === impl Supervisor ===

impl Supervisor {
    fn new(
        seams: Seams,
        (offers, orders): (mpsc::Receiver<Offer>, mpsc::Receiver<Order>),
        allowed: AllowedPools,
        shared: Arc<Shared>,
        tasks: &Tasks,
    ) -> Self {
        let mut random = fastrand::Rng::with_seed(seams.seed);
        let fleet = FleetSeams {
            dial: Arc::clone(&seams.dial),
            clock: seams.clock,
            telemetry: seams.telemetry.clone(),
            tasks: tasks.clone(),
            allowed,
            random: random.fork(),
            pool_ids: Arc::new(AtomicU32::new(1)),
            serials: FleetSeams::first_serials(seams.clock.now().unix),
            jobs: Arc::clone(&shared.jobs),
        };
        let listening = ListenerSeams {
            clock: seams.clock,
            telemetry: seams.telemetry.clone(),
            ledger: Arc::clone(&shared.ledger),
            ids: Arc::new(MinerIds::new(random.u32(..))),
            room: seams.room.clone(),
            sessions: Arc::clone(&shared.sessions),
            tasks: tasks.clone(),
            workers: seams.workers.clone(),
            random: random.fork(),
            dial: Arc::clone(&seams.dial),
        };
        Self {
            seams,
            fleet,
            listening,
            shared,
            offers,
            applied: None,
            routes: HashMap::new(),
            rules: Vec::new(),
            listeners: HashMap::new(),
            leaving: Vec::new(),
            failed: Vec::new(),
            firmware: Profiles::shipped(),
            random,
            leave: None,
            orders,
            by_hand: ByHand::default(),
        }
    }

    async fn run(
        mut self,
        stop: CancellationToken,
        mut drain: watch::Receiver<Option<DrainOrder>>,
    ) {
        loop {
            let rebind = self.seams.clock.now().instant + REBIND;
            let retry = !self.failed.is_empty() || !self.leaving.is_empty();
            let level_over = self.by_hand.log_level_until;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Ok(()) = drain.changed() => {
                    let order = *drain.borrow_and_update();
                    if let Some(order) = order {
                        self.drain(order, &stop).await;
                        break;
                    }
                }
                // No more of them when nobody is left to change anything; what runs, runs on.
                Some(Offer { offered, answer }) = self.offers.recv() => {
                    let applied = self.apply(offered).await;
                    // Its source may have gone down meanwhile.
                    drop(answer.send(applied));
                }
                Some(order) = self.orders.recv() => self.obey(order).await,
                () = sleep_until(at(rebind)), if retry => {
                    self.retry().await;
                }
                () = sleep_until(at(level_over.unwrap_or(rebind))), if level_over.is_some() => {
                    self.log_level_over();
                }
            }
        }
        self.end().await;
    }

    /// Makes what runs the same as what is offered, or changes nothing.
    async fn apply(&mut self, offered: Offered) -> Answer {
        let config = Arc::clone(&offered.applied.config);
        let is_same =
            self.applied.as_ref().is_some_and(|now| now.applied.hash == offered.applied.hash);
        if is_same {
            self.name(offered);
            return Ok(TraceRef::NONE);
        }
        let mut ports = self.bind_new(&config).await;
        // One that cannot be had since the start is no reason to refuse what comes later.
        let is_refused = ports.failed.iter().any(|failed| !self.is_failing(&failed.listener));
        if offered.ports == Ports::AllOrNothing && is_refused {
            return Err(ports.problems(&offered.applied.origin));
        }
        self.failed.clear();
        for failed in std::mem::take(&mut ports.failed) {
            self.failed(failed);
        }
        self.seams.telemetry.configure(&config.observability);
        self.apply_routes(&config);
        if self.applied.as_ref().is_none_or(|now| now.applied.config.firmware != config.firmware) {
            self.firmware = firmware(&config.firmware);
        }
        self.rules.clone_from(&config.rules);
        self.apply_listeners(&config, ports).await;
        self.drop_routes(&config);
        let before = self.applied.replace(offered.clone());
        self.forget_by_hand();
        {
            let mut view = self.shared.view.lock().unwrap_or_else(PoisonError::into_inner);
            view.applied_unix = u64::from(self.seams.clock.now().unix.0);
            view.applied = Some(offered.clone());
        }
        self.show(&config);
        let before = before.as_ref().map(|offered| &*offered.applied.config);
        Ok(control::applied(&self.seams.telemetry, before, &offered))
    }

    /// What runs has a new name, and nothing else is new.
    fn name(&mut self, offered: Offered) {
        control::adopted(&self.seams.telemetry, &offered);
        let mut view = self.shared.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.applied = Some(offered.clone());
        self.applied = Some(offered);
    }

    async fn apply_listeners(&mut self, config: &RuntimeConfig, mut ports: NewPorts) {
        let mut waiting = Vec::new();
        for listener in &config.listeners {
            let listener = Arc::new(listener.clone());
            if self.by_hand.drained.contains_key(&listener.name) {
                // Until it is resumed by hand.
            } else if self.has_port(&listener) {
                self.reorder(&listener);
            } else if let Some(bound) = ports.bound.remove(&listener.name) {
                self.move_or_start(&listener, bound);
            } else if !self.failed.iter().any(|failed| failed.listener.name == listener.name) {
                waiting.push(listener);
            }
        }
        let gone: Vec<String> = self
            .listeners
            .keys()
            .filter(|name| !config.listeners.iter().any(|listener| listener.name == **name))
            .cloned()
            .collect();
        let window = Duration::from_millis(config.drain.timeout_ms).mul_f32(DRAIN_SPREAD);
        for name in gone {
            if let Some(running) = self.listeners.remove(&name) {
                self.dismiss(running, leave(Close::ListenerRemoved, window));
            }
        }
        self.take_over(waiting).await;
        self.reorder_leaving(config, leave(Close::ListenerRemoved, window));
    }

    /// Miners on a port that has moved are their listener's still: its changes are theirs, and its end as well.
    fn reorder_leaving(&mut self, config: &RuntimeConfig, removed: Leave) {
        for running in &self.leaving {
            let name = &running.config.name;
            let listener = config.listeners.iter().find(|listener| listener.name == *name);
            let current =
                listener.and_then(|listener| self.orders_for(&Arc::new(listener.clone())));
            running.orders.send_modify(|orders| match current {
                Some(new) => {
                    let leave = orders.leave.or(new.leave);
                    *orders = Orders { leave, port: Port::Closed, ..new };
                }
                None => {
                    orders.leave.get_or_insert(removed);
                }
            });
        }
    }

    fn reorder(&mut self, listener: &Arc<Listener>) {
        let Some(orders) = self.orders_for(listener) else { return };
        if let Some(running) = self.listeners.get_mut(&listener.name) {
            running.config = Arc::clone(listener);
            running.orders.send_replace(orders);
        }
    }

    /// The new port is bound already; only now does the old one close, and the miners on it stay.
    fn move_or_start(&mut self, listener: &Arc<Listener>, bound: BoundPort) {
        let Some(orders) = self.orders_for(listener) else { return };
        if let Some(running) = self.listeners.remove(&listener.name) {
            self.retire(running);
        }
        let BoundPort { accept, address, closed } = bound;
        let (orders, orders_out) = watch::channel(orders);
        let mut seams = self.listening.clone();
        seams.random = self.random.fork();
        let task = ListenerTask::new(accept, address, orders_out, seams);
        let miners = task.miners();
        self.fleet.tasks.spawn(task.run());
        let config = Arc::clone(listener);
        let running = RunningListener { config, address, orders, miners, closed };
        self.listeners.insert(listener.name.clone(), running);
    }

    async fn start_or_fail(&mut self, listener: &Arc<Listener>) {
        match self.bind(listener).await {
            Ok(bound) => self.move_or_start(listener, bound),
            Err(error) => {
                let (listener, address) = (Arc::clone(listener), self.address(listener));
                self.failed(FailedPort { index: 0, listener, address, error });
            }
        }
    }

    fn failed(&mut self, failed: FailedPort) {
        let FailedPort { index: _, listener, address, error } = &failed;
        self.seams.telemetry.emit(ProcessEvent::ListenerFailed {
            listener: &listener.name,
            address: *address,
            error,
        });
        self.failed.push(failed);
    }

    /// A listener whose port has moved accepts no more, and serves the miners that it has.
    fn retire(&mut self, running: RunningListener) {
        running.orders.send_modify(|orders| orders.port = Port::Closed);
        self.leaving.push(running);
    }

    fn dismiss(&mut self, running: RunningListener, leave: Leave) {
        running.orders.send_modify(|orders| orders.leave = Some(leave));
        self.leaving.push(running);
    }

    /// Tries failed listeners again and forgets those that the last miner has left.
    async fn retry(&mut self) {
        for failed in std::mem::take(&mut self.failed) {
            self.start_or_fail(&failed.listener).await;
        }
        self.leaving.retain(|running| running.miners.now() > 0);
        if let Some(Offered { applied, .. }) = self.applied.clone() {
            self.show(&applied.config);
        }
    }

    /// Shows what runs, for status pages.
    fn show(&self, config: &RuntimeConfig) {
        let mut view = self.shared.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.routes = config
            .routes
            .iter()
            .filter_map(|route| {
                let running = self.routes.get(&route.name)?;
                Some((route.name.clone(), running.output.clone()))
            })
            .collect();
        view.listeners =
            config.listeners.iter().map(|listener| self.listener_view(listener)).collect();
        view.listeners.extend(self.leaving.iter().map(|running| ListenerView {
            name: format!("{} (leaving)", running.config.name),
            bound: Ok(running.address),
            miners: Some(running.miners.clone()),
        }));
    }

    fn listener_view(&self, listener: &Listener) -> ListenerView {
        let running = self.listeners.get(&listener.name);
        let failed = self.failed.iter().find(|failed| failed.listener.name == listener.name);
        ListenerView {
            name: listener.name.clone(),
            bound: match (failed, running) {
                (Some(failed), _) => Err(failed.error.to_string()),
                (None, Some(running)) => Ok(running.address),
                (None, None) if self.by_hand.drained.contains_key(&listener.name) => {
                    Err("drained by hand: stratum-proxy ctl resume takes miners again".into())
                }
                (None, None) => Err("not bound".into()),
            },
            miners: running.map(|running| running.miners.clone()),
        }
    }

    fn miners(&self) -> usize {
        self.listeners.values().chain(&self.leaving).map(|running| running.miners.now()).sum()
    }

    async fn drain(&mut self, order: DrainOrder, stop: &CancellationToken) {
        let started = self.seams.clock.now().instant;
        // What is offered or ordered from now on is refused by its not being answered.
        self.offers.close();
        self.orders.close();
        while self.orders.try_recv().is_ok() {}
        while self.offers.try_recv().is_ok() {}
        let limit = self.applied.as_ref().map(|now| now.applied.config.drain.timeout_ms);
        let limit = limit.map(Duration::from_millis).unwrap_or_default();
        let miners = self.miners();
        self.seams.telemetry.emit(ProcessEvent::Draining {
            cause: order.cause,
            miners,
            timeout: limit,
        });
        self.shared.view.lock().unwrap_or_else(PoisonError::into_inner).draining =
            Some(order.cause.label());
        let window = limit.mul_f32(DRAIN_SPREAD);
        for running in self.listeners.values().chain(&self.leaving) {
            let leave = leave(Close::Drained, window);
            running.orders.send_modify(|orders| orders.leave = Some(leave));
        }
        self.wait_for_miners(started + limit, stop).await;
        self.seams.telemetry.emit(ProcessEvent::Drained {
            after: self.seams.clock.now().instant.saturating_duration_since(started),
            miners_left: self.miners(),
        });
    }

    async fn wait_for_miners(&self, until: Instant, stop: &CancellationToken) {
        while self.miners() > 0 && !stop.is_cancelled() {
            if self.seams.clock.now().instant >= until {
                return;
            }
            sleep(DRAIN_POLL).await;
        }
    }

    /// Ends listeners and their sessions first, then the routes: no share may find its pool gone before its miner.
    async fn end(mut self) {
        self.listeners.clear();
        self.leaving.clear();
        let gone = async {
            while self.miners_of_closed() > 0 {
                sleep(DRAIN_POLL).await;
            }
        };
        drop(timeout(POOLS_STOP, gone).await);
        for running in self.routes.values() {
            running.stop.cancel();
        }
    }

    fn miners_of_closed(&self) -> usize {
        let view = self.shared.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.listeners.iter().filter_map(|l| l.miners.as_ref()).map(MinerCount::now).sum()
    }
}
