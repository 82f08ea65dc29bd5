//! One pool of a route: its task's handle and what is known of its state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use loka_api::runtime_config::{Pool, Route, SuggestDifficulty};
use loka_stratum::job::PoolContext;
use loka_stratum::types::{PrevHash, SourceId, VersionMask};
use loka_stratum::work::Now;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::FleetSeams;
use super::banks::Further;
use super::judging::reason;
use crate::policy::blocks::BlockHistory;
use crate::policy::health::{Health, HealthLimits};
use crate::policy::selector::{Place, Standing};
use crate::telemetry::reasons::{PoolDownReason, PoolState, SuspectReason};
use crate::upstream::{
    BLOCKS_MAX, Facts, PoolHandle, PoolId, PoolTask, Pulse, QUESTIONS_MAX, SUBMITS_MAX, TaskParts,
    Update, Wanted, wanted_mask,
};

/// How long a replaced pool goes on while its successor cannot be mined on.
const OUTGOING_MAX: Duration = Duration::from_secs(30);

/// How long a replaced pool that is mined on no more is kept for what miners found before they heard of it: more than a
/// clean job takes to reach them and a share to come back.
const LAST_SHARES: Duration = Duration::from_secs(2);

/// A pool's state in words, for status pages.
#[derive(Clone, Debug)]
pub(crate) struct PoolView {
    pub(crate) name: Arc<str>,
    pub(crate) endpoint: String,
    pub(crate) account: Arc<str>,
    pub(crate) state: PoolState,
    pub(crate) terms: Option<PoolContext>,
    pub(crate) last_job: Option<Instant>,
    pub(crate) last_error: Option<String>,
    /// Whether it is mined on.
    pub(crate) is_active: bool,
    /// The part of the route's hashrate that it has.
    pub(crate) part: f64,
    /// Why it is not to be mined on while another can be.
    pub(crate) suspicion: Option<SuspectReason>,
    /// Whether its schedule lets it be mined on now.
    pub(crate) is_open: bool,
    pub(crate) is_pinned: bool,
    /// Which of the connections to its pool it is, counted from one.
    pub(crate) connection: u32,
}

/// How far it is with what comes after a replaced pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Succession {
    Awaited,
    MinedOn,
}

/// One pool of a route.
pub(crate) struct Slot {
    pub(super) handle: Arc<PoolHandle>,
    pub(super) source: Option<SourceId>,
    pub(super) place: Place,
    /// Of a connection that was opened beside the first one to its pool.
    pub(super) further: Option<Further>,
    pub(super) health: Health,
    pub(super) blocks: BlockHistory,
    pool: Arc<Pool>,
    mask: VersionMask,
    settings: watch::Sender<Arc<Pool>>,
    /// What its task measures; read on the route's timer, never awaited.
    facts: watch::Receiver<Facts>,
    /// What its task is told to suggest to the pool.
    wanted: watch::Sender<Wanted>,
    stop: CancellationToken,
    state: PoolState,
    ready_since: Option<Instant>,
    reported: bool,
    /// It is unfit by its latest job, and fit again with one that pays whom it must.
    unverified: bool,
    terms: Option<PoolContext>,
    last_job: Option<Instant>,
    last_error: Option<String>,
    outgoing_until: Option<Instant>,
    /// When its last shares have come, once it is mined on no more.
    last_shares_until: Option<Instant>,
    is_removed: bool,
}

// === impl Slot ===

impl Slot {
    /// Starts the task of `pool`.
    pub(super) fn start(
        pool: &Pool,
        route: &Route,
        seams: &mut FleetSeams,
        updates: &mpsc::Sender<Update>,
    ) -> Self {
        let id = PoolId(seams.pool_ids.fetch_add(1, Ordering::Relaxed));
        let pool = Arc::new(pool.clone());
        let (submits_in, submits) = mpsc::channel(SUBMITS_MAX + BLOCKS_MAX);
        let (questions_in, questions) = mpsc::channel(QUESTIONS_MAX);
        let (settings, settings_out) = watch::channel(Arc::clone(&pool));
        let (facts_in, facts) = watch::channel(Facts::default());
        let (wanted, wanted_out) = watch::channel(Wanted::default());
        let stop = CancellationToken::new();
        let pulse = Arc::new(Pulse::new(seams.clock.now().instant));
        let mask = VersionMask(route.version_mask);
        let task = PoolTask::new(TaskParts {
            id,
            route: route.name.as_str().into(),
            settings: settings_out,
            wanted: wanted_out,
            facts: facts_in,
            pulse: Arc::clone(&pulse),
            version_mask: mask,
            submits,
            questions,
            updates: updates.clone(),
            dial: Arc::clone(&seams.dial),
            clock: seams.clock,
            telemetry: seams.telemetry.clone(),
            allowed: seams.allowed.clone(),
            stop: stop.clone(),
            random: seams.random.fork(),
        });
        seams.tasks.spawn(task.run());
        let handle = PoolHandle {
            id,
            name: pool.name.as_str().into(),
            account: pool.account.as_str().into(),
            submits: submits_in,
            questions: questions_in,
            wants_names: AtomicBool::new(pool.worker_names.is_some()),
            pulse,
        };
        Self {
            handle: Arc::new(handle),
            source: None,
            place: Place { tier: 0, group: 0, weight: 1 },
            health: Health::default(),
            blocks: BlockHistory::default(),
            further: None,
            mask: wanted_mask(&pool, mask.0),
            pool,
            settings,
            facts,
            wanted,
            stop,
            state: PoolState::Connecting,
            ready_since: None,
            reported: false,
            unverified: false,
            terms: None,
            last_job: None,
            last_error: None,
            outgoing_until: None,
            last_shares_until: None,
            is_removed: false,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.pool.name
    }

    /// What it is told of its pool.
    pub(super) fn pool(&self) -> Arc<Pool> {
        Arc::clone(&self.pool)
    }

    /// The bytes that the pool leaves to us, once it has told.
    pub(super) fn extranonce2_size(&self) -> Option<u8> {
        self.terms.map(|terms| terms.extranonce2_size)
    }

    /// For status pages: of several connections to a pool, each has its own.
    fn shown_name(&self) -> Arc<str> {
        match self.further {
            None => Arc::clone(&self.handle.name),
            Some(further) => format!("{}#{}", self.handle.name, further.number()).into(),
        }
    }

    /// Whether `pool` is reached and logged in to in the same way, so that the connection can stay.
    pub(super) fn is_same(&self, pool: &Pool, route: &Route) -> bool {
        self.pool.name == pool.name
            && self.pool.endpoint == pool.endpoint
            && self.pool.user == pool.user
            && self.pool.account == pool.account
            && self.pool.password == pool.password
            && self.pool.tls == pool.tls
            && self.pool.socks5 == pool.socks5
            && self.mask == wanted_mask(pool, route.version_mask)
    }

    /// Takes over what can change under a connection.
    pub(super) fn keep(&mut self, pool: &Pool) {
        self.outgoing_until = None;
        self.last_shares_until = None;
        self.is_removed = false;
        if *self.pool != *pool {
            self.pool = Arc::new(pool.clone());
            self.handle.wants_names.store(pool.worker_names.is_some(), Ordering::Relaxed);
            self.settings.send_replace(Arc::clone(&self.pool));
        }
    }

    /// Its successor has been started.
    pub(super) fn outgoing(&mut self, now: Instant) {
        self.outgoing_until.get_or_insert(now + OUTGOING_MAX);
        self.is_removed = false;
    }

    /// The configuration has it no more, and it is left in steps. Until the time is over, better successors than those
    /// that are there are waited for.
    pub(super) fn removed(&mut self, now: Instant) {
        self.outgoing(now);
        self.is_removed = true;
        self.place = Place { tier: usize::MAX, group: usize::MAX, weight: 1 };
    }

    /// Whether the configuration has it no more.
    pub(super) fn is_removed(&self) -> bool {
        self.is_removed
    }

    pub(super) fn outgoing_until(&self) -> Option<Instant> {
        self.outgoing_until
    }

    /// Of a replaced pool: whether its successor is mined on in its place.
    pub(super) fn succeeded(&mut self, now: Instant, successor: Succession) {
        match successor {
            Succession::MinedOn if self.outgoing_until.is_some() => {
                self.last_shares_until.get_or_insert(now + LAST_SHARES);
            }
            Succession::MinedOn | Succession::Awaited => self.last_shares_until = None,
        }
    }

    pub(super) fn last_shares_until(&self) -> Option<Instant> {
        self.last_shares_until
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready_since.is_some()
    }

    /// Since when it can be mined on.
    pub(super) fn ready_since(&self) -> Option<Instant> {
        self.ready_since
    }

    /// Whether its schedule lets it be mined on.
    pub(super) fn is_open(&self, now: Now) -> bool {
        self.pool.is_scheduled(now.unix.0.into())
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.place.tier == 0
    }

    pub(super) fn has_weight(&self) -> bool {
        self.pool.weight.is_some()
    }

    pub(super) fn standing(&self) -> Standing {
        match self.outgoing_until {
            Some(_) => Standing::Outgoing,
            None => Standing::Configured,
        }
    }

    pub(super) fn last_job(&self) -> Option<Instant> {
        self.last_job
    }

    /// What its task has measured.
    pub(super) fn facts(&self) -> Facts {
        *self.facts.borrow()
    }

    pub(super) fn health_limits(&self) -> HealthLimits {
        let health = &self.pool.health;
        HealthLimits {
            submit_stall: health.submit_stall_ms.map(Duration::from_millis),
            block_lag: Duration::from_millis(health.block_lag_ms),
        }
    }

    /// Has the pool told what difficulty suits it, if it may be told.
    pub(super) fn want(&self, wanted: Wanted) {
        let wanted = match self.pool.suggest_difficulty {
            SuggestDifficulty::Enabled => wanted,
            SuggestDifficulty::Disabled => Wanted::default(),
        };
        self.wanted.send_if_modified(|told| std::mem::replace(told, wanted) != wanted);
    }

    /// Whether the first try at it has come to an end, good or bad.
    pub(super) fn has_reported(&self) -> bool {
        self.reported
    }

    pub(super) fn connecting(&mut self) {
        // What was dropped quietly is shown as it was until that is known to be wrong.
        if self.state != PoolState::Up {
            self.state = PoolState::Connecting;
        }
    }

    pub(super) fn ready(&mut self, source: SourceId, version_mask: VersionMask) {
        self.source = Some(source);
        self.connecting();
        if let Some(terms) = &mut self.terms {
            terms.version_mask = version_mask;
        }
    }

    /// Its session goes on with the jobs that it had.
    pub(super) fn resumed(&mut self, now: Instant) {
        if self.unverified {
            return;
        }
        self.state = PoolState::Up;
        self.ready_since.get_or_insert(now);
    }

    pub(super) fn job(&mut self, now: Instant, block: PrevHash, terms: &PoolContext) {
        self.blocks.saw(now, block);
        self.health.job(now);
        self.terms = Some(*terms);
        self.last_job = Some(now);
        self.reported = true;
        if std::mem::take(&mut self.unverified) {
            self.state = PoolState::Connecting;
        }
        if self.state != PoolState::Unfit {
            self.resumed(now);
            self.last_error = None;
        }
    }

    pub(super) fn down(&mut self, reason: PoolDownReason, detail: String) {
        self.state = PoolState::Down;
        self.ready_since = None;
        self.reported = true;
        self.last_error = Some(match reason.is_of_the_way() {
            true => format!("{reason}: {detail}; {}", reason.remedy()),
            false => format!("{reason}: {detail}"),
        });
    }

    /// Its connection was dropped and is tried again at once: it cannot be mined on, and nobody need hear of it.
    pub(super) fn dropped(&mut self) {
        self.ready_since = None;
    }

    /// Its latest job does not pay whom it must.
    pub(super) fn unverified(&mut self, detail: String) {
        self.reported = true;
        self.unverified = true;
        self.misfit(detail);
    }

    pub(super) fn misfit(&mut self, detail: String) {
        self.state = PoolState::Unfit;
        self.ready_since = None;
        self.last_error = Some(detail);
    }

    /// What it knows itself; the hashrate is its route's to say.
    pub(super) fn view(&self, now: Now) -> PoolView {
        PoolView {
            name: self.shown_name(),
            endpoint: format!("{}:{}", self.pool.endpoint.host, self.pool.endpoint.port),
            account: Arc::clone(&self.handle.account),
            state: self.state,
            terms: self.terms,
            last_job: self.last_job,
            last_error: self.last_error.clone(),
            is_active: false,
            part: 0.0,
            suspicion: self.health.suspicion().map(reason),
            is_open: self.is_open(now),
            is_pinned: self.is_pinned(),
            connection: self.further.map_or(1, Further::number),
        }
    }
}
