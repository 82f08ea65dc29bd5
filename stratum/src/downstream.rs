//! The machine that we run towards a miner: handshake in any order, jobs, difficulty, shares.
//!
//! One value per miner, owned by one task. It is a pure function of its inputs, the route's [`Work`] and the time; no
//! socket, no clock, no lock. The miner's extranonce1 is an id of ours and stays as long as it fits the pools, so a
//! change of pool is just a new job. A share that is due to the pool is handed over before its miner is answered, and
//! answers keep the order of the submits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::difficulty::Difficulty;
use crate::extranonce::MinerId;
use crate::firmware::{Profile, Profiles, SetExtranonce};
use crate::job::JobTable;
use crate::message::{self, ClientMessage, ClientRequest, Malformed, MalformedRequest};
use crate::rpc::{RejectCode, RequestId, reply};
use crate::share::{Reject, VerifiedShare};
use crate::types::{LaneId, VersionMask, WorkerName};
use crate::upstream::PoolReject;
use crate::vardiff::VardiffSettings;
use crate::work::{Now, Work};

mod agreed;
mod answers;
mod guarded;
mod handshake;
mod memory;
mod mining;
mod placing;
mod registry;
mod resume;
mod submit;
mod terms;
#[cfg(test)]
mod tests;
mod timers;

pub use self::answers::{ANSWERS_MAX, Ticket};
pub use self::guarded::Turned;
pub use self::registry::{Registry, Resume};
pub use self::resume::{Remains, Resumable, SessionToken};
pub use self::terms::{Nameless, NoPool, Terms};

use self::answers::Answers;
use self::handshake::{Fresh, Subscribed, Waiting};
use self::mining::Mining;

/// Lines that are not Stratum which a miner may send before its connection is closed.
pub const MALFORMED_LINES_MAX: u8 = 3;

/// Worker names that one connection may authorize.
pub const WORKERS_MAX: usize = 16;

/// What the machine may look at while it works.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The clocks.
    pub now: Now,
    /// The route's work.
    pub work: &'a Work,
    /// The lane of it that the miner is seated on; none if that is left to us.
    pub lane: Option<LaneId>,
    /// The jobs of another route that the miner was on until a moment ago: what it finds for them is still due there.
    pub former: Option<&'a JobTable>,
    /// The listener's terms.
    pub terms: &'a Terms,
    /// What it shares with the listener's other sessions.
    pub registry: &'a dyn Registry,
}

/// What can happen to a miner's session.
#[derive(Debug)]
pub enum Input<'a> {
    /// The due share was taken by the pool's socket, or could not be.
    HandedOver(Ticket, HandOver),
    /// The miner shall leave: it is asked to reconnect, and closed after a grace in which shares are answered.
    Leave {
        /// Why.
        reason: Close,
        /// How long to wait first, so that miners do not all come back at once.
        after: Duration,
    },
    /// A line from the miner. Only while [`Downstream::accepts_lines`].
    Line(&'a [u8]),
    /// The same, read already.
    Message {
        /// As it came.
        line: &'a [u8],
        /// What it says.
        said: Result<ClientRequest<'a>, MalformedRequest>,
    },
    /// [`Downstream::poll_timeout`] has come.
    Timeout,
    /// A message that the driver does not let through.
    Turned(Turned<'a>),
    /// The route's work or the terms have changed.
    Work,
}

/// What became of a share on the way to its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandOver {
    /// The pool's session is gone.
    Lost,
    /// The pool refused it. Only where its verdict is waited for.
    Refused(PoolReject),
    /// The pool's socket had it, and its verdict was waited for and did not come.
    Unanswered,
    /// The pool's socket has it; where its verdict is waited for, the pool credited it.
    Written,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The proxy drains.
    Drained,
    /// Every extranonce id of the layout is taken.
    ExtranonceExhausted,
    /// No complete handshake in time.
    HandshakeTimeout,
    /// No line for too long.
    Idle,
    /// Whoever runs the proxy lets it go.
    Kicked,
    /// The miner's extranonce does not fit the pool, and it cannot be told another: only a new subscription can follow.
    LayoutChanged,
    /// The configuration has no place for this miner any more.
    ListenerRemoved,
    /// Too many lines that are not Stratum.
    Malformed,
    /// No pool, and the terms say to let the miner go.
    NoPool,
}

/// A share that the driver must carry to the pool of its job.
#[derive(Debug)]
pub enum Forward {
    /// A block candidate that was refused as stale: forwarded all the same, nobody waits for it.
    Candidate(Box<VerifiedShare>),
    /// A due share: tell with [`Input::HandedOver`] and its ticket what became of it.
    Due(Ticket, Box<VerifiedShare>),
}

/// What happened, for ledger and telemetry.
#[derive(Debug)]
pub enum Event {
    /// The miner has a name more.
    Authorized(WorkerName),
    /// A share that meets its miner's target only.
    BelowPool(Box<VerifiedShare>),
    /// The miner's software can hardly hold the coinbase of its pool's jobs; said once.
    CoinbaseTooLong {
        /// Bytes of the coinbase.
        len: usize,
        /// Bytes that the firmware's profile says it holds.
        max: usize,
    },
    /// The miner was told another difficulty.
    Difficulty(Difficulty),
    /// Subscribed and authorized.
    Mining,
    /// The miner was told another extranonce, because a pool's leaves no room for the one that it had.
    Renumbered,
    /// The miner has its former session back.
    Resumed,
    /// A line that is not Stratum.
    Malformed(String),
    /// A share that our validation refused, and the source of the job that it names if we know it.
    Refused(Reject, Option<crate::types::SourceId>),
}

/// What the machine wants done, filled by each call and emptied by the driver.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Bytes for the miner's socket.
    pub wire: Vec<u8>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// A share to carry to its pool.
    pub forward: Option<Forward>,
    /// The session has ended: flush and close.
    pub close: Option<Close>,
}

#[derive(Debug)]
enum Phase {
    Fresh(Fresh),
    Waiting(Waiting),
    Subscribed(Subscribed),
    Mining(Box<Mining>),
}

/// What a miner has told of itself, whatever the phase.
#[derive(Debug)]
struct Peer {
    /// When the handshake's time began to run.
    opened: Instant,
    heard: Instant,
    workers: Vec<WorkerName>,
    /// The place among them of the one that the latest submit named.
    finder: u8,
    user_agent: Option<Box<str>>,
    /// Of its software, by the profiles that it was last looked up in.
    profile: Arc<Profile>,
    profiles: Profiles,
    /// Whether it asked to be told of another extranonce.
    extranonce: ExtranonceChange,
    /// Version bits that it asked for and we allow; none if it did not negotiate.
    version_mask: Option<VersionMask>,
    /// The mask that it was last told.
    version_mask_told: VersionMask,
    wishes: Option<Box<Wishes>>,
    malformed: u8,
}

/// What some miners ask for.
#[derive(Clone, Copy, Debug, Default)]
struct Wishes {
    /// The difficulty to begin with, or to change to.
    wanted: Option<Difficulty>,
    /// To go no lower.
    floor: Option<Difficulty>,
}

/// Whether a miner follows `mining.set_extranonce`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExtranonceChange {
    Ignored,
    Followed,
}

/// The machine.
#[derive(Debug)]
pub struct Downstream {
    phase: Phase,
    peer: Peer,
    /// The name under which the miner may have its session back.
    token: SessionToken,
    /// What it is owed.
    answers: Answers,
    /// This session's part of the window over which miners are moved, so that they do not all come back at once.
    spread: Duration,
    leaving: Option<Leaving>,
}

#[derive(Clone, Copy, Debug)]
struct Leaving {
    reason: Close,
    at: Instant,
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    No,
    Yes,
}

// === impl Downstream ===

impl Downstream {
    /// A session that has just been accepted. `spread` is its part of the window over which miners are moved; `token` must
    /// not be guessable.
    pub fn new(now: Now, spread: Duration, token: SessionToken) -> Self {
        let profiles = Profiles::shipped();
        Self {
            phase: Phase::Fresh(Fresh),
            peer: Peer {
                opened: now.instant,
                heard: now.instant,
                workers: Vec::new(),
                finder: 0,
                user_agent: None,
                profile: Arc::clone(profiles.of(None)),
                profiles,
                extranonce: ExtranonceChange::Ignored,
                version_mask: None,
                version_mask_told: VersionMask::NONE,
                wishes: None,
                malformed: 0,
            },
            token,
            answers: Answers::default(),
            spread,
            leaving: None,
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, view: &View<'_>, input: Input<'_>, out: &mut Outbox) {
        self.peer.look_up(&view.terms.firmware);
        match input {
            Input::HandedOver(ticket, result) => self.handed_over(view, ticket, result, out),
            Input::Leave { reason, after } => self.leave(view, reason, after),
            Input::Line(line) => self.line(view, line, out),
            Input::Message { line, said } => self.message(view, line, said, out),
            Input::Turned(turned) => self.turn(view, &turned, out),
            Input::Timeout | Input::Work => {}
        }
        // Whatever woke us: a driver reads the latest work for every input, and may have seen a job here first.
        self.work_changed(view, out);
        if out.close.is_none() {
            self.timeouts(view, out);
        }
    }

    /// Whether the next line may be given. False while too many answers are owed, or one that the next must not overtake.
    pub fn accepts_lines(&self) -> bool {
        self.answers.has_room() && !matches!(self.phase, Phase::Waiting(_))
    }

    /// How many submits are not answered yet.
    pub fn answers_owed(&self) -> usize {
        self.answers.len()
    }

    /// The id that the miner's extranonce1 is made of.
    pub fn miner_id(&self) -> Option<MinerId> {
        match &self.phase {
            Phase::Fresh(_) | Phase::Waiting(_) => None,
            Phase::Subscribed(state) => Some(state.id),
            Phase::Mining(state) => Some(state.id()),
        }
    }

    /// Whether the handshake is complete.
    pub fn is_mining(&self) -> bool {
        matches!(self.phase, Phase::Mining(_))
    }

    /// Whether its handshake goes no further for want of a pool, or of its former connection's end: the wait is ours.
    pub fn is_kept_waiting(&self) -> bool {
        matches!(self.phase, Phase::Waiting(_))
    }

    /// Whether the miner has had a job on this connection.
    pub fn has_been_sent_a_job(&self) -> bool {
        matches!(&self.phase, Phase::Mining(state) if state.was_sent_a_job())
    }

    /// The lane whose job the miner had last on this connection.
    pub fn lane_told(&self) -> Option<LaneId> {
        let Phase::Mining(state) = &self.phase else { return None };
        state.lane_told()
    }

    /// The name that the miner was told its session by, once it was.
    pub fn session(&self) -> Option<SessionToken> {
        self.miner_id().map(|_| self.token)
    }

    /// The kind of its software: the name of a profile.
    pub fn class(&self) -> &Arc<str> {
        &self.peer.profile.name
    }

    /// The difficulty that the miner's shares have shown to fit it, if they have.
    pub fn proven_difficulty(&self) -> Option<Difficulty> {
        match &self.phase {
            Phase::Mining(state) => state.proven,
            Phase::Fresh(_) | Phase::Waiting(_) | Phase::Subscribed(_) => None,
        }
    }

    /// The miner's speed as far as its shares tell, in difficulty per second.
    pub fn work_per_second(&self, now: Now) -> f64 {
        match &self.phase {
            Phase::Fresh(_) | Phase::Waiting(_) | Phase::Subscribed(_) => 0.0,
            Phase::Mining(state) => state.vardiff.work_per_second(now.instant),
        }
    }

    /// What the miner calls itself.
    pub fn user_agent(&self) -> Option<&str> {
        self.peer.user_agent.as_deref()
    }

    /// The first name that it authorized.
    pub fn worker(&self) -> Option<&WorkerName> {
        self.peer.workers.first()
    }

    /// Every name that it authorized.
    pub fn workers(&self) -> &[WorkerName] {
        &self.peer.workers
    }

    /// The name that the latest submit gave, if the miner authorized it; else the first one. Several machines may share one
    /// connection, and each names itself in what it submits.
    pub fn finder(&self) -> Option<&WorkerName> {
        self.peer.workers.get(usize::from(self.peer.finder)).or_else(|| self.worker())
    }

    /// Whether [`Self::finder`] is another than [`Self::worker`].
    pub fn is_found_by_another(&self) -> bool {
        self.peer.finder != 0
    }

    fn line(&mut self, view: &View<'_>, line: &[u8], out: &mut Outbox) {
        self.message(view, line, message::parse_client(line), out);
    }

    fn message(
        &mut self,
        view: &View<'_>,
        line: &[u8],
        said: Result<ClientRequest<'_>, MalformedRequest>,
        out: &mut Outbox,
    ) {
        self.peer.heard = view.now.instant;
        let is_submit =
            matches!(&said, Ok(request) if matches!(request.message, ClientMessage::Submit(_)));
        if !is_submit && !self.answers.is_empty() {
            return self.answers.stall(line);
        }
        match said {
            Ok(request) => self.request(view, request, out),
            Err(fault) => self.malformed(fault, out),
        }
    }

    fn request(&mut self, view: &View<'_>, request: ClientRequest<'_>, out: &mut Outbox) {
        let id = request.reply_id().cloned();
        match request.message {
            ClientMessage::Subscribe(subscribe) => self.subscribe(view, id, &subscribe, out),
            ClientMessage::Authorize { worker, password } => {
                let wishes = self.peer.wishes();
                let wanted = password.difficulty().or(wishes.wanted);
                let floor = password.minimum().or(wishes.floor);
                self.peer.wish(Wishes { wanted, floor });
                let is_first = self.peer.workers.is_empty();
                self.authorize(view, id, worker, out);
                // A miner that was given work before it authorized, or says more with a further name.
                if let Some(wanted) = wanted.filter(|_| is_first || password.difficulty().is_some())
                {
                    self.suggest(view, wanted, out);
                }
            }
            ClientMessage::Configure(configure) => self.configure(view, id, &configure, out),
            ClientMessage::Submit(submit) => {
                let id = request.id.unwrap_or(RequestId::NULL);
                self.submit(view, id, &submit, out);
            }
            ClientMessage::SuggestDifficulty(difficulty) => {
                answer(out, id, "true");
                self.suggest(view, difficulty, out);
            }
            ClientMessage::SuggestTarget(target) => match Difficulty::near(target) {
                Ok(difficulty) => {
                    answer(out, id, "true");
                    self.suggest(view, difficulty, out);
                }
                Err(error) => refuse(out, id, RejectCode::Other, &error.to_string()),
            },
            ClientMessage::ExtranonceSubscribe => {
                self.peer.extranonce = ExtranonceChange::Followed;
                answer(out, id, "true");
            }
            ClientMessage::MultiVersion | ClientMessage::Capabilities => answer(out, id, "true"),
            ClientMessage::GetTransactions => answer(out, id, "[]"),
            ClientMessage::Ping => answer(out, id, "\"pong\""),
            ClientMessage::Pong | ClientMessage::Response => {}
            ClientMessage::Unknown { .. } => refuse(out, id, RejectCode::Other, "Method not found"),
        }
    }

    fn malformed(&mut self, fault: MalformedRequest, out: &mut Outbox) {
        let id = fault.id.unwrap_or(RequestId::NULL);
        if fault.kind == Malformed::BadSubmit {
            reply::submit_error(&mut out.wire, &id, fault.code, &fault.message);
            out.events.push(Event::Refused(Reject::Malformed, None));
            return;
        }
        reply::error(&mut out.wire, &id, fault.code, &fault.message);
        out.events.push(Event::Malformed(fault.message));
        // A request with a wrong parameter is refused and no more: firmware repeats it for as long as it mines.
        if fault.kind != Malformed::BadParams {
            self.peer.malformed = self.peer.malformed.saturating_add(1);
        }
        if self.peer.malformed >= MALFORMED_LINES_MAX {
            out.close = Some(Close::Malformed);
        }
    }
}

// === impl Peer ===

impl Peer {
    /// Finds its profile again when it has told who it is, or when the profiles have changed.
    fn look_up(&mut self, profiles: &Profiles) {
        if !self.profiles.is(profiles) {
            self.profiles = profiles.clone();
            self.called(self.user_agent.clone());
        }
    }

    /// Takes note of who submits; whether it is somebody who was authorized.
    fn submits(&mut self, name: &str) -> bool {
        let place = self.workers.iter().position(|worker| worker.matches(name));
        self.finder = place.and_then(|place| u8::try_from(place).ok()).unwrap_or_default();
        place.is_some()
    }

    fn called(&mut self, user_agent: Option<Box<str>>) {
        self.profile = Arc::clone(self.profiles.of(user_agent.as_deref()));
        self.user_agent = user_agent;
    }

    /// The listener's range, narrowed by what the software and the miner itself cannot go below.
    fn range(&self, terms: &Terms) -> VardiffSettings {
        let floors = [self.profile.min_difficulty, self.wishes().floor];
        let min = floors.into_iter().flatten().fold(terms.vardiff.min, Difficulty::max);
        VardiffSettings { min, ..terms.vardiff }
    }

    /// Where the miner begins that nothing better is known of.
    fn initial(&self, view: &View<'_>) -> Difficulty {
        let remembered = || view.registry.remembered(self.workers.first()?);
        let initial = self.wishes().wanted.or_else(remembered).or(self.profile.initial_difficulty);
        initial.unwrap_or(view.terms.vardiff.initial)
    }

    fn wishes(&self) -> Wishes {
        self.wishes.as_deref().copied().unwrap_or_default()
    }

    fn wish(&mut self, wishes: Wishes) {
        if wishes.wanted.is_some() || wishes.floor.is_some() {
            self.wishes = Some(Box::new(wishes));
        }
    }

    fn follows_set_extranonce(&self) -> bool {
        self.extranonce == ExtranonceChange::Followed
            && self.profile.set_extranonce == SetExtranonce::Allowed
    }
}

fn answer(out: &mut Outbox, id: Option<RequestId>, result: &str) {
    if let Some(id) = id {
        reply::result_raw(&mut out.wire, &id, result);
    }
}

fn refuse(out: &mut Outbox, id: Option<RequestId>, code: RejectCode, message: &str) {
    if let Some(id) = id {
        reply::error(&mut out.wire, &id, code, message);
    }
}
