//! A route's task: what it hears from its pools and its configuration, and in which order it acts on that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loka_api::runtime_config::Route;
use loka_stratum::extranonce::Layout;
use loka_stratum::job::LayoutMisfit;
use loka_stratum::types::{SourceId, VersionMask};
use loka_stratum::work::{Now, WorkBoard};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use super::crowd::Crowd;
use super::crowd_staging::CrowdChange;
use super::publish::{self, fixed_layout};
use super::seating::Seating;
use super::slot::Slot;
use super::staging::Staging;
use super::{RouteOutput, RouteParts, RouteState, RouteView};
use crate::room::Weight;
use crate::telemetry::PoolEvent;
use crate::upstream::{News, Notice, PoolId, UPDATES_MAX, Update, at};

/// How long the other pools of a route may still report once one is ready at the start, so that the extranonce layout is
/// chosen for all of them.
const SETTLE: Duration = Duration::from_millis(1500);

/// How long miners' subscribes wait for a pool's extranonce2 size before a layout is taken that fits nearly every pool.
const ASSUME_LAYOUT_AFTER: Duration = Duration::from_secs(5);

/// A route's task.
pub(crate) struct RouteTask {
    pub(super) name: Arc<str>,
    pub(super) config: Arc<Route>,
    pub(super) parts: RouteParts,
    pub(super) slots: Vec<Slot>,
    updates: mpsc::Receiver<Update>,
    pub(super) updates_in: mpsc::Sender<Update>,
    pub(super) board: WorkBoard,
    pub(super) seating: Seating,
    /// Sessions that have ended and may yet be resumed, and until when their jobs are kept.
    lingering: HashMap<SourceId, Instant>,
    started: Instant,
    first_ready: Option<Instant>,
    /// When a better pool may be taken.
    pub(super) again_at: Option<Instant>,
    /// When something better was last taken.
    pub(super) last_better: Option<Instant>,
    /// The pools that are mined on, with their weights.
    pub(super) weights: Vec<(PoolId, f64)>,
    pub(super) staging: Staging,
    pub(super) crowd: Arc<Crowd>,
    /// Of what the miners of the crowd mine on.
    pub(super) change: Option<CrowdChange>,
    /// No pool is left, and it has been said.
    pub(super) is_starved: bool,
    /// Since when nothing has been mined on.
    pub(super) starved_since: Option<Instant>,
    pub(super) state: watch::Sender<Arc<RouteState>>,
    pub(super) view: watch::Sender<Arc<RouteView>>,
    /// Of its jobs.
    pub(super) weight: Weight,
}

// === impl RouteTask ===

impl RouteTask {
    /// The task, and what it publishes.
    pub(crate) fn new(mut parts: RouteParts) -> (Self, RouteOutput) {
        let config = Arc::clone(&parts.config.borrow_and_update());
        let (updates_in, updates) = mpsc::channel(UPDATES_MAX);
        let mut board = WorkBoard::new(parts.first_serial, fixed_layout(&config));
        board.allow_banks(Self::BANKS);
        let name: Arc<str> = config.name.as_str().into();
        let now = parts.seams.clock.now();
        board.share(now, publish::sharing(&config));
        let started = now.instant;
        let seating = Seating::new(started);
        let state = RouteState {
            name: Arc::clone(&name),
            work: board.work().clone(),
            seats: Arc::clone(seating.seats()),
            seating: seating.version(),
            pools: Arc::default(),
            no_pool: publish::no_pool(&config, Some(started)),
            version_mask: VersionMask(config.version_mask),
        };
        let (state, state_out) = watch::channel(Arc::new(state));
        let (view, view_out) = watch::channel(Arc::default());
        let crowd = Arc::new(Crowd::new(Arc::clone(&config)));
        let weight = Weight::of(&parts.seams.jobs);
        let mut task = Self {
            name,
            config,
            parts,
            slots: Vec::new(),
            updates,
            updates_in,
            board,
            seating,
            lingering: HashMap::new(),
            started,
            first_ready: None,
            again_at: None,
            last_better: None,
            weights: Vec::new(),
            staging: Staging::default(),
            crowd: Arc::clone(&crowd),
            change: None,
            is_starved: false,
            starved_since: Some(started),
            state,
            view,
            weight,
        };
        task.reconcile_pools();
        (task, RouteOutput { state: state_out, view: view_out, crowd })
    }

    /// Runs until told to stop.
    pub(crate) async fn run(mut self) {
        loop {
            // What was noticed in this turn is published in this turn.
            self.judge();
            self.select();
            self.seat();
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

    pub(super) fn now(&self) -> Now {
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
        // One that a change in steps still keeps is past its time.
        let outgoing = self.slots.iter().filter_map(Slot::outgoing_until);
        let last_shares = self.slots.iter().filter_map(Slot::last_shares_until);
        let outgoing = outgoing.chain(last_shares).filter(|at| *at > now).min();
        let judging = self.judge_at(now);
        let staging = self.staging.due_at(now);
        let crowd = self.crowd_due_at();
        [keep_alive, settle, assume, lingering, outgoing, self.again_at, judging, staging, crowd]
            .into_iter()
            .flatten()
            .fold(self.seating.due_at().min(self.seating.look_at()), Instant::min)
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
            News::Moved => self.replace(index),
            News::Unfit { source, detail } => {
                self.with_slot(index, |slot| slot.unverified(detail));
                // Earlier jobs may still be worth something, and are not mined on for long.
                let until = self.now().instant + crate::upstream::HOLD_MAX;
                self.lingering.insert(source, until);
            }
            News::Job { source, notify, context, now } => {
                self.lingering.remove(&source);
                self.with_slot(index, |slot| slot.job(now.instant, notify.prev_hash, &context));
                self.first_ready.get_or_insert(now.instant);
                if let Err(misfit) = self.board.offer(now, source, *notify, context) {
                    self.misfit(index, &misfit);
                }
            }
            News::Down { source, reason, detail, notice } => {
                let now = self.now().instant;
                let duty = self.duty(update.pool);
                self.with_slot(index, |slot| {
                    if slot.is_ready() {
                        slot.health.lost(now, duty);
                    }
                    match notice {
                        Notice::Loud => slot.down(reason, detail),
                        Notice::Quiet => slot.dropped(),
                    }
                });
                if let Some(source) = source {
                    self.lingering.insert(source, now + crate::upstream::HOLD_MAX);
                }
            }
        }
    }

    pub(super) fn with_slot(&mut self, index: usize, change: impl FnOnce(&mut Slot)) {
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

    pub(super) fn withdraw(&mut self, source: SourceId) {
        self.lingering.remove(&source);
        self.board.withdraw(source);
    }

    pub(super) fn misfit(&mut self, index: usize, misfit: &LayoutMisfit) {
        self.with_slot(index, |slot| slot.misfit(misfit.to_string()));
        if let Some(slot) = self.slots.get(index) {
            self.parts.seams.telemetry.emit(PoolEvent::Misbehaved {
                route: &self.name,
                pool: &slot.handle.name,
                what: &misfit.to_string(),
            });
        }
    }

    /// Whether every pool has had its say at the start.
    pub(super) fn settled(&self, now: Instant) -> bool {
        let waited = self.first_ready.is_some_and(|at| now >= at + SETTLE);
        waited || self.slots.iter().all(Slot::has_reported)
    }

    fn reconfigure(&mut self) {
        let config = Arc::clone(&self.parts.config.borrow_and_update());
        let former = std::mem::replace(&mut self.config, config);
        self.lead_crowd(&former);
        self.board.fix_layout(fixed_layout(&self.config));
        self.board.share(self.now(), publish::sharing(&self.config));
        let before = self.ranking();
        self.reconcile_pools();
        self.restage(&before);
        // Whoever changes the order does not wait for the calm after a fail-back.
        self.last_better = None;
    }
}
