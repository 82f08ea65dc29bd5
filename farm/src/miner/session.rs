//! One connection of one miner, as its firmware lives it: handshake, notifications, work, shares.
//!
//! Owns the behaviour that a [`Profile`] describes. It does no IO and reads no clock: lines and
//! moments come in, text to be written comes out, so that the same code runs over sockets and in
//! simulations.
//!
//! [`Profile`]: crate::profile::Profile

mod asked;
mod handshake;
mod notices;
mod work;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::asked::Share;
use self::asked::{About, Asked};
use self::handshake::Blocked;
use super::MinerSetup;
use super::counts::{Disconnect, RejectCode};
use super::job::Job;
use super::lasting::Lasting;
use super::search::{Order, Walk};
use super::speech::{self, Speaker};
use super::target::Target;
use super::ticket::TicketSink;
use crate::profile::{Call, Need, Submits};
use crate::trap::{Excerpt, Fault};
use crate::wire::{self, Message, Reply};

/// One connection.
pub(crate) struct Session<'m> {
    setup: &'m MinerSetup,
    sink: &'m dyn TicketSink,
    lasting: &'m mut Lasting,
    asked: Asked,
    next_id: u64,
    /// Index of the next step of the handshake.
    step: usize,
    blocked: Option<Blocked>,
    subscribe_attempts: u32,
    standing: Standing,
    /// From the next job on.
    difficulty: Target,
    difficulty_text: Option<String>,
    walk: Option<Walk>,
    /// The newest job, while minerd uses up the one before.
    parked: Option<Order>,
    newest: Option<Arc<Job>>,
    times: Times,
    power: Power,
    out: String,
}

/// What the server has granted.
#[derive(Debug, Default)]
struct Standing {
    subscription: Option<Subscription>,
    /// By `mining.set_extranonce`, from the next job on.
    next_subscription: Option<Subscription>,
    follows_extranonce: bool,
    authorized: bool,
    mask: Option<u32>,
}

#[derive(Debug, Clone)]
struct Subscription {
    extranonce1: Arc<[u8]>,
    extranonce2_size: usize,
}

#[derive(Debug)]
struct Times {
    heard: Instant,
    ready: Option<Instant>,
    job: Option<Instant>,
    kept_alive: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    On,
    /// Waiting for the answers to what was sent.
    OffSince(Instant),
}

/// Why a connection cannot go on.
#[derive(Debug)]
pub(crate) enum Stop {
    Reconnect { wait: Duration },
    Sprung(Fault),
}

/// How long a miner that is switched off waits for outstanding answers.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

// === impl Session ===

impl<'m> Session<'m> {
    pub(crate) fn open(
        setup: &'m MinerSetup,
        sink: &'m dyn TicketSink,
        lasting: &'m mut Lasting,
        now: Instant,
    ) -> Self {
        lasting.settle_idle(now);
        let ids = setup.profile.ids;
        let mut session = Self {
            setup,
            sink,
            lasting,
            asked: Asked::new(ids.matching),
            next_id: ids.first,
            step: 0,
            blocked: None,
            subscribe_attempts: 0,
            standing: Standing::default(),
            difficulty: Target::of_difficulty("1").unwrap_or(Target::MAX),
            difficulty_text: None,
            walk: None,
            parked: None,
            newest: None,
            times: Times { heard: now, ready: None, job: None, kept_alive: now },
            power: Power::On,
            out: String::new(),
        };
        session.advance(now);
        session
    }

    /// What is to be written now.
    pub(crate) fn take_out(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    pub(crate) fn lasting(&self) -> &Lasting {
        self.lasting
    }

    pub(crate) fn difficulty(&self) -> Option<&str> {
        self.difficulty_text.as_deref()
    }

    /// Subscribed and authorised.
    pub(crate) fn is_ready(&self) -> bool {
        self.standing.subscription.is_some() && self.standing.authorized && self.blocked.is_none()
    }

    pub(crate) fn is_mining(&self) -> bool {
        self.is_ready() && self.walk.is_some() && self.power == Power::On
    }

    /// One line of the server.
    pub(crate) fn line(&mut self, now: Instant, line: &str) -> Result<(), Stop> {
        let limit = self.setup.profile.limits.line_bytes_max;
        if line.len() > limit {
            return Err(Fault::LineTooLong { limit }.into());
        }
        self.times.heard = now;
        let next = self.blocked.filter(|blocked| blocked.takes_next_line());
        match (wire::parse(line), next) {
            (Ok(Message::Reply(reply)), _) => self.reply(now, &reply, line),
            (_, Some(blocked)) => {
                let method = blocked.method();
                Err(Fault::NextLineNotReply { method, line: Excerpt::of(line) }.into())
            }
            (Ok(Message::Request(notice)), None) => self.notice(now, &notice, line),
            (Err(_), None) => {
                self.malformed("no Stratum message", line);
                Ok(())
            }
        }
    }

    /// Books time and looks at the clock: called every tick.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<(), Stop> {
        self.settle(now);
        if self.power != Power::On {
            return Ok(());
        }
        if let Some((method, within)) = self.asked.overdue(now) {
            return Err(Fault::NoReply { method, within }.into());
        }
        self.lose_patience(now)?;
        self.keep_alive(now);
        Ok(())
    }

    /// No more work; answers are still awaited.
    pub(crate) fn power_off(&mut self, now: Instant) {
        self.settle(now);
        self.power = Power::OffSince(now);
    }

    pub(crate) fn is_powered_off(&self) -> bool {
        self.power != Power::On
    }

    /// Whether nothing keeps the connection of a miner that is switched off.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        match self.power {
            Power::On => false,
            Power::OffSince(since) => {
                self.asked.shares() == 0 || now.duration_since(since) >= ANSWERS_WITHIN
            }
        }
    }

    /// The server closed the connection in good order.
    pub(crate) fn closed_by_server(&mut self) {
        if let Some(method) = self.asked.call_in_passing() {
            self.lasting.spring(Fault::ClosedWithoutReply { method });
        }
    }

    /// The connection is gone: shares without an answer are given up or held.
    pub(crate) fn close(mut self, now: Instant, cause: Disconnect) {
        self.settle(now);
        self.lasting.pace.forgive();
        self.lasting.disconnected(cause);
        let holds = matches!(self.setup.profile.submits, Submits::Resend(_))
            && cause != Disconnect::PoweredOff;
        self.lasting.held.extend(self.asked.into_shares());
        if !holds {
            self.lasting.give_up_held();
        }
    }

    pub(crate) fn spring(&mut self, fault: Fault) {
        self.lasting.spring(fault);
    }

    fn settle(&mut self, now: Instant) {
        if self.is_powered_off() {
            self.lasting.settle_off(now);
        } else if self.is_mining() {
            self.lasting.settle_mining(now);
        } else {
            self.lasting.settle_idle(now);
        }
    }

    /// Silence, and jobs that do not come.
    fn lose_patience(&self, now: Instant) -> Result<(), Fault> {
        let patience = self.setup.profile.patience;
        let passed = |limit: Option<Duration>, since: Option<Instant>| {
            limit.filter(|limit| since.is_some_and(|since| now.duration_since(since) >= *limit))
        };
        if let Some(limit) = passed(patience.silence, Some(self.times.heard)) {
            return Err(Fault::Silence { limit });
        }
        let unserved = self.times.ready.filter(|_| self.times.job.is_none());
        let first = passed(patience.first_job, unserved);
        let next = passed(patience.next_job, self.times.job.or(self.times.ready));
        first.or(next).map_or(Ok(()), |waited| Err(Fault::NoJob { waited }))
    }

    fn keep_alive(&mut self, now: Instant) {
        let Some((interval, call)) = self.setup.profile.chatter.keep_alive else { return };
        if self.is_ready() && now.duration_since(self.times.kept_alive) >= interval {
            self.times.kept_alive = now;
            self.ask(now, call, Need::Answer, self.setup.profile.patience.reply);
        }
    }

    fn reply(&mut self, now: Instant, reply: &Reply, line: &str) -> Result<(), Stop> {
        let entry = self.asked.claim(reply, line)?;
        match entry.about {
            About::Call { call, need, .. } => self.answered(now, (call, need), reply, line),
            About::Share(_) => {
                self.lasting.counts.outstanding -= 1;
                if reply.is_success() {
                    self.lasting.counts.accepted += 1;
                } else {
                    self.lasting.counts.rejected.add(RejectCode::of(reply.error_code()));
                }
                Ok(())
            }
        }
    }

    fn ask(&mut self, now: Instant, call: Call, need: Need, within: Duration) {
        let profile = self.setup.profile;
        let params = speech::params(call, self.speaker(now));
        let id = self.next_id;
        self.next_id += 1;
        self.out.push_str(&speech::request(profile.dialect, id, call.method(), &params));
        self.asked.push(id, About::Call { call, need, asked: now, within });
    }

    fn speaker(&self, now: Instant) -> Speaker<'_> {
        Speaker {
            profile: self.setup.profile,
            worker: &self.setup.worker,
            password: &self.setup.password,
            pool_url: &self.setup.pool_url,
            session: self.lasting.session.as_deref(),
            job_id: self.newest.as_ref().map(|job| job.id.as_str()),
            unix_time: self.lasting.clock.unix(now),
            seed: self.setup.seed,
        }
    }

    fn malformed(&mut self, why: &'static str, line: &str) {
        self.lasting.spring(Fault::Malformed { why, line: Excerpt::of(line) });
    }
}

// === impl Stop ===

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Sprung(fault)
    }
}
