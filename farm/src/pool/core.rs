//! The pool without its sockets: lines and time go in, lines and endings come out.
//!
//! It owns every decision of the pool and all its state. It reads no socket and sleeps never;
//! the connection tasks move its bytes and the clock task tells it the time.

mod faults;
mod requests;
mod schedule;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::wire::{self, encode_hex, prev_hash_to_notify};

use super::books::Books;
use super::chain::{Chain, Clean, Template};
use super::peer::{ConnectionId, ConnectionView, Ending, ExtranonceNews, JobFlow, Peer, Rolling};
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
    schedule: Schedule,
    life: Life,
    voice: Voice,
    verdicts: Verdicts,
    stop: CancellationToken,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Life {
    Alive,
    Dead,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Voice {
    Silent,
    Speaking,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdicts {
    Answered,
    Withheld,
}

/// What a connection's task needs to know to serve it.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) id: ConnectionId,
    pub(super) wake: Arc<Notify>,
    pub(super) ended: CancellationToken,
}

/// What a connection's task has to do now.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) bytes: Vec<u8>,
    pub(super) next: Option<Instant>,
    pub(super) ending: Option<Ending>,
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
            life: Life::Alive,
            voice: Voice::Speaking,
            verdicts: Verdicts::Answered,
            stop,
            settings,
        }
    }

    pub(super) fn books(&self) -> &Books {
        &self.books
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
            Some(peer) => Due {
                bytes: peer.outbox.take_due(now),
                next: peer.outbox.next_due(),
                ending: peer.ending,
            },
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

    /// Queues a line that takes no time of its own. A silent pool sends nothing.
    fn send(&mut self, id: ConnectionId, line: String, now: Instant) {
        if self.voice == Voice::Speaking
            && let Some(peer) = self.peers.get_mut(&id)
            && !peer.send(now, line.into_bytes())
        {
            self.books.counts.slow_readers += 1;
        }
    }

    /// Sends the first difficulty and job, once the peer is far enough for them.
    fn start_jobs(&mut self, id: ConnectionId, now: Instant) {
        let first_job = self.settings.first_job;
        let Some((peer, _)) = self.subscribed(id) else { return };
        let ready = match first_job {
            FirstJob::AfterAuthorize => !peer.users.is_empty(),
            FirstJob::AfterSubscribe => true,
        };
        if ready && peer.flow == JobFlow::Awaited {
            peer.flow = JobFlow::Flowing;
            self.tell_difficulty(id, now);
            self.notify(id, Clean::Clean, now);
        }
    }

    fn tell_difficulty(&mut self, id: ConnectionId, now: Instant) {
        let number = self.settings.forms.number;
        if let Some((_, session)) = self.subscribed(id) {
            let line = number.set_difficulty(session.difficulty);
            self.send(id, line, now);
        }
    }

    /// Sends the present template as a new job.
    fn notify(&mut self, id: ConnectionId, clean: Clean, now: Instant) {
        let Some(key) = self.flowing_session(id) else { return };
        let unix_time = self.unix_time(now);
        let Some(session) = self.sessions.of_mut(key) else { return };
        let mut work = self.template.work(session.extranonce_bytes());
        if session.has_just(&work) {
            self.template = self.chain.template(unix_time);
            work = self.template.work(session.extranonce_bytes());
        }
        let job_id = session.issue(&work, clean, now);
        let branches: Vec<String> = work.branches.iter().map(|hash| encode_hex(hash)).collect();
        let params = json!([
            job_id,
            prev_hash_to_notify(work.prev_block.as_ref()),
            encode_hex(&work.coinb1),
            encode_hex(&work.coinb2),
            branches,
            format!("{:08x}", work.version),
            format!("{:08x}", work.nbits),
            format!("{:08x}", work.ntime),
            clean == Clean::Clean,
        ]);
        self.books.counts.jobs_sent += 1;
        self.send(id, wire::notification("mining.notify", &params), now);
    }

    fn flowing_session(&self, id: ConnectionId) -> Option<SessionKey> {
        let peer = self.peers.get(&id)?;
        (peer.flow == JobFlow::Flowing).then_some(peer.session).flatten()
    }

    /// Makes a new template and sends it to everyone.
    fn broadcast_job(&mut self, clean: Clean, now: Instant) {
        self.template = self.chain.template(self.unix_time(now));
        for id in self.ids() {
            self.notify(id, clean, now);
        }
    }

    fn ids(&self) -> Vec<ConnectionId> {
        self.peers.keys().copied().collect()
    }
}

