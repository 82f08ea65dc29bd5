//! The life of one pool: connect, work, lose, wait, again.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loka_api::allow_list::NotAllowed;
use loka_api::runtime_config::{Endpoint, Pool};
use loka_stratum::types::{SourceId, VersionMask};
use loka_stratum::upstream::Resumable;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::addresses::{Follow, Reached, Unreached, Way};
use super::asking::Question;
use super::connection::{Connection, End, Load};
use super::facts::Measures;
use super::held::Held;
use super::unsettled::{LiveJobs, Unsettled};
use super::{Facts, Handoff, InFlight, News, Notice, PoolId, Pulse, Update, Wanted, at};
use crate::clock::Clock;
use crate::policy::allow_list::AllowedPools;
use crate::policy::backoff::{Backoff, Fault};
use crate::policy::redirect::is_allowed as is_redirect_allowed;
use crate::sink::ledger::{Lost, Unanswered};
use crate::telemetry::blame::Action;
use crate::telemetry::reasons::PoolDownReason;
use crate::telemetry::traces::ShareOutcome;
use crate::telemetry::{PoolEvent, Telemetry};
use crate::tls::TlsError;
use crate::tls::pool::PoolTerms;
use crate::transport::Dial;

/// A session that had jobs for this long makes its loss a fresh fault: the first retry is immediate again.
const SOUND_AFTER: Duration = Duration::from_secs(30);

/// How long a loss may stay unsaid while the next try goes on.
const QUIET_MAX: Duration = Duration::from_secs(30);

/// How long a stopping pool task waits for verdicts on what it has written.
const LAST_VERDICTS: Duration = Duration::from_secs(5);

/// What a pool task is given.
pub(crate) struct TaskParts {
    pub(crate) id: PoolId,
    pub(crate) route: Arc<str>,
    pub(crate) settings: watch::Receiver<Arc<Pool>>,
    pub(crate) wanted: watch::Receiver<Wanted>,
    pub(crate) facts: watch::Sender<Facts>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) version_mask: VersionMask,
    pub(crate) submits: mpsc::Receiver<Handoff>,
    pub(crate) questions: mpsc::Receiver<Question>,
    pub(crate) updates: mpsc::Sender<Update>,
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) clock: Clock,
    pub(crate) telemetry: Telemetry,
    pub(crate) allowed: AllowedPools,
    pub(crate) stop: CancellationToken,
    pub(crate) random: fastrand::Rng,
}

/// One pool's task.
pub(crate) struct PoolTask {
    pub(super) parts: TaskParts,
    pub(super) measures: Measures,
    pub(super) held: Held,
    pub(super) sessions: u32,
    pub(super) resume: Option<Resumable>,
    /// Written, and waiting for their session to come back.
    pub(super) unsettled: Unsettled,
    pub(super) jobs: LiveJobs,
    /// Where the pool has sent us, until that fails.
    pub(super) redirect: Option<Endpoint>,
    /// With which of its addresses the next try begins.
    start: usize,
    backoff: Backoff,
    said: Said,
    payment: Payment,
    unsaid: Option<Unsaid>,
}

/// Whether the latest job pays whom it must.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Payment {
    Right,
    Wrong,
}

/// What people were told last.
enum Said {
    /// Or nothing yet.
    Down,
    Up,
}

/// A loss that nobody has been told of.
struct Unsaid {
    until: Instant,
    reason: PoolDownReason,
    detail: String,
}

/// Why a wait was over.
enum Waited {
    Enough,
    Stop,
}

// === impl PoolTask ===

impl PoolTask {
    pub(crate) fn new(parts: TaskParts) -> Self {
        Self {
            measures: Measures::new(parts.facts.clone()),
            parts,
            held: Held::default(),
            sessions: 0,
            resume: None,
            unsettled: Unsettled::default(),
            jobs: LiveJobs::default(),
            redirect: None,
            start: 0,
            backoff: Backoff::pool(),
            said: Said::Down,
            payment: Payment::Right,
            unsaid: None,
        }
    }

    /// Runs until told to stop.
    pub(crate) async fn run(mut self) {
        loop {
            let began = self.parts.clock.now().instant;
            let end = self.attempt().await;
            if matches!(end.reason, PoolDownReason::Stopped) {
                break;
            }
            if end.worked_for > SOUND_AFTER {
                self.backoff.reset();
            }
            let now = self.parts.clock.now().instant;
            let mut delay = self.backoff.next(fault(&end), self.parts.random.f64());
            if matches!(end.reason, PoolDownReason::ConnectTimeout) {
                // Whoever has knocked in vain for so long has paused: an uplink that comes back is to find us knocking.
                delay = delay.saturating_sub(now.saturating_duration_since(began));
            }
            self.report(end, delay).await;
            if matches!(self.wait(now + delay).await, Waited::Stop) {
                break;
            }
        }
        self.close();
    }

    /// The session that shares may be written to.
    pub(super) fn source(&self) -> SourceId {
        self.parts.id.source(self.sessions)
    }

    pub(super) async fn tell(&self, news: News) {
        // A route that is gone has cancelled us as well.
        drop(self.parts.updates.send(Update { pool: self.parts.id, news }).await);
    }

    /// One connection, from dialling to its end.
    async fn attempt(&mut self) -> End {
        let pool = Arc::clone(&self.parts.settings.borrow_and_update());
        let endpoint = self.endpoint(&pool);
        if let Err(reason) = self.parts.allowed.allows(&endpoint.host, endpoint.port, &pool.account)
        {
            return self.not_allowed(&pool, &endpoint, reason);
        }
        self.parts.telemetry.emit(PoolEvent::Connecting {
            route: &self.parts.route,
            pool: &pool.name,
            endpoint: &format!("{}:{}", endpoint.host, endpoint.port),
        });
        self.tell(News::Connecting).await;
        let limit = Duration::from_millis(pool.timeouts.connect_ms);
        let end = match self.dial(&pool, &endpoint, limit).await {
            Ok(reached) => self.connected(&pool, &endpoint, reached).await,
            Err(end) => end,
        };
        if !end.had_session && end.reason != PoolDownReason::Reconnect {
            self.redirect = None;
            self.start = self.start.wrapping_add(1);
        }
        end
    }

    /// One connection, from its first byte to its end, or until the allow-list no longer has the pool.
    async fn connected(&mut self, pool: &Arc<Pool>, endpoint: &Endpoint, reached: Reached) -> End {
        let Reached { stream, address } = reached;
        // Where the pool has sent us is its own affair.
        let follow = address
            .filter(|_| self.redirect.is_none())
            .map(|address| Follow::new(Arc::clone(&self.parts.dial), endpoint.clone(), address));
        let stop = self.parts.stop.child_token();
        let allowed = self.parts.allowed.clone();
        let withdrawn = allowed.withdrawn(&endpoint.host, endpoint.port, &pool.account);
        let mut connection =
            Box::pin(Connection::open(self, pool, stream, follow).run(&stop, LAST_VERDICTS));
        // An end that came by itself is told as such.
        let reason = tokio::select! {
            biased;
            end = &mut connection => return end,
            reason = withdrawn => reason,
        };
        stop.cancel();
        let End { had_session, worked_for, load, .. } = connection.await;
        if self.parts.stop.is_cancelled() {
            return End::stopped();
        }
        End { had_session, worked_for, load, ..self.not_allowed(pool, endpoint, reason) }
    }

    /// Hash goes nowhere that the allow-list does not have, whoever asked for it.
    fn not_allowed(&self, pool: &Pool, to: &Endpoint, reason: NotAllowed) -> End {
        let endpoint = format!("{}:{}", to.host, to.port);
        self.parts.telemetry.emit(PoolEvent::NotAllowed {
            route: &self.parts.route,
            pool: &pool.name,
            endpoint: &endpoint,
            account: &pool.account,
            reason: reason.into(),
        });
        let detail = match reason {
            NotAllowed::Address => format!("{endpoint} {reason}"),
            NotAllowed::Account => format!("{} {reason}", pool.account),
        };
        End::down(PoolDownReason::NotAllowed, detail)
    }

    /// Where to connect to: what is configured, or where the pool has sent us as long as that is allowed.
    fn endpoint(&mut self, pool: &Pool) -> Endpoint {
        let allowed = |to: &Endpoint| {
            is_redirect_allowed(pool.reconnect, &pool.endpoint.host, Some(&to.host))
                && self.parts.allowed.allows(&to.host, to.port, &pool.account).is_ok()
        };
        self.redirect = self.redirect.take().filter(allowed);
        self.redirect.as_ref().unwrap_or(&pool.endpoint).clone()
    }

    /// When something is due that no connection decides.
    pub(super) fn chores_at(&self) -> Option<Instant> {
        let unsaid = self.unsaid.as_ref().map(|unsaid| unsaid.until);
        [self.held.expires_at(), self.unsettled.expires_at(), unsaid].into_iter().flatten().min()
    }

    pub(super) async fn chores(&mut self, now: Instant) {
        self.held.expire(now);
        for (share, reason) in self.unsettled.expire(now) {
            self.unanswered(share, reason);
        }
        if let Some(unsaid) = self.unsaid.take_if(|unsaid| unsaid.until <= now) {
            self.say_down(None, unsaid.reason, unsaid.detail, None).await;
        }
    }

    /// A first job, so long `after` the connection: what was not said need not be.
    pub(super) fn works(&mut self, after: Duration) {
        self.unsaid = None;
        let pool = Arc::clone(&self.parts.settings.borrow());
        let (route, pool) = (&*self.parts.route, pool.name.as_str());
        self.parts.telemetry.emit(match std::mem::replace(&mut self.said, Said::Up) {
            Said::Up => PoolEvent::Back { route, pool, after },
            Said::Down => PoolEvent::Up { route, pool, after },
        });
    }

    async fn dial(
        &mut self,
        pool: &Pool,
        endpoint: &Endpoint,
        limit: Duration,
    ) -> Result<Reached, End> {
        let Endpoint { host, port } = endpoint;
        let way = self.way(pool, endpoint)?;
        let mut dialling = pin!(way.reach(self.start, limit));
        loop {
            let chores = self.chores_at();
            tokio::select! {
                biased;
                () = self.parts.stop.cancelled() => return Err(End::stopped()),
                reached = &mut dialling => return reached.map_err(|Unreached { reason, detail }| {
                    End::down(reason, format!("connecting to {host}:{port}: {detail}"))
                }),
                Some(handoff) = self.parts.submits.recv() => self.hold(handoff),
                // Dropped, it is answered.
                Some(_) = self.parts.questions.recv() => {}
                // It ends by itself; what is held does not.
                () = until(chores) => {}
            }
            self.chores(self.parts.clock.now().instant).await;
        }
    }

    /// Where the pool has sent us changes nothing of how it is reached.
    fn way(&self, pool: &Pool, endpoint: &Endpoint) -> Result<Way, End> {
        let tls = pool.tls.as_ref().map(|tls| PoolTerms::new(tls, self.parts.clock)).transpose();
        // The configuration was checked; one that cannot be used must not pass for none.
        let unusable = |error: TlsError| End::down(PoolDownReason::TlsBroken, error.to_string());
        Ok(Way {
            dial: Arc::clone(&self.parts.dial),
            endpoint: endpoint.clone(),
            socks5: pool.socks5.clone(),
            tls: tls.map_err(unusable)?,
        })
    }

    /// Waits until `until`, while shares are held and not lost.
    async fn wait(&mut self, until: Instant) -> Waited {
        loop {
            let now = self.parts.clock.now().instant;
            self.chores(now).await;
            if now >= until {
                return Waited::Enough;
            }
            let wake = self.chores_at().map_or(until, |chores| chores.min(until));
            tokio::select! {
                biased;
                () = self.parts.stop.cancelled() => return Waited::Stop,
                Some(handoff) = self.parts.submits.recv() => self.hold(handoff),
                // Dropped, it is answered.
                Some(_) = self.parts.questions.recv() => {}
                changed = self.parts.settings.changed() => {
                    // New settings deserve a try now; a route that is gone has cancelled us.
                    return if changed.is_ok() { Waited::Enough } else { Waited::Stop };
                }
                () = self.parts.allowed.changed() => return Waited::Enough,
                () = sleep_until(at(wake)) => {}
            }
        }
    }

    fn hold(&mut self, handoff: Handoff) {
        self.held.hold(self.parts.clock.now().instant, handoff);
    }

    /// Books a share whose verdict will never be known.
    pub(super) fn unanswered(&mut self, share: InFlight, reason: Unanswered) {
        self.measures.unanswered(share.share.job().pool_difficulty.as_f64());
        if let Some(due) = share.due {
            due.abandoned(reason, Lost::Dropped);
        }
        if let Some(record) = share.record {
            let now = self.parts.clock.now().instant;
            let outcome = ShareOutcome::Unanswered(reason.label());
            record.end(&self.parts.telemetry, now, outcome);
        }
    }

    /// A job pays whom it must.
    pub(super) fn verified(&mut self) {
        self.payment = Payment::Right;
    }

    /// A job does not, and is not mined on. Said once until one does again, and counted each time.
    pub(super) fn works_not(&mut self, detail: &str) {
        let pool = Arc::clone(&self.parts.settings.borrow());
        let (route, pool) = (&*self.parts.route, pool.name.as_str());
        self.unsaid = None;
        let first = std::mem::replace(&mut self.payment, Payment::Wrong) == Payment::Right;
        self.parts.telemetry.emit(match first {
            true => PoolEvent::Unverified { route, pool, detail },
            false => PoolEvent::StillUnverified { route, pool, detail },
        });
    }

    /// Tells of the end of a connection. One that nothing depended on is not worth a word if the next try, which comes at
    /// once, succeeds.
    async fn report(&mut self, end: End, retry_in: Duration) {
        let pool = Arc::clone(&self.parts.settings.borrow());
        if let Some(message) = &end.login_refused {
            self.parts.telemetry.emit(PoolEvent::LoginRefused {
                route: &self.parts.route,
                pool: &pool.name,
                user: &pool.user,
                message,
            });
        }
        let source = end.had_session.then(|| self.source());
        let (reason, detail) = (end.reason, end.detail);
        if end.load == Load::Busy || !retry_in.is_zero() || self.unsaid.is_some() {
            self.unsaid = None;
            self.say_down(source, reason, detail, Some(retry_in)).await;
            return;
        }
        self.parts.telemetry.emit(PoolEvent::Dropped {
            route: &self.parts.route,
            pool: &pool.name,
            reason,
            detail: &detail,
        });
        let until = self.parts.clock.now().instant + QUIET_MAX;
        self.unsaid = Some(Unsaid { until, reason, detail: detail.clone() });
        self.tell(News::Down { source, reason, detail, notice: Notice::Quiet }).await;
    }

    async fn say_down(
        &mut self,
        source: Option<SourceId>,
        reason: PoolDownReason,
        detail: String,
        retry_in: Option<Duration>,
    ) {
        self.said = Said::Down;
        let pool = Arc::clone(&self.parts.settings.borrow());
        self.parts.telemetry.emit(PoolEvent::Down {
            route: &self.parts.route,
            pool: &pool.name,
            reason,
            detail: &detail,
            retry_in,
        });
        self.tell(News::Down { source, reason, detail, notice: Notice::Loud }).await;
    }

    /// Nothing that was handed over may vanish: what is still queued is lost, and said to be.
    fn close(&mut self) {
        self.parts.submits.close();
        while let Ok(handoff) = self.parts.submits.try_recv() {
            super::held::give_up(handoff, Lost::Shutdown);
        }
        self.held.give_up_all(Lost::Shutdown);
        for (share, reason) in self.unsettled.give_up() {
            self.unanswered(share, reason);
        }
    }
}

/// Sleeps until a moment; without one for ever.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(at(moment)).await,
        None => std::future::pending().await,
    }
}

/// What an end says about the next try.
const fn fault(end: &End) -> Fault {
    match end.reason {
        PoolDownReason::LoginRefused | PoolDownReason::NotAllowed | PoolDownReason::SocksLogin => {
            Fault::Refused
        }
        // Some pools hang up instead of refusing a login.
        PoolDownReason::Disconnected if !end.had_session => Fault::Unserved,
        reason => match reason.finding().action {
            Action::FailOver => Fault::Unserved,
            Action::Close | Action::Ignore | Action::Retry => Fault::Lost,
        },
    }
}
