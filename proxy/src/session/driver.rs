//! The task of one miner: socket, watch and timers in; bytes out. It decides nothing that the machine can decide.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loka_stratum::downstream::{
    Close, Downstream, Event, Forward, HandOver, Input, Outbox, Registry as _, Remains,
    SessionToken, View,
};
use loka_stratum::types::LaneId;
use loka_stratum::work::Now;
use tokio::sync::watch;
use tokio::time::timeout;

use super::card::{Listed, Summons};
use super::passage::Held;
use super::shared::Shared;
use super::switch::{Asked, Former};
use super::time::Spending;
use super::under_way::UnderWay;
use super::wakes::Wake;
use super::{Feed, Generation, Peer, SessionContext, close_reason};
use crate::pipeline::{Outcome, Pipeline};
use crate::policy::visitors::Visit;
use crate::seats::{Seat, Seats};
use crate::telemetry::MinerEvent;
use crate::telemetry::reasons::{CloseReason, Offence};
use crate::telemetry::traces::{ConnectionTrace, TraceRef};
use crate::transport::Transport;
use crate::wire::{Progress, Wire};

/// A miner that leaves this much unread is not listening.
const UNSENT_BYTES_MAX: usize = 256 * 1024;

/// Nor one that has not read all for so long. A link that is merely slow empties the queue between two jobs.
const UNREAD_SECONDS_MAX: u32 = 60;

/// Over which miners are moved that the pools leave no room for.
const MOVE_WINDOW: Duration = Duration::from_secs(10);

/// How long the last bytes may take.
const FAREWELL: Duration = Duration::from_secs(1);

thread_local! {
    /// Reused by the sessions of a thread, one at a time, so that an answer costs no allocation.
    static OUTBOX: RefCell<Outbox> = RefCell::new(Outbox::default());
}

/// What a session is made of.
pub(crate) struct SessionParts {
    pub(crate) context: Arc<SessionContext>,
    pub(crate) feed: watch::Receiver<Arc<Feed>>,
    pub(crate) peer: Peer,
    /// What the miner may have its session back by.
    pub(crate) token: SessionToken,
}

/// One miner.
pub(crate) struct Session {
    pub(super) context: Arc<SessionContext>,
    pub(super) trace: TraceRef,
    /// Its own part, 0 to 1, of any window over which miners are moved.
    spread: f32,
    pub(super) feed: watch::Receiver<Arc<Feed>>,
    /// What the feed held when it was looked at last; out of here during a wake. To ask the watch each time takes its lock and
    /// counts a reference, which are every thread's.
    pub(super) seen: Option<Arc<Feed>>,
    /// Of the switch that the feed was taken by.
    pub(super) generation: Generation,
    /// Another feed than the one that wakes it.
    pub(super) is_moved: bool,
    pub(super) asked: Asked,
    pub(super) former: Option<Box<Former>>,
    pub(super) spending: Spending,
    pub(super) wire: Wire,
    pub(super) machine: Downstream,
    /// Among those of the route that feeds it.
    seats: Arc<Seats>,
    pub(super) seat: Arc<Seat>,
    pub(super) pause: Pause,
    pub(super) under_way: UnderWay,
    pub(super) pipeline: Pipeline,
    pub(super) opened: Instant,
    pub(super) credited: u64,
    /// A whole line may be waiting in the decoder.
    pub(super) lines_pending: bool,
    /// It has more lines, and lets others of its thread go before.
    pub(super) stands_back: bool,
    left: bool,
    /// How far it has come, as the listener's visitors are counted.
    pub(super) visit: Visit,
    /// Since when the socket has not taken all: in seconds from `opened`, and one. 0: it has.
    unread_since: u32,
    /// Its part of the listener's growth.
    pub(super) growth: u32,
    /// What is seen of it, and how it is asked to go.
    pub(super) card: Listed,
    /// Its miner may come back elsewhere, and would find it.
    is_known: bool,
}

/// Whether a miner is kept from sending too fast.
pub(super) enum Pause {
    /// It is read.
    No,
    /// It sends faster than it may.
    TooFast { until: Instant },
    /// Its message waits before one of the phases of the pipeline.
    Held(Box<Held>),
}

/// Whether a session goes on.
pub(super) type Verdict = Result<(), CloseReason>;

// === impl Pause ===

impl Pause {
    pub(super) fn until(&self) -> Option<Instant> {
        match self {
            Self::No => None,
            Self::TooFast { until } => Some(*until),
            Self::Held(held) => Some(held.until()),
        }
    }
}

// === impl Session ===

impl Session {
    /// `accepted`: what has passed since then, in a handshake of TLS, counts into that of Stratum.
    pub(crate) fn new(parts: SessionParts, io: Box<dyn Transport>, accepted: Now) -> Self {
        let SessionParts { context, feed, peer: Peer { address, trace, spread }, token } = parts;
        let now = accepted;
        let seen = Arc::clone(&feed.borrow());
        let seats = Arc::clone(&seen.seats);
        let seat = seats.take();
        let card = context.sessions.enter(&context.listener, address, now.unix);
        card.routed(&seen.route);
        Self {
            seats,
            seat,
            wire: Wire::new(io, seen.line_bytes_max),
            machine: Downstream::new(now, MOVE_WINDOW.mul_f32(spread), token),
            pause: Pause::No,
            under_way: UnderWay::default(),
            pipeline: Pipeline::begin(now.instant, &seen.conduct),
            opened: now.instant,
            credited: 0,
            lines_pending: false,
            stands_back: false,
            left: false,
            visit: Visit::Greeting,
            unread_since: 0,
            growth: 0,
            card,
            is_known: false,
            context,
            feed,
            generation: seen.generation,
            is_moved: false,
            asked: Asked::Nothing,
            former: None,
            spending: Spending::new(now.instant, &seen),
            trace,
            spread,
            seen: Some(seen),
        }
    }

    /// Serves the miner until one side ends it.
    /// By reference: a session that moves into its own future is stored there twice.
    pub(crate) async fn run(&mut self) {
        self.connected();
        let reason = self.serve().await;
        // Before the farewell: its miner may be waiting on another connection already.
        self.leave_behind(reason);
        // A farewell that the socket does not take in time is no loss: everything owed was written before.
        drop(timeout(FAREWELL, poll_fn(|cx| self.wire.poll_flush(cx))).await);
        drop(timeout(FAREWELL, poll_fn(|cx| self.wire.poll_shutdown(cx))).await);
        self.end(reason);
    }

    fn connected(&self) {
        let (listener, peer) = (&*self.context.listener, self.peer());
        self.context.telemetry.emit(MinerEvent::Connected { listener, peer });
    }

    /// Who it is with.
    pub(super) fn peer(&self) -> SocketAddr {
        self.card.peer
    }

    pub(super) fn may_read(&self) -> bool {
        let is_free = matches!(self.pause, Pause::No);
        self.machine.accepts_lines() && self.under_way.lets_read() && is_free
    }

    /// One wake, without waiting: everything in it happens at once or not at all.
    pub(super) fn step(&mut self, wake: Wake) -> Verdict {
        OUTBOX.with_borrow_mut(|out| {
            let verdict = self.step_into(wake, out);
            let sent = self.wire.send(&out.wire);
            out.wire.clear();
            self.weigh();
            verdict?;
            sent.map_err(|_| CloseReason::ConnectionLost)?;
            self.read_in_time()
        })
    }

    /// Whether its miner reads what it is sent.
    fn read_in_time(&mut self) -> Verdict {
        match self.wire.unsent() {
            0 => self.unread_since = 0,
            bytes if bytes > UNSENT_BYTES_MAX => return Err(CloseReason::SlowReader),
            _ => {
                let now = self.context.clock.now().instant;
                let after = now.saturating_duration_since(self.opened).as_secs();
                let after = u32::try_from(after).unwrap_or(u32::MAX).saturating_add(1);
                if self.unread_since == 0 {
                    self.unread_since = after;
                } else if after - self.unread_since >= UNREAD_SECONDS_MAX {
                    return Err(CloseReason::SlowReader);
                }
            }
        }
        Ok(())
    }

    pub(super) fn unread_until(&self) -> Option<Instant> {
        let since = self.unread_since.checked_sub(1)?;
        Some(self.opened + Duration::from_secs((since + UNREAD_SECONDS_MAX).into()))
    }

    fn step_into(&mut self, wake: Wake, out: &mut Outbox) -> Verdict {
        let now = self.context.clock.now();
        let mut feed = self.look(now.instant);
        self.sit(&feed);
        self.react(&feed, now, wake, out)?;
        // A handshake that has just been completed settles the route, and only that route's job may follow it.
        while self.is_misplaced(&feed) {
            let before = self.generation;
            feed = self.look(now.instant);
            self.sit(&feed);
            self.machine_step(&feed, now, Input::Work, out)?;
            self.lines(&feed, now, out)?;
            if self.generation == before && self.is_misplaced(&feed) {
                // The listener is ending, and so is this session.
                break;
            }
        }
        self.spend(now.instant, &feed);
        self.seen = Some(feed);
        Ok(())
    }

    /// Whether it was asked to leave.
    pub(super) fn is_leaving(&self) -> bool {
        self.left
    }

    fn react(&mut self, feed: &Feed, now: Now, wake: Wake, out: &mut Outbox) -> Verdict {
        self.wire.set_line_limit(feed.line_bytes_max);
        // A held message is released with the lines behind it.
        if matches!(self.pause, Pause::TooFast { until } if until <= now.instant) {
            self.pause = Pause::No;
        }
        while let Some(ticket) = self.under_way.take_late(now.instant) {
            self.machine_step(feed, now, Input::HandedOver(ticket, HandOver::Unanswered), out)?;
        }
        match wake {
            Wake::Summoned(Summons::GiveWay) => return Err(CloseReason::Superseded),
            Wake::Summoned(Summons::Leave) => {
                self.left = true;
                let leave = Input::Leave { reason: Close::Kicked, after: Duration::ZERO };
                self.machine_step(feed, now, leave, out)?;
            }
            Wake::Feed(changed) => {
                changed.map_err(|_| CloseReason::Stopped)?;
                self.machine_step(feed, now, Input::Work, out)?;
            }
            Wake::HandedOver(ticket, result) => {
                self.machine_step(feed, now, Input::HandedOver(ticket, result), out)?;
            }
            Wake::Io(progress) => match progress.map_err(|_| CloseReason::ConnectionLost)? {
                Progress::Read => {
                    self.greeted(feed, now)?;
                    self.lines_pending = true;
                }
                Progress::Flushed => {}
                Progress::Closed => return Err(CloseReason::MinerLeft),
            },
            Wake::Ripe => {
                if let Pause::Held(held) = &mut self.pause {
                    held.ripen();
                }
            }
            Wake::Timer => self.machine_step(feed, now, Input::Timeout, out)?,
        }
        // At every wake: whichever came first has marked the feed as seen.
        self.ordered_to_leave(feed, now, out)?;
        self.on_terms(feed, now)?;
        self.lines(feed, now, out)
    }

    /// Another route has other seats.
    fn sit(&mut self, feed: &Feed) {
        if !Arc::ptr_eq(&self.seats, &feed.seats) {
            let rate = self.seat.rate();
            self.seats = Arc::clone(&feed.seats);
            self.seat = self.seats.take();
            self.seat.measured(rate);
            self.seat.identify(self.machine.miner_id());
            self.card.routed(&feed.route);
        }
    }

    fn machine_step(
        &mut self,
        feed: &Feed,
        now: Now,
        input: Input<'_>,
        out: &mut Outbox,
    ) -> Verdict {
        let shared = Shared { context: &self.context, now: now.instant };
        let former = self.former.as_deref().map(Former::jobs);
        let view = View { former, ..view(feed, self.seat.lane(), now, &shared) };
        self.machine.handle(&view, input, out);
        self.carry_out(feed, now, out)
    }

    /// Does what the machine wants done.
    pub(super) fn carry_out(&mut self, feed: &Feed, now: Now, out: &mut Outbox) -> Verdict {
        let (mut credited, mut verdict) = (false, Ok(()));
        for event in out.events.drain(..) {
            match event {
                Event::Difficulty(difficulty) => {
                    self.remember(now.instant);
                    self.card.difficulty(difficulty.as_f64());
                }
                Event::BelowPool(_) => credited = true,
                _ => {}
            }
            // Each phase is told of each event, whatever one has said before.
            let judged = self.became(feed, now, Outcome::Event(&event));
            verdict = verdict.and(judged);
            self.observe(feed, now, &event);
        }
        if out.forward.is_some() || credited {
            let rate = self.machine.work_per_second(now);
            self.seat.measured(rate);
            self.card.rate(rate);
        }
        if self.seat.miner() != self.machine.miner_id() {
            self.seat.identify(self.machine.miner_id());
        }
        if !self.is_known
            && let Some(token) = self.machine.session()
        {
            self.context.resumables.began(token, &self.card);
            self.is_known = true;
        }
        if let Some(forward) = out.forward.take() {
            if matches!(forward, Forward::Due(..)) {
                let judged = self.became(feed, now, Outcome::Due);
                verdict = verdict.and(judged);
            }
            self.forward(feed, now, forward);
        }
        // One who is given work before it has told its name may not be a miner yet; one who waits for us is one.
        let is_named = self.machine.is_mining() && self.machine.worker().is_some();
        if is_named || self.machine.is_kept_waiting() {
            self.come_to(Visit::Mining);
        }
        match out.close.take() {
            Some(close) => Err(close_reason(close)),
            None => verdict,
        }
    }

    fn ordered_to_leave(&mut self, feed: &Feed, now: Now, out: &mut Outbox) -> Verdict {
        let Some(leave) = feed.leave.filter(|_| !self.left) else { return Ok(()) };
        self.left = true;
        let after = leave.window.mul_f32(self.spread);
        self.machine_step(feed, now, Input::Leave { reason: leave.reason, after }, out)
    }

    /// The next step of its visit, if it is one.
    pub(super) fn come_to(&mut self, to: Visit) {
        let from = self.visit;
        self.visit = self.context.visitors.step(self.peer().ip(), from, to);
    }

    /// Leaves what the miner may come back for, or gives back what nobody needs any more.
    fn leave_behind(&mut self, reason: CloseReason) {
        let now = self.context.clock.now().instant;
        self.remember(now);
        if std::mem::take(&mut self.is_known)
            && let Some(token) = self.machine.session()
        {
            self.context.resumables.ended(token);
        }
        let shared = Shared { context: &self.context, now };
        match self.machine.end(now) {
            Remains::Session(session) if may_come_back(reason) => {
                self.context.resumables.keep(now, session);
                shared.give_up();
            }
            Remains::Session(session) => session.ids().for_each(|id| shared.release(id)),
            Remains::Ids(ids) => ids.into_iter().for_each(|id| shared.release(id)),
        }
    }

    /// Takes note of what has been shown to fit the worker.
    fn remember(&self, now: Instant) {
        let machine = &self.machine;
        if let (Some(worker), Some(difficulty)) = (machine.worker(), machine.proven_difficulty()) {
            self.context.memory.note(now, worker, difficulty);
        }
    }

    fn end(&mut self, reason: CloseReason) {
        let now = self.context.clock.now().instant;
        self.weigh_nothing();
        self.spent(now);
        if let Some(offence) = offence(reason) {
            self.context.offended(self.peer(), offence);
        }
        self.context.left(self.peer(), self.visit);
        let telemetry = &self.context.telemetry;
        let (listener, peer) = (&*self.context.listener, self.peer());
        telemetry.traces().connection(ConnectionTrace {
            connection: self.trace,
            listener,
            route: &self.feed.borrow().route,
            peer,
            user_agent: self.machine.user_agent().unwrap_or_default(),
            accepted: self.opened,
            closed: now,
            reason,
            shares: self.credited,
        });
        let after = now.saturating_duration_since(self.opened);
        telemetry.emit(MinerEvent::Closed { listener, peer, reason, after, trace: self.trace });
    }
}

/// Whether what a session leaves is kept for its miner.
fn may_come_back(reason: CloseReason) -> bool {
    match reason {
        CloseReason::ConfigChanged
        | CloseReason::ConnectionLost
        | CloseReason::Idle
        | CloseReason::HandshakeTimeout
        | CloseReason::Kicked
        | CloseReason::LayoutChanged
        | CloseReason::LineTooLong
        | CloseReason::MinerLeft
        | CloseReason::NoPool
        | CloseReason::SlowReader
        | CloseReason::Superseded => true,
        // Not a miner, or nobody is left to come back to.
        CloseReason::Banned
        | CloseReason::Drained
        | CloseReason::ExtranonceExhausted
        | CloseReason::Http
        | CloseReason::ListenerRemoved
        | CloseReason::LoginRevoked
        | CloseReason::LoginsRefused
        | CloseReason::NotStratum
        | CloseReason::ProxyHeaderForbidden
        | CloseReason::Stopped
        | CloseReason::TlsOnPlainPort
        | CloseReason::TooManyMalformed
        | CloseReason::TooManySubmits => false,
    }
}

/// What no miner does. One that is set to TLS, or a load balancer that sends its header to the wrong port, is a mistake of
/// somebody who will look for it.
const fn offence(reason: CloseReason) -> Option<Offence> {
    match reason {
        CloseReason::Http | CloseReason::NotStratum => Some(Offence::NotStratum),
        CloseReason::LineTooLong => Some(Offence::LineTooLong),
        CloseReason::TooManyMalformed => Some(Offence::Malformed),
        CloseReason::Banned
        | CloseReason::ConfigChanged
        | CloseReason::ConnectionLost
        | CloseReason::Drained
        | CloseReason::ExtranonceExhausted
        | CloseReason::HandshakeTimeout
        | CloseReason::Idle
        | CloseReason::Kicked
        | CloseReason::LayoutChanged
        | CloseReason::ListenerRemoved
        | CloseReason::LoginRevoked
        | CloseReason::LoginsRefused
        | CloseReason::MinerLeft
        | CloseReason::NoPool
        | CloseReason::ProxyHeaderForbidden
        | CloseReason::SlowReader
        | CloseReason::Stopped
        | CloseReason::Superseded
        | CloseReason::TlsOnPlainPort
        | CloseReason::TooManySubmits => None,
    }
}

/// What a session sees at one moment.
pub(super) fn view<'a>(
    feed: &'a Feed,
    lane: Option<LaneId>,
    now: Now,
    shared: &'a Shared<'_>,
) -> View<'a> {
    View { now, work: &feed.work, lane, former: None, terms: &feed.terms, registry: shared }
}
