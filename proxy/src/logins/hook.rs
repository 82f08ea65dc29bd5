//! A web hook that is asked for each login, by POST in JSON, over connections that are kept. What it says holds for a while;
//! while it fails, a yes holds for longer, and the configuration says what becomes of the rest.
//!
//! It is asked by tasks of the listener's thread, a few at a time. Whoever waits for long is decided without it.

mod request;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use loka_api::runtime_config::{OnHookFailure, Webhook};
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use self::request::{HookError, Line};
use super::cache::Cache;
use super::digest::{Digest, Key};
use super::{Answer, Asked, Decision, GateSeams, Login};
use crate::clock::Clock;
use crate::policy::backoff::{Backoff, Fault};
use crate::telemetry::reasons::{HookAnswer, LoginRefusal};
use crate::telemetry::{MinerEvent, Telemetry};
use crate::workers::Tasks;

/// Questions at once.
const CONNECTIONS_MAX: usize = 8;

/// Logins that wait for their turn.
const WAITING_MAX: usize = 16_384;

/// For so long; a farm that comes back at once is not to wait for a hook that is slow.
const WAITING_FOR: Duration = Duration::from_secs(10);

/// Logins of which a yes is remembered: some 80 bytes each.
const ALLOWED_MAX: usize = 65_536;

/// Those of which a no is, apart: whoever tries thousands pushes out no yes.
const REFUSED_MAX: usize = 8192;

#[derive(Debug)]
pub(super) struct Hook {
    key: Key,
    questions: mpsc::Sender<Question>,
    shared: Arc<Shared>,
}

/// A login to be asked for.
struct Question {
    digest: Digest,
    body: String,
    asked: Instant,
    answer: oneshot::Sender<Decision>,
}

/// What is said to the hook.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    listener: &'a str,
    worker: &'a str,
    password: &'a str,
    address: String,
    user_agent: &'a str,
}

#[derive(Debug)]
struct Shared {
    listener: Arc<str>,
    clock: Clock,
    telemetry: Telemetry,
    terms: Holding,
    line: Line,
    /// Contended by logins; never by a share.
    memory: Mutex<Memory>,
}

/// How long what holds.
#[derive(Debug)]
struct Holding {
    timeout: Duration,
    allowed: Duration,
    refused: Duration,
    stale: Duration,
    on_failure: OnHookFailure,
}

#[derive(Debug)]
struct Memory {
    allowed: Cache<Instant>,
    refused: Cache<Instant>,
    backoff: Backoff,
    /// Not asked before.
    asked_from: Option<Instant>,
    random: fastrand::Rng,
}

// === impl Hook ===

impl Hook {
    pub(super) fn new(wanted: &Webhook, key: Key, seams: GateSeams<'_>) -> Self {
        let line = Line::new(wanted, &seams);
        let millis = Duration::from_millis;
        let terms = Holding {
            timeout: millis(wanted.timeout_ms),
            allowed: millis(wanted.allow_for_ms),
            refused: millis(wanted.refuse_for_ms),
            stale: millis(wanted.stale_for_ms),
            on_failure: wanted.on_failure,
        };
        let GateSeams { listener, clock, telemetry, dial: _, tasks, workers: _, random } = seams;
        let memory = Memory {
            allowed: Cache::new(ALLOWED_MAX),
            refused: Cache::new(REFUSED_MAX),
            backoff: Backoff::hook(),
            asked_from: None,
            random: random.fork(),
        };
        let shared = Arc::new(Shared {
            listener: Arc::clone(listener),
            clock,
            telemetry: telemetry.clone(),
            terms,
            line,
            memory: Mutex::new(memory),
        });
        let (questions, queue) = mpsc::channel(WAITING_MAX);
        tasks.spawn(serve(Arc::clone(&shared), queue, tasks.clone()));
        Self { key, questions, shared }
    }

    pub(super) fn ask(&self, now: Instant, login: &Login<'_>) -> Asked {
        let Login { listener, worker, password, address, user_agent } = *login;
        let address = address.to_canonical().to_string();
        let parts = [worker.as_bytes(), password.as_bytes(), address.as_bytes()];
        let digest = self.key.of(&parts);
        if let Some(known) = self.shared.known(now, digest) {
            return Asked::Known(known);
        }
        let body = Body { listener, worker, password, address, user_agent };
        // Texts always can be written.
        let body = serde_json::to_string(&body).unwrap_or_default();
        let (answer, decision) = oneshot::channel();
        match self.questions.try_send(Question { digest, body, asked: now, answer }) {
            Ok(()) => Asked::Later(Answer::Ours(decision)),
            Err(_) => Asked::Known(self.shared.without(now, digest)),
        }
    }
}

/// Answers questions until nobody can ask.
async fn serve(shared: Arc<Shared>, mut questions: mpsc::Receiver<Question>, tasks: Tasks) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Some(question) = questions.recv().await {
        // Never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (shared, tasks_of_line) = (Arc::clone(&shared), tasks.clone());
        tasks.spawn(async move {
            shared.answer(question, &tasks_of_line).await;
            drop(place);
        });
    }
}

// === impl Shared ===

impl Shared {
    /// What holds without asking.
    fn known(&self, now: Instant, digest: Digest) -> Option<Decision> {
        let memory = self.lock();
        let holds = |since: Option<Instant>, lasts| {
            since.is_some_and(|since| now.saturating_duration_since(since) < lasts)
        };
        if holds(memory.allowed.recall(digest), self.terms.allowed) {
            return Some(Decision::In(None));
        }
        if holds(memory.refused.recall(digest), self.terms.refused) {
            return Some(Decision::Out(LoginRefusal::Hook));
        }
        let is_left_alone = memory.asked_from.is_some_and(|from| now < from);
        drop(memory);
        is_left_alone.then(|| self.without(now, digest))
    }

    /// What becomes of a login while the hook fails.
    fn without(&self, now: Instant, digest: Digest) -> Decision {
        let allowed = self.lock().allowed.recall(digest);
        let is_known =
            allowed.is_some_and(|since| now.saturating_duration_since(since) < self.terms.stale);
        match (is_known, self.terms.on_failure) {
            (true, _) | (false, OnHookFailure::Allow) => Decision::In(None),
            (false, OnHookFailure::Refuse) => Decision::Out(LoginRefusal::HookFailed),
        }
    }

    async fn answer(&self, question: Question, tasks: &Tasks) {
        let Question { digest, body, asked, answer } = question;
        if answer.is_closed() {
            return;
        }
        let now = self.clock.now().instant;
        let known = match now.saturating_duration_since(asked) < WAITING_FOR {
            // The same may have been asked for another connection meanwhile.
            true => self.known(now, digest),
            false => Some(self.without(now, digest)),
        };
        let decision = match known {
            Some(decision) => decision,
            None => self.ask(digest, body, tasks).await,
        };
        // A session that has gone needs no answer.
        answer.send(decision).ok();
    }

    async fn ask(&self, digest: Digest, body: String, tasks: &Tasks) -> Decision {
        let limit = self.terms.timeout;
        let said = timeout(limit, self.line.ask(body, tasks)).await;
        let said = said.unwrap_or(Err(HookError::Late(limit)));
        let now = self.clock.now().instant;
        let (result, detail) = match &said {
            Ok(true) => (HookAnswer::Allowed, None),
            Ok(false) => (HookAnswer::Refused, None),
            Err(error) => (HookAnswer::Failed, Some(error as &dyn std::fmt::Display)),
        };
        let listener = &*self.listener;
        self.telemetry.emit(MinerEvent::HookAsked { listener, result, detail });
        let mut memory = self.lock();
        match said {
            Ok(is_allowed) => {
                memory.backoff.reset();
                memory.asked_from = None;
                if is_allowed {
                    memory.allowed.note(digest, now);
                    return Decision::In(None);
                }
                memory.allowed.forget(digest);
                memory.refused.note(digest, now);
                Decision::Out(LoginRefusal::Hook)
            }
            Err(_) => {
                // Of several that fail together one counts.
                if memory.asked_from.is_none_or(|from| from <= now) {
                    let jitter = memory.random.f64();
                    memory.asked_from = Some(now + memory.backoff.next(Fault::Lost, jitter));
                }
                drop(memory);
                self.without(now, digest)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
