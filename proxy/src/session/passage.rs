//! The way of a line through the pipeline to the machine. What a phase wants is carried out here.

use std::net::SocketAddr;
use std::time::Instant;

use loka_stratum::downstream::{Downstream, Input, Outbox, Turned, View};
use loka_stratum::frame::FrameError;
use loka_stratum::message::parse_client;
use loka_stratum::types::LaneId;
use loka_stratum::work::Now;

use super::driver::{Pause, Session, Verdict, view};
use super::shared::Shared;
use super::switch::Former;
use super::{Feed, SessionContext};
use crate::pipeline::{Flow, Judgement, Message, Outcome, Passed, Pipeline, Refusal, Scene};
use crate::policy::visitors::Sentence;
use crate::telemetry::reasons::CloseReason;
use crate::upstream::{PoolHandle, PoolId};

/// Lines handled before other sessions of the thread get their turn.
const LINES_PER_WAKE: usize = 32;

/// A message that waits before a phase.
pub(super) struct Held {
    line: Box<[u8]>,
    passed: Passed,
    until: Instant,
    is_ripe: bool,
}

// === impl Held ===

impl Held {
    /// What it waits for has come.
    pub(super) fn ripen(&mut self) {
        self.is_ripe = true;
    }

    pub(super) fn until(&self) -> Instant {
        self.until
    }

    fn is_due(&self, now: Instant) -> bool {
        self.is_ripe || self.until <= now
    }
}

/// What the way of one message takes.
struct Way<'a> {
    feed: &'a Feed,
    now: Now,
    context: &'a SessionContext,
    peer: SocketAddr,
    former: Option<&'a Former>,
    lane: Option<LaneId>,
    pipeline: &'a mut Pipeline,
    machine: &'a mut Downstream,
    pause: &'a mut Pause,
}

// === impl Way ===

impl Way<'_> {
    /// Through the phases that the message has not passed, and to the machine.
    fn go(self, line: &[u8], mut passed: Passed, out: &mut Outbox) -> Judgement {
        let Self { feed, now, context, peer, former, lane, pipeline, machine, pause } = self;
        let said = parse_client(line);
        let message = Message { line, said: &said };
        let scene = Scene { pool: pool(feed, lane), ..scene(context, peer, feed, machine, now) };
        let flow = pipeline.message(&scene, &message, &mut passed);
        let shared = Shared { context, now: now.instant };
        let former = former.map(Former::jobs);
        let view = View { former, ..view(feed, lane, now, &shared) };
        match (flow, &said) {
            (Flow::Close(reason), _) => return Judgement::Close(reason),
            (Flow::Wait(until), _) => {
                machine.excuse(until.saturating_duration_since(now.instant));
                let line = message.line.into();
                *pause = Pause::Held(Box::new(Held { line, passed, until, is_ripe: false }));
            }
            (Flow::Refuse(Refusal { code, text, blame }), Ok(request)) => {
                machine.handle(&view, Input::Turned(Turned { request, code, text }), out);
                return blame.map_or(Judgement::Fine, Judgement::Blame);
            }
            // What cannot be read is answered with what is wrong with it, whoever sent it.
            (Flow::GoOn | Flow::Refuse(_), _) => {
                machine.handle(&view, Input::Message { line, said }, out);
            }
        }
        Judgement::Fine
    }
}

/// What the phases see of a session.
fn scene<'a>(
    context: &'a SessionContext,
    peer: SocketAddr,
    feed: &'a Feed,
    machine: &'a Downstream,
    now: Now,
) -> Scene<'a> {
    Scene {
        now: now.instant,
        listener: &context.listener,
        peer,
        conduct: &feed.conduct,
        machine,
        telemetry: &context.telemetry,
        pool: None,
    }
}

/// The pool that a miner on this lane mines on, where somebody may want to ask it.
fn pool(feed: &Feed, lane: Option<LaneId>) -> Option<&PoolHandle> {
    feed.conduct.gate.as_ref()?;
    let source = feed.work.lane(lane)?.job.source;
    feed.pool(PoolId::of(source)).map(|pool| &*pool.handle)
}

// === impl Session ===

impl Session {
    /// Takes lines one at a time, as long as the machine and the phases allow.
    pub(super) fn lines(&mut self, feed: &Feed, now: Now, out: &mut Outbox) -> Verdict {
        self.release(feed, now, out)?;
        for _ in 0..LINES_PER_WAKE {
            if !self.lines_pending || !self.may_read() || self.is_misplaced(feed) {
                return Ok(());
            }
            let scene = scene(&self.context, self.peer(), feed, &self.machine, now);
            if let Err(until) = self.pipeline.ready(&scene) {
                self.pause = Pause::TooFast { until };
                return Ok(());
            }
            let Some(judgement) = self.next(feed, now, out)? else {
                self.lines_pending = false;
                self.pipeline.absent();
                return Ok(());
            };
            self.carry_out(feed, now, out)?;
            self.obey(judgement)?;
        }
        Ok(())
    }

    /// The next line on its way; none if it is not there yet.
    fn next(
        &mut self,
        feed: &Feed,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Option<Judgement>, CloseReason> {
        let peer = self.peer();
        let Self { wire, context, former, seat, pipeline, machine, pause, .. } = self;
        let line = match wire.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(FrameError::LineTooLong { .. }) => return Err(CloseReason::LineTooLong),
        };
        let (former, lane) = (former.as_deref(), seat.lane());
        let way = Way { feed, now, context, peer, former, lane, pipeline, machine, pause };
        Ok(Some(way.go(line, Passed::default(), out)))
    }

    /// Lets a held message go on whose time has come; nobody whose route is not settled.
    fn release(&mut self, feed: &Feed, now: Now, out: &mut Outbox) -> Verdict {
        let is_due = matches!(&self.pause, Pause::Held(held) if held.is_due(now.instant));
        if !is_due || self.is_misplaced(feed) {
            return Ok(());
        }
        let Pause::Held(held) = std::mem::replace(&mut self.pause, Pause::No) else {
            return Ok(());
        };
        let Held { line, passed, until, is_ripe: _ } = *held;
        self.machine.unexcuse(until.saturating_duration_since(now.instant));
        let peer = self.peer();
        let Self { context, former, seat, pipeline, machine, pause, .. } = self;
        let (former, lane) = (former.as_deref(), seat.lane());
        let way = Way { feed, now, context, peer, former, lane, pipeline, machine, pause };
        let judgement = way.go(&line, passed, out);
        self.carry_out(feed, now, out)?;
        self.obey(judgement)
    }

    /// Bytes have come, which may be no line yet.
    pub(super) fn greeted(&mut self, feed: &Feed, now: Now) -> Verdict {
        let Some(greeting) = self.wire.greeting() else { return Ok(()) };
        let scene = scene(&self.context, self.peer(), feed, &self.machine, now);
        let judgement = self.pipeline.greeted(&scene, greeting);
        self.obey(judgement)
    }

    /// What the machine made of something.
    pub(super) fn became(&mut self, feed: &Feed, now: Now, outcome: Outcome<'_>) -> Verdict {
        let scene = scene(&self.context, self.peer(), feed, &self.machine, now);
        let judgement = self.pipeline.outcome(&scene, outcome);
        self.obey(judgement)
    }

    /// At every wake: the listener's terms may be others.
    pub(super) fn on_terms(&mut self, feed: &Feed, now: Now) -> Verdict {
        let scene = scene(&self.context, self.peer(), feed, &self.machine, now);
        let judgement = self.pipeline.terms(&scene);
        self.obey(judgement)
    }

    fn obey(&self, judgement: Judgement) -> Verdict {
        match judgement {
            Judgement::Fine => Ok(()),
            Judgement::Blame(offence) => match self.context.offended(self.peer(), offence) {
                Sentence::Banned(_) => Err(CloseReason::Banned),
                Sentence::Noted => Ok(()),
            },
            Judgement::Close(reason) => Err(reason),
        }
    }
}
