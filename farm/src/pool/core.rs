//! The pool without its sockets: lines and time go in, lines and endings come out.
//!
//! It owns every decision of the pool and all its state. It reads no socket and sleeps never;
//! the connection tasks move its bytes and the clock task tells it the time.

mod faults;
mod requests;
mod schedule;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::judge::{IssuedJob, Reason};
use crate::wire::{encode_hex, prev_hash_to_notify};

use super::books::Books;
use super::chain::{Chain, Clean, Template};
use super::judged::JudgedLog;
use super::outbox::Lane;
use super::peer::{
    ConnectionId, ConnectionView, Due, Ending, ExtranonceNews, JobFlow, Peer, Rolling, Sending,
};
use super::session::{Session, SessionKey, Sessions};
use super::settings::{FirstJob, PoolSettings, Resumption};

use self::schedule::Schedule;

/// Mixed with a connection's number, so that neighbours draw differently: the golden ratio in 64
/// bits.
const SEED_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Debug)]
pub(super) struct Core {
    settings: PoolSettings,
    started: Instant,
    chain: Chain,
    template: Template,
    peers: BTreeMap<ConnectionId, Peer>,
    sessions: Sessions,
    books: Books,
    judged: JudgedLog,
    schedule: Schedule,
    life: Life,
    faults: Faults,
    stop: CancellationToken,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Life {
    Alive,
    Dead,
}

/// What the pool does wrong at present, on command.
#[derive(Debug)]
struct Faults {
    voice: Voice,
    jobs: Jobs,
    verdicts: Verdicts,
    /// What every login is told instead of yes.
    login_refusal: Option<Refusal>,
    /// What every share that should be paid is told instead.
    share_refusal: Option<Reason>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Voice {
    Silent,
    Speaking,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Jobs {
    Sent,
    Withheld,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdicts {
    Prompt,
    /// So much later than other replies.
    Late(Duration),
    Withheld,
}

/// A no and its words.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Refusal {
    code: i64,
    message: Cow<'static, str>,
}

/// What a connection's task needs to know to serve it.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) id: ConnectionId,
    pub(super) wake: Arc<Notify>,
    pub(super) ended: CancellationToken,
}

// === impl Faults ===

impl Faults {
    const NONE: Self = Self {
        voice: Voice::Speaking,
        jobs: Jobs::Sent,
        verdicts: Verdicts::Prompt,
        login_refusal: None,
        share_refusal: None,
    };
}

// === impl Core ===

impl Core {
    pub(super) fn new(settings: PoolSettings, now: Instant, stop: CancellationToken) -> Self {
        let mut chain = Chain::new(&settings);
        let template = chain.template(settings.base_unix_time);
        let mut random = fastrand::Rng::with_seed(settings.seed ^ SEED_STEP);
        Self {
            schedule: Schedule::new(&settings, &mut chain, now),
            started: now,
            chain,
            template,
            peers: BTreeMap::new(),
            sessions: Sessions::new(&mut random),
            books: Books::default(),
            judged: JudgedLog::default(),
            life: Life::Alive,
            faults: Faults::NONE,
            stop,
            settings,
        }
    }

    pub(super) fn books(&self) -> &Books {
        &self.books
    }

    pub(super) fn judged(&mut self) -> &mut JudgedLog {
        &mut self.judged
    }

    /// The job that a share which arrived now would find alive, on whichever connection it was
    /// given to.
    pub(super) fn live_job(
        &self,
        header: &[u8; 80],
        coinbase: &[u8],
        now: Instant,
    ) -> Option<&IssuedJob> {
        let deaf = self.life == Life::Dead || self.faults.voice == Voice::Silent;
        let grace = self.settings.stale_grace;
        let held = |peer: &Peer| {
            let session = peer.session.and_then(|key| self.sessions.of(key));
            session.and_then(|session| session.live_job(header, coinbase, now, grace))
        };
        let held = |peer| if deaf { None } else { held(peer) };
        self.peers.values().find_map(held)
    }

    /// A connection has come; `None` while the pool is dead.
    pub(super) fn open(&mut self) -> Option<Admission> {
        if self.life == Life::Dead {
            return None;
        }
        self.books.counts.connections += 1;
        let number = self.books.counts.connections;
        let ended = self.stop.child_token();
        let seed = self.settings.seed ^ SEED_STEP.wrapping_mul(number);
        let peer = Peer::new(seed, ended.clone());
        let id = ConnectionId(number);
        let wake = Arc::clone(&peer.wake);
        self.peers.insert(id, peer);
        Some(Admission { id, wake, ended })
    }

    /// A connection has gone.
    pub(super) fn close(&mut self, id: ConnectionId) {
        let Some(peer) = self.peers.remove(&id) else { return };
        if self.settings.resumption == Resumption::Forgets
            && let Some(key) = peer.session
        {
            self.sessions.forget(key);
        }
    }

    /// What may be written to a connection now.
    pub(super) fn take_due(&mut self, id: ConnectionId, now: Instant) -> Due {
        match self.peers.get_mut(&id) {
            Some(peer) => peer.take_due(now),
            None => Due { bytes: Vec::new(), next: None, ending: Some(Ending::Close) },
        }
    }

    pub(super) fn views(&self) -> Vec<ConnectionView> {
        let view = |(id, peer): (&ConnectionId, &Peer)| {
            let session = peer.session.and_then(|key| self.sessions.of(key));
            ConnectionView {
                id: *id,
                user_agent: peer.user_agent.clone(),
                users: peer.users.iter().cloned().collect(),
                extranonce1: session.map(|s| encode_hex(&s.extranonce1)).unwrap_or_default(),
                extranonce2_bytes: session.map(|s| s.extranonce2_bytes).unwrap_or_default(),
                version_mask: peer.rolling.map(Rolling::mask),
                wants_extranonce_news: peer.extranonce_news == ExtranonceNews::Wanted,
                difficulty: session.map(|s| s.difficulty),
            }
        };
        self.peers.iter().map(view).collect()
    }

    fn unix_time(&self, now: Instant) -> u32 {
        let elapsed_s = now.saturating_duration_since(self.started).as_secs();
        self.settings.base_unix_time.saturating_add(elapsed_s.try_into().unwrap_or(u32::MAX))
    }

    /// The peer and its session, where there are both.
    fn subscribed(&mut self, id: ConnectionId) -> Option<(&mut Peer, &mut Session)> {
        let peer = self.peers.get_mut(&id)?;
        let session = self.sessions.of_mut(peer.session?)?;
        Some((peer, session))
    }

    /// Queues a notification, which takes no time of its own.
    fn tell(&mut self, id: ConnectionId, method: &str, params: &Value, now: Instant) {
        let line = self.settings.forms.notification.line(method, &params.to_string());
        self.send(id, line, now);
    }

    /// Queues a line. A silent pool sends nothing.
    fn send(&mut self, id: ConnectionId, line: String, now: Instant) {
        if self.faults.voice == Voice::Speaking {
            self.queue(id, Lane::Ordered, now, line.into_bytes());
        }
    }

    fn queue(&mut self, id: ConnectionId, lane: Lane, due: Instant, line: Vec<u8>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        match peer.send(lane, due, line) {
            Sending::Queued | Sending::TooLate => {}
            Sending::Overflowed => self.books.counts.slow_readers += 1,
        }
    }

    /// Sends the first difficulty and job, once the peer is far enough for them. That job is clean
    /// for the peer; the jobs that a resumed session had before stay good.
    fn start_jobs(&mut self, id: ConnectionId, now: Instant) {
        let first_job = self.settings.first_job;
        let Some((peer, session)) = self.subscribed(id) else { return };
        let ready = match first_job {
            FirstJob::AfterAuthorize => !peer.users.is_empty(),
            FirstJob::AfterSubscribe => true,
        };
        if ready && peer.flow == JobFlow::Awaited {
            peer.flow = JobFlow::Flowing;
            if peer.told != Some(session.difficulty) {
                self.tell_difficulty(id, now);
            }
            self.notify(id, Clean::Clean, now);
        }
    }

    fn tell_difficulty(&mut self, id: ConnectionId, now: Instant) {
        let forms = self.settings.forms;
        if let Some((peer, session)) = self.subscribed(id) {
            peer.told = Some(session.difficulty);
            let params = format!("[{}]", forms.number.text(session.difficulty));
            self.send(id, forms.notification.line("mining.set_difficulty", &params), now);
        }
    }

    /// Sends the present template as a new job.
    fn notify(&mut self, id: ConnectionId, clean: Clean, now: Instant) {
        if self.faults.jobs == Jobs::Withheld || self.faults.voice == Voice::Silent {
            return;
        }
        let Some(key) = self.flowing_session(id) else { return };
        let (unix_time, forms) = (self.unix_time(now), self.settings.forms);
        let Some(session) = self.sessions.of_mut(key) else { return };
        let mut work = self.template.work(session.extranonce_bytes());
        if session.has_just(&work) {
            self.template = self.chain.template(unix_time);
            work = self.template.work(session.extranonce_bytes());
        }
        let job_id = forms.job_id.value(session.issue(&work));
        let branches: Vec<String> = work.branches.iter().map(|hash| encode_hex(hash)).collect();
        let mut params = vec![
            job_id,
            json!(prev_hash_to_notify(work.prev_block.as_ref())),
            json!(encode_hex(&work.coinb1)),
            json!(encode_hex(&work.coinb2)),
            json!(branches),
            json!(format!("{:08x}", work.version)),
            json!(format!("{:08x}", work.nbits)),
            json!(format!("{:08x}", work.ntime)),
        ];
        if forms.clean_flag.is_written(clean) {
            params.push(json!(clean == Clean::Clean));
        }
        self.books.counts.jobs_sent += 1;
        self.tell(id, "mining.notify", &Value::Array(params), now);
    }

    fn flowing_session(&self, id: ConnectionId) -> Option<SessionKey> {
        let peer = self.peers.get(&id)?;
        (peer.flow == JobFlow::Flowing).then_some(peer.session).flatten()
    }

    /// Makes a new template and sends it to everyone. A clean one retires all jobs before it, also
    /// of sessions that it does not reach.
    fn broadcast_job(&mut self, clean: Clean, now: Instant) {
        if clean == Clean::Clean {
            self.sessions.retire_jobs(now);
        }
        self.template = self.chain.template(self.unix_time(now));
        for id in self.ids() {
            self.notify(id, clean, now);
        }
    }

    fn ids(&self) -> Vec<ConnectionId> {
        self.peers.keys().copied().collect()
    }
}
