//! Routes: one task per route, which owns its pools, chooses the one that is mined on and publishes the work.
//!
//! Sessions read what it publishes and never wait for it. A pool whose connection breaks keeps its jobs for a moment, in
//! case it resumes the session; one whose address or account changes is replaced by a new task first and left when that
//! one has a job. It knows no miner.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loka_api::runtime_config::{NoPoolPolicy, Route};
use loka_stratum::downstream::NoPool;
use loka_stratum::extranonce::Layout;
use loka_stratum::job::LayoutMisfit;
use loka_stratum::types::{JobSerial, SourceId, VersionMask};
use loka_stratum::work::{CleanEpoch, Work, WorkBoard};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::policy::selector::{Choice, choose};
use crate::seats::Seats;
use crate::telemetry::reasons::{NoPoolAction, SwitchCause};
use crate::telemetry::{PoolEvent, RouteEvent, Telemetry};
use crate::transport::Dial;
use crate::upstream::{News, Notice, PoolHandle, PoolId, UPDATES_MAX, Update, at};
use crate::workers::Tasks;

mod slot;

pub(crate) use self::slot::PoolView;
use self::slot::{Slot, candidates};

/// How long the other pools of a route may still report once one is ready at the start, so that the extranonce layout is
/// chosen for all of them.
const SETTLE: Duration = Duration::from_millis(1500);

/// How long miners' subscribes wait for a pool's extranonce2 size before a layout is taken that fits nearly every pool.
const ASSUME_LAYOUT_AFTER: Duration = Duration::from_secs(5);

/// What a route offers at one moment.
#[derive(Clone, Debug)]
pub(crate) struct RouteState {
    pub(crate) name: Arc<str>,
    pub(crate) work: Work,
    pub(crate) seats: Arc<Seats>,
    /// Rises when seats were moved.
    pub(crate) seating: u64,
    /// Where shares go, by the pool that their job came from.
    pub(crate) pools: Arc<[Arc<PoolHandle>]>,
    pub(crate) no_pool: NoPool,
    pub(crate) version_mask: VersionMask,
}

/// A route for status pages; apart from [`RouteState`], so that a pool's troubles wake no session.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteView {
    pub(crate) active: Option<Arc<str>>,
    pub(crate) epoch: CleanEpoch,
    pub(crate) pools: Vec<PoolView>,
}

/// What a route's task publishes.
#[derive(Clone, Debug)]
pub(crate) struct RouteOutput {
    pub(crate) state: watch::Receiver<Arc<RouteState>>,
    pub(crate) view: watch::Receiver<Arc<RouteView>>,
}

/// What a route's task is given.
pub(crate) struct RouteParts {
    pub(crate) config: watch::Receiver<Arc<Route>>,
    pub(crate) first_serial: JobSerial,
    pub(crate) seams: FleetSeams,
    pub(crate) stop: CancellationToken,
}

/// What every route shares.
#[derive(Clone)]
pub(crate) struct FleetSeams {
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) clock: Clock,
    pub(crate) telemetry: Telemetry,
    pub(crate) tasks: Tasks,
    pub(crate) random: fastrand::Rng,
    pub(crate) pool_ids: Arc<std::sync::atomic::AtomicU32>,
}

/// A route's task.
pub(crate) struct RouteTask {
    name: Arc<str>,
    config: Arc<Route>,
    parts: RouteParts,
    slots: Vec<Slot>,
    updates: mpsc::Receiver<Update>,
    updates_in: mpsc::Sender<Update>,
    board: WorkBoard,
    seats: Arc<Seats>,
    seating: u64,
    /// Sessions that have ended and may yet be resumed, and until when their jobs are kept.
    lingering: HashMap<SourceId, Instant>,
    started: Instant,
    first_ready: Option<Instant>,
    again_at: Option<Instant>,
    /// No pool is left, and it has been said.
    is_starved: bool,
    state: watch::Sender<Arc<RouteState>>,
    view: watch::Sender<Arc<RouteView>>,
}

// === impl RouteState ===

impl RouteState {
    /// Whether a session would see no difference.
    fn says_the_same_as(&self, other: &Self) -> bool {
        let lanes = |state: &Self| {
            let lanes = state.work.lanes.iter();
            lanes.map(|lane| (lane.id, lane.epoch, lane.job.serial)).collect::<Vec<_>>()
        };
        let pools = |state: &Self| state.pools.iter().map(|pool| pool.id).collect::<Vec<_>>();
        lanes(self) == lanes(other)
            && self.seating == other.seating
            && self.work.layout == other.work.layout
            && self.work.jobs.live_count() == other.work.jobs.live_count()
            && pools(self) == pools(other)
            && self.no_pool == other.no_pool
            && self.version_mask == other.version_mask
    }
}

// === impl RouteTask ===

impl RouteTask {
    /// The task, and what it publishes.
    pub(crate) fn new(mut parts: RouteParts) -> (Self, RouteOutput) {
        let config = Arc::clone(&parts.config.borrow_and_update());
        let (updates_in, updates) = mpsc::channel(UPDATES_MAX);
        let board = WorkBoard::new(parts.first_serial, fixed_layout(&config));
        let name: Arc<str> = config.name.as_str().into();
        let seats = Arc::<Seats>::default();
        let state = RouteState {
            name: Arc::clone(&name),
            work: board.work().clone(),
            seats: Arc::clone(&seats),
            seating: 0,
            pools: Arc::default(),
            no_pool: no_pool(&config),
            version_mask: VersionMask(config.version_mask),
        };
        let (state, state_out) = watch::channel(Arc::new(state));
        let (view, view_out) = watch::channel(Arc::default());
        let started = parts.seams.clock.now().instant;
        let mut task = Self {
            name,
            config,
            parts,
            slots: Vec::new(),
            updates,
            updates_in,
            board,
            seats,
            seating: 0,
            lingering: HashMap::new(),
            started,
            first_ready: None,
            again_at: None,
            is_starved: false,
            state,
            view,
        };
        task.reconcile_pools();
        (task, RouteOutput { state: state_out, view: view_out })
    }

    /// Runs until told to stop.
    pub(crate) async fn run(mut self) {
        loop {
            self.select();
            self.publish();
            let wake = self.wake_at();
            tokio::select! {
                biased;
                () = self.parts.stop.cancelled() => break,
                Some(update) = self.updates.recv() => {
                    self.update(update);
                    // What has come together is published together.
                    while let Ok(update) = self.updates.try_recv() {
                        self.update(update);
                    }
                }
                changed = self.parts.config.changed() => match changed {
                    Ok(()) => self.reconfigure(),
                    Err(_) => break,
                },
                () = sleep_until(at(wake)) => {}
            }
            self.timers();
        }
        for slot in &self.slots {
            slot.stop();
        }
    }

    fn now(&self) -> loka_stratum::work::Now {
        self.parts.seams.clock.now()
    }

    fn wake_at(&self) -> Instant {
        let keep_alive = self.board.keep_alive_at(self.keep_alive_period());
        let now = self.now().instant;
        // Over for good once it is past: a route whose pools are all gone has nothing to settle.
        let settle = self.first_ready.map(|at| at + SETTLE).filter(|at| *at > now);
        let assume =
            (self.board.work().layout.is_none()).then(|| self.started + ASSUME_LAYOUT_AFTER);
        let lingering = self.lingering.values().min().copied();
        let outgoing = self.slots.iter().filter_map(Slot::outgoing_until).min();
        let idle = now + Duration::from_secs(60);
        [keep_alive, settle, assume, lingering, outgoing, self.again_at]
            .into_iter()
            .flatten()
            .fold(idle, Instant::min)
    }

    fn keep_alive_period(&self) -> Duration {
        Duration::from_millis(self.config.job_keep_alive_ms)
    }

    fn timers(&mut self) {
        let now = self.now();
        let expired: Vec<SourceId> = self
            .lingering
            .iter()
            .filter(|(_, until)| **until <= now.instant)
            .map(|(source, _)| *source)
            .collect();
        for source in expired {
            self.withdraw(source);
        }
        if now.instant >= self.started + ASSUME_LAYOUT_AFTER {
            self.board.assume_layout(Layout::CONSERVATIVE);
        }
        self.board.keep_alive(now, self.keep_alive_period());
        self.drop_outgoing(now.instant);
    }

    fn update(&mut self, update: Update) {
        let Some(index) = self.slots.iter().position(|slot| slot.handle.id == update.pool) else {
            return;
        };
        match update.news {
            News::Connecting => self.with_slot(index, Slot::connecting),
            News::Ready { source, version_mask } => self.ready(index, source, version_mask),
            News::Job { source, notify, context, now } => {
                self.with_slot(index, |slot| slot.job(now.instant, &context));
                self.first_ready.get_or_insert(now.instant);
                if let Err(misfit) = self.board.offer(now, source, *notify, context) {
                    self.misfit(index, &misfit);
                }
            }
            News::Down { source, reason, detail, notice } => {
                self.with_slot(index, |slot| match notice {
                    Notice::Loud => slot.down(reason, detail),
                    Notice::Quiet => slot.dropped(),
                });
                if let Some(source) = source {
                    let until = self.now().instant + crate::upstream::HOLD_MAX;
                    self.lingering.insert(source, until);
                }
            }
        }
    }

    fn with_slot(&mut self, index: usize, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots.get_mut(index) {
            change(slot);
        }
    }

    /// A login: if it brought the old session back, its jobs were worth keeping; else they are worth nothing.
    fn ready(&mut self, index: usize, source: SourceId, version_mask: VersionMask) {
        let former = self.slots.get(index).and_then(|slot| slot.source);
        self.with_slot(index, |slot| slot.ready(source, version_mask));
        self.lingering.remove(&source);
        if let Some(former) = former.filter(|former| *former != source) {
            self.withdraw(former);
        } else if former.is_some() && self.board.has_offer(source) {
            let now = self.now().instant;
            self.with_slot(index, |slot| slot.resumed(now));
        }
    }

    fn withdraw(&mut self, source: SourceId) {
        self.lingering.remove(&source);
        self.board.withdraw(source);
    }

    fn misfit(&mut self, index: usize, misfit: &LayoutMisfit) {
        self.with_slot(index, |slot| slot.misfit(misfit.to_string()));
        if let Some(slot) = self.slots.get(index) {
            self.parts.seams.telemetry.emit(PoolEvent::Misbehaved {
                route: &self.name,
                pool: &slot.handle.name,
                what: &misfit.to_string(),
            });
        }
    }

    /// Chooses the pool and moves the board to it.
    fn select(&mut self) {
        let now = self.now();
        if self.active().is_none() && !self.settled(now.instant) {
            return;
        }
        let active = self.active_slot();
        let failback = Duration::from_millis(self.config.failback_after_ms);
        let Choice { pool, again_at } =
            choose(&candidates(&self.slots), active, failback, now.instant);
        self.again_at = again_at;
        let Some(index) = pool.filter(|pool| Some(*pool) != active) else { return };
        let Some(source) = self.slots.get(index).and_then(|slot| slot.source) else { return };
        if let Err(misfit) = self.board.activate(now, source) {
            self.misfit(index, &misfit);
            return;
        }
        self.switched(active, index);
    }

    /// Whether every pool has had its say at the start.
    fn settled(&self, now: Instant) -> bool {
        let waited = self.first_ready.is_some_and(|at| now >= at + SETTLE);
        waited || self.slots.iter().all(Slot::has_reported)
    }

    /// The session that is mined on.
    fn active(&self) -> Option<SourceId> {
        self.board.active().next()
    }

    fn active_slot(&self) -> Option<usize> {
        let active = PoolId::of(self.active()?);
        self.slots.iter().position(|slot| slot.handle.id == active)
    }

    fn switched(&mut self, from: Option<usize>, to: usize) {
        let outgoing = from.and_then(|from| self.slots.get(from)).and_then(Slot::outgoing_until);
        let from_ready = from.and_then(|from| self.slots.get(from)).is_some_and(Slot::is_ready);
        let cause = match from {
            None => SwitchCause::FirstPool,
            Some(_) if outgoing.is_some() => SwitchCause::ConfigChanged,
            Some(_) if from_ready => SwitchCause::FailBack,
            Some(_) => SwitchCause::Failover,
        };
        let name = |index: usize| self.slots.get(index).map(|slot| &*slot.handle.name);
        self.parts.seams.telemetry.emit(RouteEvent::Switched {
            route: &self.name,
            from: from.and_then(name),
            to: name(to).unwrap_or_default(),
            cause,
        });
    }

    /// Publishes what is offered now; sessions are woken only if something of it matters to them.
    fn publish(&mut self) {
        let state = RouteState {
            name: Arc::clone(&self.name),
            work: self.board.work().clone(),
            seats: Arc::clone(&self.seats),
            seating: self.seating,
            pools: self.slots.iter().map(|slot| Arc::clone(&slot.handle)).collect(),
            no_pool: no_pool(&self.config),
            version_mask: VersionMask(self.config.version_mask),
        };
        let active = self.active_slot().and_then(|index| self.slots.get(index));
        self.view.send_replace(Arc::new(RouteView {
            active: active.map(|slot| Arc::clone(&slot.handle.name)),
            epoch: state.work.epoch,
            pools: self.slots.iter().map(Slot::view).collect(),
        }));
        let is_starved = state.work.lanes.is_empty() && self.slots.iter().all(Slot::has_reported);
        if is_starved && !std::mem::replace(&mut self.is_starved, is_starved) {
            self.starved(&state);
        }
        self.is_starved = is_starved;
        self.state.send_if_modified(|published| {
            let changed = !published.says_the_same_as(&state);
            if changed {
                *published = Arc::new(state);
            }
            changed
        });
    }

    fn active_slot_id(&self) -> Option<PoolId> {
        self.active().map(PoolId::of)
    }

    fn starved(&self, state: &RouteState) {
        let (action, after) = match state.no_pool {
            NoPool::Hold | NoPool::Wait => (NoPoolAction::Hold, Duration::ZERO),
            NoPool::Close { after } => (NoPoolAction::Close, after),
        };
        self.parts.seams.telemetry.emit(RouteEvent::NoPool { route: &self.name, action, after });
    }

    fn reconfigure(&mut self) {
        self.config = Arc::clone(&self.parts.config.borrow_and_update());
        self.board.fix_layout(fixed_layout(&self.config));
        self.reconcile_pools();
    }

    /// Makes the slots those of the configuration, in its order. A pool that is reached or logged in to differently is a
    /// new one, and the old one goes when that has a job.
    fn reconcile_pools(&mut self) {
        let now = self.now().instant;
        let mut former = std::mem::take(&mut self.slots);
        let config = Arc::clone(&self.config);
        for pool in &config.pools {
            let kept = former.iter().position(|slot| slot.is_same(pool, &config));
            if let Some(kept) = kept {
                let mut slot = former.remove(kept);
                slot.keep(pool);
                self.slots.push(slot);
            } else {
                let slot = Slot::start(pool, &config, &mut self.parts.seams, &self.updates_in);
                self.slots.push(slot);
            }
            if let Some(replaced) = former.iter().position(|slot| slot.name() == pool.name) {
                let mut slot = former.remove(replaced);
                slot.outgoing(now);
                self.slots.push(slot);
            }
        }
        for slot in former {
            self.remove(&slot);
        }
    }

    fn remove(&mut self, slot: &Slot) {
        slot.stop();
        if let Some(source) = slot.source {
            self.withdraw(source);
        }
    }

    /// Lets outgoing pools go whose successor is mined on, or whose time is over.
    fn drop_outgoing(&mut self, now: Instant) {
        let active = self.active_slot_id();
        let gone = |slot: &Slot| {
            slot.outgoing_until().is_some_and(|until| {
                now >= until || (active.is_some() && active != Some(slot.handle.id))
            })
        };
        let (outgoing, kept) = std::mem::take(&mut self.slots).into_iter().partition(gone);
        self.slots = kept;
        let outgoing: Vec<Slot> = outgoing;
        for slot in &outgoing {
            self.remove(slot);
        }
    }
}

fn no_pool(config: &Route) -> NoPool {
    match config.on_no_pool.policy {
        NoPoolPolicy::Hold => NoPool::Hold,
        NoPoolPolicy::Close => {
            NoPool::Close { after: Duration::from_millis(config.on_no_pool.after_ms) }
        }
    }
}

fn fixed_layout(config: &Route) -> Option<Layout> {
    config.extranonce.as_ref().and_then(|layout| Layout::new(layout.id_bytes, layout.miner_bytes))
}
