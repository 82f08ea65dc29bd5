//! One connection to a pool, from its first byte to its last verdict.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use loka_api::runtime_config::{Endpoint, Payout, Pool, SuggestDifficulty};
use loka_stratum::job::{self, PoolContext};
use loka_stratum::message::Notify;
use loka_stratum::types::SourceId;
use loka_stratum::upstream::{Event, Login, LoginOf, Outbox, PoolError, Ready, Resumed, Upstream};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::addresses::{Follow, of_tls};
use super::asking::Asking;
use super::names::Names;
use super::task::PoolTask;
use super::wishes::{Suggested, Wanted};
use super::{Handoff, InFlight, News, at, timeouts};
use crate::policy::rate_limit::TokenBucket;
use crate::policy::redirect::is_allowed;
use crate::telemetry::PoolEvent;
use crate::telemetry::reasons::{Clean, Obeyed, PoolDownReason};
use crate::tls::pool::Fault;
use crate::transport::Transport;
use crate::wire::{Greeting, Interest, Progress, Wire};

mod logins;
mod submits;

/// The longest line of a pool: a notify with a coinbase of 16 KiB and 16 branches, with room.
const POOL_LINE_BYTES_MAX: usize = 256 * 1024;

/// A connection without a share for this long is a stand-by: an active one has many a minute.
const IDLE_AFTER: Duration = Duration::from_secs(60);

/// Shares written together at most.
const BATCH_MAX: usize = 64;

/// What a pool may say a second, on average and at once, that answers no share of ours. An honest one says one or two; each job
/// that it says is a line for each miner.
const CHATTER_PER_SECOND: u32 = 50;
const CHATTER_BURST: u32 = 3000;

/// A pool that takes no bytes for this long is dead.
const WRITE_STALL: Duration = Duration::from_secs(10);

/// Who we say that we are.
const USER_AGENT: &str = concat!("loka-stratum/", env!("CARGO_PKG_VERSION"));

/// How a connection, or the try at one, has ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) reason: PoolDownReason,
    pub(super) detail: String,
    pub(super) login_refused: Option<String>,
    pub(super) had_session: bool,
    /// Since the first job.
    pub(super) worked_for: Duration,
    pub(super) load: Load,
}

/// Whether anything depended on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// Shares went over it, a moment ago or just now.
    Busy,
    /// A stand-by, or never used.
    Idle,
}

/// One connection.
pub(super) struct Connection<'a> {
    task: &'a mut PoolTask,
    pool: Arc<Pool>,
    wire: Wire,
    machine: Upstream<InFlight>,
    out: Outbox<InFlight>,
    batch: Vec<Handoff>,
    opened: Instant,
    ready: Option<SourceId>,
    first_job: Option<Instant>,
    last_submit: Option<Instant>,
    chatter: TokenBucket,
    suggested: Suggested,
    names: Names,
    asking: Asking,
    /// Shares of the write that is under way: if that fails, their miners are told that they are lost.
    broken: usize,
    /// When the pool wants us to connect anew.
    leave_at: Option<Instant>,
    /// Until the pool has moved.
    follow: Option<Follow>,
    stopping: Option<Instant>,
}

/// What there is to do.
struct Wake {
    io: Option<io::Result<Progress>>,
    submits: usize,
}

// === impl End ===

impl End {
    pub(super) fn down(reason: PoolDownReason, detail: String) -> Self {
        Self {
            reason,
            detail,
            login_refused: None,
            had_session: false,
            worked_for: Duration::ZERO,
            load: Load::Idle,
        }
    }

    pub(super) fn stopped() -> Self {
        Self::down(PoolDownReason::Stopped, String::new())
    }

    fn disconnected(error: &io::Error) -> Self {
        let reason = Fault::of(error).map_or(PoolDownReason::Disconnected, of_tls);
        Self::down(reason, error.to_string())
    }
}

impl From<PoolError> for End {
    fn from(error: PoolError) -> Self {
        let reason = match &error {
            PoolError::Frame(_) | PoolError::Malformed { .. } | PoolError::Unusable { .. } => {
                PoolDownReason::Misbehaved
            }
            PoolError::HandshakeTimeout { .. } => PoolDownReason::HandshakeTimeout,
            PoolError::JobSilence(_) => PoolDownReason::JobSilence,
            PoolError::FirstJobTimeout(_) => PoolDownReason::FirstJobTimeout,
            PoolError::LoginRefused { .. } => PoolDownReason::LoginRefused,
            PoolError::SubmitTimeout(_) => PoolDownReason::SubmitTimeout,
        };
        let detail = error.to_string();
        let login_refused = match error {
            PoolError::LoginRefused { message, .. } => Some(message),
            _ => None,
        };
        Self { login_refused, ..Self::down(reason, detail) }
    }
}

// === impl Connection ===

impl<'a> Connection<'a> {
    pub(super) fn open(
        task: &'a mut PoolTask,
        pool: &Arc<Pool>,
        stream: Box<dyn Transport>,
        follow: Option<Follow>,
    ) -> Self {
        let now = task.parts.clock.now();
        let login = Login {
            user: pool.user.as_str().into(),
            password: pool.password.expose().into(),
            user_agent: USER_AGENT.into(),
            version_mask: super::wanted_mask(pool, task.parts.version_mask.0),
            resume: task.resume.clone(),
        };
        let mut out = Outbox::default();
        let machine = Upstream::new(now, login, timeouts(&pool.timeouts), &mut out);
        Self {
            pool: Arc::clone(pool),
            wire: Wire::new(stream, POOL_LINE_BYTES_MAX),
            machine,
            out,
            batch: Vec::new(),
            opened: now.instant,
            ready: None,
            first_job: None,
            last_submit: None,
            chatter: TokenBucket::new(now.instant, CHATTER_BURST),
            suggested: Suggested::default(),
            names: Names::default(),
            asking: Asking::default(),
            broken: 0,
            leave_at: None,
            follow,
            stopping: None,
            task,
        }
    }

    /// Works until the pool, the configuration or the process ends it; everything in flight is booked then.
    pub(super) async fn run(mut self, stop: &CancellationToken, last_verdicts: Duration) -> End {
        let end = loop {
            if let Err(end) = self.flush_outbox().await {
                break end;
            }
            self.task
                .measures
                .publish(self.machine.outstanding(), self.machine.oldest_outstanding());
            if let Err(end) = self.turn(stop, last_verdicts).await {
                break end;
            }
        };
        self.finish(end)
    }

    /// Waits for something to do and does it.
    async fn turn(&mut self, stop: &CancellationToken, last_verdicts: Duration) -> Result<(), End> {
        let timer = self.wake_at();
        let stopping = self.stopping.is_some();
        let wake = tokio::select! {
            biased;
            () = stop.cancelled(), if !stopping => {
                self.stopping = Some(self.now().instant + last_verdicts);
                None
            }
            wake = poll_fn(|cx| Self::poll_wake(&mut self.wire, &mut self.task.parts.submits, &mut self.batch, cx)) => {
                Some(wake)
            }
            changed = self.task.parts.settings.changed(), if !stopping => {
                match changed {
                    Ok(()) => self.reconfigure(),
                    // The route is gone; its pool still owes verdicts.
                    Err(_) => self.stopping = Some(self.now().instant + last_verdicts),
                }
                None
            }
            changed = self.task.parts.wanted.changed(), if !stopping => {
                // With the settings, of the same owner, that is seen above.
                drop(changed);
                None
            }
            Some(question) = self.task.parts.questions.recv(), if self.ready.is_some() && !stopping => {
                self.asked(question).await?;
                None
            }
            address = moved(&mut self.follow), if !stopping => {
                self.moved(address).await?;
                None
            }
            () = sleep_until(at(timer)) => None,
        };
        if let Some(wake) = wake {
            self.read(wake.io)?;
            if wake.submits > 0 {
                self.submit_batch().await?;
            }
        }
        self.task.chores(self.now().instant).await;
        self.timers()
    }

    /// The pool is elsewhere by now. One that nothing depends on is gone to at once; of one that is mined on, the route gets
    /// a second connection first.
    async fn moved(&mut self, to: SocketAddr) -> Result<(), End> {
        let Some(follow) = self.follow.take() else { return Ok(()) };
        self.task.parts.telemetry.emit(PoolEvent::Moved {
            route: &self.task.parts.route,
            pool: &self.pool.name,
            from: &follow.connected(),
            to: &to,
        });
        match self.load(self.now().instant) {
            Load::Busy => self.task.tell(News::Moved).await,
            Load::Idle => {
                return Err(End::down(PoolDownReason::Moved, format!("the pool is at {to} now")));
            }
        }
        Ok(())
    }

    fn wake_at(&self) -> Instant {
        let suggest = self.suggested.due_at(self.now().instant, self.wanted());
        let own = self.machine.poll_timeout();
        [suggest, self.task.chores_at(), self.leave_at, self.stopping]
            .into_iter()
            .flatten()
            .fold(own, Instant::min)
    }

    /// What the route would like, once the pool can be told.
    fn wanted(&self) -> Wanted {
        match (self.ready, self.pool.suggest_difficulty) {
            (Some(_), SuggestDifficulty::Enabled) => *self.task.parts.wanted.borrow(),
            (None, _) | (_, SuggestDifficulty::Disabled) => Wanted::default(),
        }
    }

    /// Reads and takes submits in one poll, so that neither can starve the other.
    fn poll_wake(
        wire: &mut Wire,
        submits: &mut tokio::sync::mpsc::Receiver<Handoff>,
        batch: &mut Vec<Handoff>,
        cx: &mut Context<'_>,
    ) -> Poll<Wake> {
        let io = match wire.poll(cx, Interest::ReadWrite) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        };
        let submits = match submits.poll_recv_many(cx, batch, BATCH_MAX) {
            Poll::Ready(count) => count,
            Poll::Pending => 0,
        };
        if io.is_none() && submits == 0 { Poll::Pending } else { Poll::Ready(Wake { io, submits }) }
    }

    fn now(&self) -> loka_stratum::work::Now {
        self.task.parts.clock.now()
    }

    fn timers(&mut self) -> Result<(), End> {
        let now = self.now();
        if let Some(difficulty) = self.suggested.take(now.instant, self.wanted()) {
            self.machine.suggest_difficulty(difficulty, &mut self.out.wire);
        }
        if let Some(deadline) = self.stopping
            && (self.machine.outstanding() == 0 || now.instant >= deadline)
        {
            return Err(End::stopped());
        }
        if self.leave_at.is_some_and(|at| now.instant >= at) {
            let detail = "the pool asked for a reconnect".to_owned();
            return Err(End::down(PoolDownReason::Reconnect, detail));
        }
        Ok(self.machine.handle_timeout(now, &mut self.out)?)
    }

    fn read(&mut self, io: Option<io::Result<Progress>>) -> Result<(), End> {
        match io {
            None | Some(Ok(Progress::Flushed)) => Ok(()),
            Some(Ok(Progress::Closed)) => Err(End::down(
                PoolDownReason::Disconnected,
                "the pool closed the connection".into(),
            )),
            Some(Err(error)) => Err(End::disconnected(&error)),
            Some(Ok(Progress::Read)) => {
                if self.pool.tls.is_none() && self.wire.greeting() == Some(Greeting::TlsAlert) {
                    let detail = "the pool answers with TLS".to_owned();
                    return Err(End::down(PoolDownReason::TlsOnly, detail));
                }
                let now = self.now();
                while let Some(line) = self.wire.next_line().map_err(PoolError::from)? {
                    let awaited = self.machine.outstanding();
                    self.machine.handle_line(now, line, &mut self.out)?;
                    if self.machine.outstanding() == awaited {
                        self.bear_chatter(now.instant)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn bear_chatter(&mut self, now: Instant) -> Result<(), End> {
        self.chatter.take(now, CHATTER_PER_SECOND, CHATTER_BURST).map_err(|_| {
            let detail = format!(
                "it said more than {CHATTER_BURST} things that nobody had asked for, at more than {CHATTER_PER_SECOND} a second"
            );
            End::down(PoolDownReason::Misbehaved, detail)
        })
    }

    /// Writes what is unsent and acts on what has happened.
    async fn flush_outbox(&mut self) -> Result<(), End> {
        let wire = std::mem::take(&mut self.out.wire);
        self.write(&wire).await?;
        let mut events = std::mem::take(&mut self.out.events).into_iter();
        let now = self.now().instant;
        while let Some(event) = events.next() {
            if let Err(end) = self.observe(now, event).await {
                self.out.events.extend(events);
                return Err(end);
            }
        }
        Ok(())
    }

    /// Hands bytes to the socket, all of them.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.wire.send(bytes).map_err(|error| End::disconnected(&error))?;
        if self.wire.unsent() == 0 {
            return Ok(());
        }
        match timeout(WRITE_STALL, poll_fn(|cx| self.wire.poll_flush(cx))).await {
            Ok(result) => result.map_err(|error| End::disconnected(&error)),
            Err(_) => {
                let detail = format!("the pool took no bytes for {WRITE_STALL:?}");
                Err(End::down(PoolDownReason::Disconnected, detail))
            }
        }
    }

    async fn observe(&mut self, now: Instant, event: Event<InFlight>) -> Result<(), End> {
        match event {
            Event::Ready(ready) => self.logged_in(ready).await?,
            Event::Job { notify, context } => self.job(notify, context).await,
            Event::Login { user, of: LoginOf::Us, outcome } => self.login_judged(&user, outcome),
            Event::Login { user, of: LoginOf::Miner, outcome } => {
                self.miner_judged(&user, outcome.is_ok()).await?;
            }
            Event::Message(text) => {
                let (route, pool) = self.whose();
                self.task.parts.telemetry.emit(PoolEvent::Message { route, pool, text: &text });
            }
            Event::Misbehaved(what) => {
                let (route, pool) = self.whose();
                self.task.parts.telemetry.emit(PoolEvent::Misbehaved { route, pool, what: &what });
            }
            Event::Reconnect { host, port, wait } => {
                self.reconnect_asked(host.as_deref(), port, wait);
            }
            Event::Verdict { token, verdict, after } => self.verdict(now, token, verdict, after),
        }
        Ok(())
    }

    /// Of the route and of the pool.
    fn whose(&self) -> (&str, &str) {
        (&self.task.parts.route, self.pool.name.as_str())
    }

    /// Hands a job on, unless it does not pay whom it must.
    async fn job(&mut self, notify: Notify, context: PoolContext) {
        let (route, pool) = (Arc::clone(&self.task.parts.route), Arc::clone(&self.pool));
        let (route, pool) = (&*route, pool.name.as_str());
        let telemetry = self.task.parts.telemetry.clone();
        let (source, now) = (self.task.source(), self.now());
        let (clean, is_clean) = match notify.clean {
            true => (Clean::Clean, job::Clean::Yes),
            false => (Clean::Continue, job::Clean::No),
        };
        telemetry.emit(PoolEvent::JobReceived { route, pool, clean });
        self.task.jobs.job(&notify.job_id, is_clean);
        self.task.measures.job(now.instant, notify.prev_hash);
        self.task.parts.pulse.heard(now.instant);
        if let Err(detail) = self.verified(&notify, &context) {
            self.task.works_not(&detail);
            self.task.tell(News::Unfit { source, detail }).await;
            return;
        }
        if self.first_job.is_none() {
            self.first_job = Some(now.instant);
            self.task.works(now.instant.saturating_duration_since(self.opened));
        }
        self.task.verified();
        let notify = Box::new(notify);
        self.task.tell(News::Job { source, notify, context, now }).await;
    }

    /// Whether a job's coinbase pays whom it must, if anybody.
    fn verified(&self, notify: &Notify, context: &PoolContext) -> Result<(), String> {
        let Some(payout) = &self.pool.payout else { return Ok(()) };
        let Payout { address, script_hex, min_percent } = payout;
        // The validation of the documents has made the script; one that cannot be read must not pass for none.
        let expected = job::Payout::new(script_hex, *min_percent)
            .ok_or_else(|| format!("the script {script_hex:?} of {address} is unusable"))?;
        expected.check(notify, context).map_err(|error| format!("{error}; expected {address}"))
    }

    async fn logged_in(&mut self, ready: Ready) -> Result<(), End> {
        if ready.resumed == Resumed::No {
            self.task.sessions += 1;
        }
        let source = self.task.source();
        self.ready = Some(source);
        self.task.jobs.session(source);
        self.task.resume = ready.resumable;
        self.task.tell(News::Ready { source, version_mask: ready.version_mask }).await;
        self.resubmit().await?;
        let resumed = self.task.held.resume(source);
        self.submit(resumed).await
    }

    /// Obeyed only where it leads to who we meant to mine with: anything else is how hash is stolen. Mining goes on until it
    /// is time, and then we log in there as the very same.
    fn reconnect_asked(&mut self, host: Option<&str>, port: Option<u16>, wait: Duration) {
        let configured = &self.pool.endpoint;
        // Who names nobody means where we are, which a redirection may have led to.
        let here = self.task.redirect.as_ref().unwrap_or(configured);
        let to = Endpoint {
            host: host.unwrap_or(&here.host).to_owned(),
            port: port.unwrap_or(here.port),
        };
        let obeyed = match is_allowed(self.pool.reconnect, &configured.host, host) {
            true => Obeyed::Yes,
            false => Obeyed::No,
        };
        let mut shown = format!("{}:{}", to.host, to.port);
        if obeyed == Obeyed::No {
            // A host of the pool's own making, which may be anything that it was told.
            self.machine.hush(&mut shown);
        }
        self.task.parts.telemetry.emit(PoolEvent::ReconnectAsked {
            route: &self.task.parts.route,
            pool: &self.pool.name,
            to: &shown,
            wait,
            obeyed,
        });
        if obeyed == Obeyed::Yes {
            self.task.redirect = Some(to);
            self.leave_at = Some(self.now().instant + wait);
        }
    }

    /// Limits change at once. Where and as whom we log in never changes under a task: that is a new task.
    fn reconfigure(&mut self) {
        let former = std::mem::replace(
            &mut self.pool,
            Arc::clone(&self.task.parts.settings.borrow_and_update()),
        );
        if former.payout != self.pool.payout {
            self.machine.offer_again(&mut self.out);
        }
        self.machine.set_timeouts(timeouts(&self.pool.timeouts));
    }

    fn load(&self, now: Instant) -> Load {
        let used = self.last_submit.is_some_and(|at| now < at + IDLE_AFTER);
        match used || self.machine.outstanding() > 0 {
            true => Load::Busy,
            false => Load::Idle,
        }
    }

    /// Books what is still in flight: it was written, and nobody will answer.
    fn finish(mut self, mut end: End) -> End {
        let now = self.now().instant;
        end.had_session = self.ready.is_some();
        end.worked_for =
            self.first_job.map_or(Duration::ZERO, |first| now.saturating_duration_since(first));
        end.load = self.load(now);
        // Verdicts that came with the end itself are verdicts all the same.
        for event in std::mem::take(&mut self.out.events) {
            if let Event::Verdict { token, verdict, after } = event {
                self.verdict(now, token, verdict, after);
            }
        }
        self.task.measures.publish(0, None);
        self.settle(&end);
        end
    }
}

/// Where the pool has moved to, or never where there is nothing to watch.
async fn moved(follow: &mut Option<Follow>) -> SocketAddr {
    match follow {
        Some(follow) => follow.moved().await,
        None => std::future::pending().await,
    }
}
