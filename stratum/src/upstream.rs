//! The machine that we run towards a pool: handshake, jobs, submits and their verdicts.
//!
//! One value per pool connection, owned by one task. It writes each request only after the reply to the one before
//! (pipelining froze a pool: farm-proxy#31), owns the id space of its connection, keeps what it submitted until a verdict
//! or the end, and treats the pool as hostile: everything has a bound. No socket, no clock; it does not reconnect and does
//! not judge whether another pool would be better.

use std::time::{Duration, Instant};

use crate::difficulty::Difficulty;
use crate::frame::FrameError;
use crate::job::PoolContext;
use crate::message::{self, Notify, PoolMisbehaved, ServerMessage, request};
use crate::rpc::{RequestId, reply};
use crate::types::{Extranonce, VersionMask};
use crate::work::Now;

mod asides;
mod handshake;
mod hushed;
mod pending;
#[cfg(test)]
mod tests;

use self::asides::{Aside, Asides};
use self::handshake::{Authorizing, Configuring, SubscribeForm, Subscribing};
use self::pending::Pending;
pub use self::pending::{PoolReject, Worth};

/// Malformed lines that a pool may send before its connection is given up: one garbled line must not cost a session.
pub const MALFORMED_LINES_MAX: u32 = 16;

/// How we present ourselves to a pool.
#[derive(Clone)]
pub struct Login {
    /// The login name, for example `account.worker`.
    pub user: Box<str>,
    /// The password; never shown.
    pub password: Box<str>,
    /// The user agent of `mining.subscribe`.
    pub user_agent: Box<str>,
    /// The version bits to ask for; [`VersionMask::NONE`] asks for none.
    pub version_mask: VersionMask,
    /// A session to resume: what the pool called it, and the extranonce1 that it had.
    pub resume: Option<Resumable>,
}

/// What is needed to ask a pool for the same session again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumable {
    /// The pool's name for the session, sent back in `mining.subscribe`.
    pub session: Box<str>,
    /// The extranonce1 that the session had: only the same one means that it was resumed.
    pub extranonce1: Extranonce,
    /// The extranonce2 size that it had.
    pub extranonce2_size: u8,
}

/// How long a pool may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the connection to the last reply of the handshake.
    pub handshake: Duration,
    /// From the login to the first job.
    pub first_job: Duration,
    /// Between two jobs.
    pub job_silence: Duration,
    /// From a submit to its verdict.
    pub submit: Duration,
}

/// Whose password a further login was asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOf {
    /// A miner's.
    Miner,
    /// Ours.
    Us,
}

/// What happened on a pool's connection.
#[derive(Debug)]
pub enum Event<T> {
    /// A job to mine on, with what was in force when it came.
    Job {
        /// The job.
        notify: Notify,
        /// Extranonce, difficulty and mask that belong to it.
        context: PoolContext,
    },
    /// The pool's answer to [`Upstream::authorize`] or [`Upstream::authorize_miner`].
    Login {
        /// The login.
        user: Box<str>,
        /// Whose password it was asked with.
        of: LoginOf,
        /// Let in, or refused in the pool's words.
        outcome: Result<(), String>,
    },
    /// `client.show_message`.
    Message(String),
    /// Something that a sound pool does not send; the connection goes on.
    Misbehaved(String),
    /// Logged in.
    Ready(Ready),
    /// `client.reconnect`.
    Reconnect {
        /// Another host, if one was named.
        host: Option<String>,
        /// Another port, if one was named.
        port: Option<u16>,
        /// How long to wait first.
        wait: Duration,
    },
    /// The pool's word on a share.
    Verdict {
        /// What was given with the submit.
        token: T,
        /// Credited, or refused and why.
        verdict: Result<(), PoolReject>,
        /// From the submit to the verdict.
        after: Duration,
    },
}

/// What a login has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The pool gave back the session that was asked for: shares for its jobs are still worth something.
    pub resumed: Resumed,
    /// For asking for this session again.
    pub resumable: Option<Resumable>,
    /// The version bits that the pool lets roll.
    pub version_mask: VersionMask,
}

/// Whether an earlier session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// A new session.
    No,
    /// The same extranonce1 as before.
    Yes,
}

/// Why a pool's connection must end. Always the pool's side.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// Longer than any line that a sound pool sends.
    #[error("pool sent an overlong line: {0}")]
    Frame(#[from] FrameError),
    /// No answer to the handshake in time.
    #[error("pool did not answer {request} within {within:?}")]
    HandshakeTimeout {
        /// The request that waits.
        request: &'static str,
        /// The limit.
        within: Duration,
    },
    /// Jobs stopped coming.
    #[error("no job from the pool for {0:?}")]
    JobSilence(Duration),
    /// No first job after the login.
    #[error("no first job from the pool within {0:?} of the login")]
    FirstJobTimeout(Duration),
    /// The login was refused.
    #[error(
        "pool refused the login of user {user:?}: {message}; check account, workerName and password of the StratumPool"
    )]
    LoginRefused {
        /// The name that was refused.
        user: Box<str>,
        /// The pool's words.
        message: String,
    },
    /// Too many lines that are not Stratum.
    #[error("pool sent {count} malformed lines, the last: {last}")]
    Malformed {
        /// How many.
        count: u32,
        /// The last one's fault.
        last: PoolMisbehaved,
    },
    /// An answer to the handshake that cannot be worked with.
    #[error("pool's answer to {request} is unusable: {message}")]
    Unusable {
        /// The request.
        request: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A submit stayed without a verdict.
    #[error("no verdict from the pool on a share within {0:?}")]
    SubmitTimeout(Duration),
}

#[derive(Debug)]
enum Phase {
    Configuring(Configuring),
    Subscribing(Subscribing),
    Authorizing(Authorizing),
    Working,
}

/// What belongs to the session and not to a phase.
#[derive(Debug)]
struct Session {
    extranonce1: Extranonce,
    extranonce2_size: u8,
    difficulty: Difficulty,
    version_mask: VersionMask,
    /// The latest job, kept to be offered after the login or anew when the mask changes.
    latest: Option<Latest>,
}

/// A job and what was in force when it came. A difficulty or an extranonce that comes later holds from the next job on,
/// so it must not slip into this one.
#[derive(Debug)]
struct Latest {
    notify: Notify,
    context: PoolContext,
}

/// The machine. `T` is what the caller wants back with a verdict.
#[derive(Debug)]
pub struct Upstream<T> {
    login: Login,
    timeouts: Timeouts,
    phase: Phase,
    session: Session,
    next_request: u64,
    /// Replies to lower ids belong to the handshake.
    first_submit: u64,
    pending: Pending<T>,
    asides: Asides,
    /// When the phase's limit runs from: the connection, the login, the last job.
    since: Instant,
    malformed: u32,
    /// It was told passwords of theirs.
    knows_miners: bool,
}

/// What the machine wants done, filled by each call and emptied by the driver.
#[derive(Debug)]
pub struct Outbox<T> {
    /// Bytes for the pool's socket.
    pub wire: Vec<u8>,
    /// What happened, in order.
    pub events: Vec<Event<T>>,
}

/// A share on its way to the pool.
pub type Submission<'a> = request::PoolSubmit<'a>;

// === impl Login ===

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("password", &"(redacted)")
            .field("user_agent", &self.user_agent)
            .field("version_mask", &self.version_mask)
            .field("resume", &self.resume)
            .finish()
    }
}

// === impl Outbox ===

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self { wire: Vec::new(), events: Vec::new() }
    }
}

// === impl Upstream ===

impl<T> Upstream<T> {
    /// Opens the conversation on a fresh connection.
    pub fn new(now: Now, login: Login, timeouts: Timeouts, out: &mut Outbox<T>) -> Self {
        let mut machine = Self {
            phase: Phase::Subscribing(Subscribing { request: 0, form: SubscribeForm::Named }),
            session: Session {
                extranonce1: Extranonce::EMPTY,
                extranonce2_size: 0,
                difficulty: Difficulty::ONE,
                version_mask: VersionMask::NONE,
                latest: None,
            },
            next_request: 1,
            first_submit: u64::MAX,
            pending: Pending::default(),
            asides: Asides::default(),
            since: now.instant,
            malformed: 0,
            knows_miners: false,
            login,
            timeouts,
        };
        machine.open(now, &mut out.wire);
        machine
    }

    /// Takes one line from the pool.
    ///
    /// # Errors
    /// [`PoolError`] when the connection must end.
    pub fn handle_line(
        &mut self,
        now: Now,
        line: &[u8],
        out: &mut Outbox<T>,
    ) -> Result<(), PoolError> {
        let before = out.events.len();
        let result = match message::parse_server(line) {
            Ok(message) => self.handle(now, message, out),
            Err(fault) => self.malformed(fault, out),
        };
        self.hush_events(out.events.get_mut(before..).unwrap_or_default());
        result.map_err(|error| self.hushed(error))
    }

    /// Acts on the time that has come.
    ///
    /// # Errors
    /// [`PoolError`] when the pool was silent for too long.
    pub fn handle_timeout(&mut self, now: Now, out: &mut Outbox<T>) -> Result<(), PoolError> {
        if let Phase::Configuring(state) = &self.phase
            && now.instant >= state.give_up_at
        {
            self.subscribe(&mut out.wire);
        }
        if let Some(request) = self.phase.awaited() {
            let within = self.timeouts.handshake;
            let late = now.instant >= self.since + within;
            return if late {
                Err(PoolError::HandshakeTimeout { request, within })
            } else {
                Ok(())
            };
        }
        if now.instant >= self.since + self.job_limit() {
            return Err(match self.session.latest {
                Some(_) => PoolError::JobSilence(self.timeouts.job_silence),
                None => PoolError::FirstJobTimeout(self.timeouts.first_job),
            });
        }
        match self.pending.oldest() {
            Some(sent) if now.instant >= sent + self.timeouts.submit => {
                Err(PoolError::SubmitTimeout(self.timeouts.submit))
            }
            _ => Ok(()),
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Instant {
        if let Phase::Configuring(state) = &self.phase {
            return state.give_up_at.min(self.since + self.timeouts.handshake);
        }
        if self.phase.awaited().is_some() {
            return self.since + self.timeouts.handshake;
        }
        let jobs = self.since + self.job_limit();
        self.pending.oldest().map_or(jobs, |sent| jobs.min(sent + self.timeouts.submit))
    }

    /// New limits, from a changed configuration.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.timeouts = timeouts;
    }

    /// Whether a submit of this worth can be written: the pool is logged in to, and not too many verdicts are outstanding.
    pub fn takes(&self, worth: Worth) -> bool {
        matches!(self.phase, Phase::Working) && self.pending.has_room(worth)
    }

    /// Writes a share, for which [`Self::takes`] has said that there is room.
    ///
    /// # Errors
    /// The token comes back when the pool is not logged in to or there is not even room for a block.
    pub fn submit(
        &mut self,
        now: Now,
        submission: &Submission<'_>,
        token: T,
        wire: &mut Vec<u8>,
    ) -> Result<(), T> {
        if !matches!(self.phase, Phase::Working) {
            return Err(token);
        }
        let request = self.next_request;
        self.pending.push(request, now.instant, token)?;
        self.next_request += 1;
        request::submit(wire, request, submission);
        Ok(())
    }

    /// Tells the pool which difficulty suits; whether it listens shows in its next jobs. Nothing is written before the
    /// login.
    pub fn suggest_difficulty(&mut self, difficulty: Difficulty, wire: &mut Vec<u8>) {
        if !matches!(self.phase, Phase::Working) {
            return;
        }
        let request = self.request_id();
        self.asides.push(request, Aside::Suggestion);
        request::suggest_difficulty(wire, request, difficulty);
    }

    /// Asks for a further login on this connection, beside the one that it has; [`Event::Login`] tells the pool's answer,
    /// if there is one. Nothing is written before the first login.
    pub fn authorize(&mut self, user: &str, wire: &mut Vec<u8>) {
        if !matches!(self.phase, Phase::Working) {
            return;
        }
        let request = self.request_id();
        self.asides.push(request, Aside::Login(user.into(), LoginOf::Us));
        request::authorize(wire, request, user, &self.login.password);
    }

    /// Asks whether the pool lets a miner in: the same with the miner's own password. From
    /// then on nothing of the pool's words is handed on.
    pub fn authorize_miner(&mut self, user: &str, password: &str, wire: &mut Vec<u8>) {
        if !matches!(self.phase, Phase::Working) {
            return;
        }
        self.knows_miners = true;
        let request = self.request_id();
        self.asides.push(request, Aside::Login(user.into(), LoginOf::Miner));
        request::authorize(wire, request, user, password);
    }

    /// Hands the latest job on once more, and not as a clean one: somebody wants to look at it anew.
    pub fn offer_again(&self, out: &mut Outbox<T>) {
        if let (Phase::Working, Some(Latest { notify, context })) =
            (&self.phase, &self.session.latest)
        {
            let notify = Notify { clean: false, ..notify.clone() };
            out.events.push(Event::Job { notify, context: *context });
        }
    }

    /// The name that shares are submitted under.
    pub fn user(&self) -> &str {
        &self.login.user
    }

    /// Submits whose verdict is awaited.
    pub fn outstanding(&self) -> usize {
        self.pending.len()
    }

    /// When the oldest submit whose verdict is awaited was written.
    pub fn oldest_outstanding(&self) -> Option<Instant> {
        self.pending.oldest()
    }

    /// Ends the conversation and gives back what has no verdict.
    pub fn into_outstanding(self) -> impl Iterator<Item = T> {
        self.pending.into_tokens()
    }

    fn job_limit(&self) -> Duration {
        match self.session.latest {
            Some(_) => self.timeouts.job_silence,
            None => self.timeouts.first_job,
        }
    }

    fn request_id(&mut self) -> u64 {
        let id = self.next_request;
        self.next_request += 1;
        id
    }

    fn handle(
        &mut self,
        now: Now,
        message: ServerMessage<'_>,
        out: &mut Outbox<T>,
    ) -> Result<(), PoolError> {
        match message {
            ServerMessage::Notify(notify) => self.job(now, notify, out),
            ServerMessage::SetDifficulty(difficulty) => self.session.difficulty = difficulty,
            ServerMessage::SetExtranonce { extranonce1, extranonce2_size } => {
                self.session.extranonce1 = extranonce1;
                self.session.extranonce2_size = extranonce2_size;
            }
            ServerMessage::SetVersionMask(mask) => self.version_mask(mask, out),
            ServerMessage::Reconnect { host, port, wait_seconds } => {
                let wait = Duration::from_secs(wait_seconds.into());
                out.events.push(Event::Reconnect { host, port, wait });
            }
            ServerMessage::ShowMessage(text) => out.events.push(Event::Message(text)),
            ServerMessage::GetVersion { id } => {
                let agent = serde_json::Value::from(&*self.login.user_agent).to_string();
                answer(&mut out.wire, id.as_ref(), &agent);
            }
            ServerMessage::Ping { id } => answer(&mut out.wire, id.as_ref(), "\"pong\""),
            ServerMessage::Reply(reply) => return self.reply(now, &reply, out),
            ServerMessage::StrayReply { .. } => {
                out.events.push(Event::Misbehaved("a reply without an id of ours".into()));
            }
            ServerMessage::Unknown { method } => {
                out.events.push(Event::Misbehaved(format!("unknown method {method:?}")));
            }
        }
        Ok(())
    }

    fn malformed(&mut self, last: PoolMisbehaved, out: &mut Outbox<T>) -> Result<(), PoolError> {
        self.malformed += 1;
        if self.malformed >= MALFORMED_LINES_MAX {
            return Err(PoolError::Malformed { count: self.malformed, last });
        }
        out.events.push(Event::Misbehaved(last.to_string()));
        Ok(())
    }

    fn job(&mut self, now: Now, mut notify: Notify, out: &mut Outbox<T>) {
        let working = matches!(self.phase, Phase::Working);
        if let Some(latest) = self.session.latest.as_ref().filter(|_| !working) {
            // The one before was not handed on, and with it would go the word that a resumed session's jobs are void.
            notify.clean |= latest.notify.clean;
        }
        self.session.latest = Some(Latest { notify, context: self.context(now) });
        if working {
            self.since = now.instant;
            self.offer(out);
        }
    }

    /// Hands the latest job on.
    fn offer(&self, out: &mut Outbox<T>) {
        if let Some(Latest { notify, context }) = &self.session.latest {
            out.events.push(Event::Job { notify: notify.clone(), context: *context });
        }
    }

    fn context(&self, now: Now) -> PoolContext {
        PoolContext {
            extranonce1: self.session.extranonce1,
            extranonce2_size: self.session.extranonce2_size,
            difficulty: self.session.difficulty,
            version_mask: self.session.version_mask,
            received_at: now.unix,
        }
    }

    /// A changed mask holds at once (BIP310), so the job is offered anew under it; the same job, so not clean.
    fn version_mask(&mut self, mask: VersionMask, out: &mut Outbox<T>) {
        let mask = mask.intersect(self.login.version_mask);
        if std::mem::replace(&mut self.session.version_mask, mask) == mask {
            return;
        }
        if !matches!(self.phase, Phase::Working) {
            return;
        }
        if let Some(latest) = &mut self.session.latest {
            latest.notify.clean = false;
            latest.context.version_mask = mask;
        }
        self.offer(out);
    }

    fn verdict(&mut self, now: Now, id: u64, verdict: Result<(), PoolReject>, out: &mut Outbox<T>) {
        match self.pending.take(id) {
            Some((sent, token)) => {
                let after = now.instant.saturating_duration_since(sent);
                out.events.push(Event::Verdict { token, verdict, after });
            }
            None => out.events.push(Event::Misbehaved(format!("a reply to unknown request {id}"))),
        }
    }
}

/// Whether there is anything to work with. Whether it is enough, and for whom, is the route's to say.
pub(crate) fn usable_size(extranonce2_size: u8) -> Result<(), String> {
    match extranonce2_size {
        0 => {
            Err("extranonce2 size 0 leaves nothing to a miner (at least a byte is needed)"
                .to_owned())
        }
        1.. => Ok(()),
    }
}

fn answer(wire: &mut Vec<u8>, id: Option<&RequestId>, result: &str) {
    if let Some(id) = id.filter(|id| !id.is_null()) {
        reply::result_raw(wire, id, result);
    }
}
