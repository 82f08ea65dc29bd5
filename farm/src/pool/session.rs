//! Subscriptions: what a session was given, for as long as the pool remembers it.
//!
//! A session outlives its connection where the pool resumes sessions, so it holds what must
//! survive: the extranonce1, the jobs and the difficulty. Logins, the version mask and the
//! subscription to extranonces belong to the connection.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::judge::{Difficulty, IssuedJob, JobOnRecord, Work};
use crate::wire::decode_hex;

use super::forms::JobId;
use super::settings::PoolSettings;
use super::vardiff::Vardiff;

/// Jobs on record in one session; a share for an older one meets an unknown job.
pub(super) const JOBS_MAX: usize = 128;
/// Sessions on record, the newest: more than any test has connections.
pub(super) const SESSIONS_MAX: usize = 65_536;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct SessionKey(u64);

#[derive(Debug)]
pub(super) struct Session {
    /// What the peer presents to get its session back.
    pub(super) id: String,
    pub(super) extranonce1: Vec<u8>,
    pub(super) extranonce2_bytes: usize,
    /// In force from the next job on.
    pub(super) difficulty: Difficulty,
    pub(super) vardiff: Vardiff,
    jobs: VecDeque<RecordedJob>,
    jobs_issued: u64,
    job_id: JobId,
}

#[derive(Debug)]
struct RecordedJob {
    id: String,
    job: IssuedJob,
    retired_at: Option<Instant>,
}

/// All sessions that the pool remembers.
#[derive(Debug)]
pub(super) struct Sessions {
    by_key: BTreeMap<SessionKey, Session>,
    made: u64,
    /// Extranonce1 number n is `first + n · step`: with an odd step all 256^bytes values come
    /// before one returns.
    first: u128,
    step: u128,
}

// === impl Session ===

impl Session {
    /// A clean job replaces all before it. Those that were retired earlier stand first.
    pub(super) fn retire_jobs(&mut self, now: Instant) {
        let present = self.jobs.iter_mut().rev();
        for job in present.take_while(|job| job.retired_at.is_none()) {
            job.retired_at = Some(now);
        }
    }

    /// Puts a job on record and returns its id.
    pub(super) fn issue(&mut self, work: &Arc<Work>) -> &str {
        if self.jobs.len() >= JOBS_MAX {
            self.jobs.pop_front();
        }
        self.jobs_issued += 1;
        let job = IssuedJob {
            work: Arc::clone(work),
            extranonce1: self.extranonce1.clone(),
            extranonce2_size: self.extranonce2_bytes,
            difficulty: self.difficulty,
        };
        let id = self.job_id.text(self.jobs_issued);
        self.jobs.push_back(RecordedJob { id, job, retired_at: None });
        self.jobs.back().map_or("", |recorded| &recorded.id)
    }

    /// Whether the newest job is this very work: a finder that got it again would start anew and
    /// find its old shares.
    pub(super) fn has_just(&self, work: &Arc<Work>) -> bool {
        self.jobs.back().is_some_and(|recorded| Arc::ptr_eq(&recorded.job.work, work))
    }

    pub(super) fn lookup(&self, id: &str, now: Instant, grace: Duration) -> JobOnRecord<'_> {
        let Some(recorded) = self.jobs.iter().rev().find(|recorded| recorded.id == id) else {
            return JobOnRecord::Unknown;
        };
        // A grace of nothing is no grace, even within the very instant of the clean job.
        let retired = |at| grace.is_zero() || now > at + grace;
        match recorded.retired_at {
            Some(at) if retired(at) => JobOnRecord::Stale(&recorded.job),
            Some(_) | None => JobOnRecord::Live(&recorded.job),
        }
    }

    /// The job of this coinbase and header, if it is still paid.
    pub(super) fn live_job(
        &self,
        header: &[u8; 80],
        coinbase: &[u8],
        now: Instant,
        grace: Duration,
    ) -> Option<&IssuedJob> {
        let recorded = self.jobs.iter().find(|recorded| {
            let work = &recorded.job.work;
            let start = [work.coinb1.as_slice(), &recorded.job.extranonce1].concat();
            let length = start.len() + recorded.job.extranonce2_size + work.coinb2.len();
            header.get(4..36) == Some(work.prev_block.as_ref())
                && coinbase.len() == length
                && coinbase.starts_with(&start)
                && coinbase.ends_with(&work.coinb2)
                && matches!(self.lookup(&recorded.id, now, grace), JobOnRecord::Live(_))
        });
        recorded.map(|recorded| &recorded.job)
    }

    pub(super) fn extranonce_bytes(&self) -> usize {
        self.extranonce1.len() + self.extranonce2_bytes
    }
}

// === impl Sessions ===

impl Sessions {
    pub(super) fn new(random: &mut fastrand::Rng) -> Self {
        let (first, step) = (random.u128(..), random.u128(..) | 1);
        Self { by_key: BTreeMap::new(), made: 0, first, step }
    }

    pub(super) fn open(&mut self, settings: &PoolSettings, now: Instant) -> SessionKey {
        let extranonce1 = self.fresh_extranonce1(settings.extranonce1_bytes);
        let key = SessionKey(self.made);
        let session = Session {
            id: format!("{:x}{:06x}", self.made, settings.seed & 0xff_ffff),
            extranonce1,
            extranonce2_bytes: settings.extranonce2_bytes,
            difficulty: settings.difficulty.start(),
            vardiff: Vardiff::new(now),
            jobs: VecDeque::new(),
            jobs_issued: 0,
            job_id: settings.forms.job_id,
        };
        self.by_key.insert(key, session);
        if self.by_key.len() > SESSIONS_MAX {
            self.by_key.pop_first();
        }
        key
    }

    /// An extranonce1 that no session before had.
    pub(super) fn fresh_extranonce1(&mut self, length: usize) -> Vec<u8> {
        self.made += 1;
        let number = self.first.wrapping_add(self.step.wrapping_mul(self.made.into()));
        number.to_le_bytes().into_iter().take(length).collect()
    }

    /// The session that a peer means: by its id, or by its extranonce1 as ckpool takes it.
    pub(super) fn find(&self, presented: &str) -> Option<SessionKey> {
        let extranonce1 = decode_hex(presented);
        let means = |session: &Session| {
            session.id == presented || extranonce1.as_ref() == Some(&session.extranonce1)
        };
        self.by_key.iter().find(|(_, session)| means(session)).map(|(key, _)| *key)
    }

    pub(super) fn of(&self, key: SessionKey) -> Option<&Session> {
        self.by_key.get(&key)
    }

    pub(super) fn of_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.by_key.get_mut(&key)
    }

    pub(super) fn forget(&mut self, key: SessionKey) {
        self.by_key.remove(&key);
    }

    /// Also in the sessions that nobody holds at present.
    pub(super) fn retire_jobs(&mut self, now: Instant) {
        self.by_key.values_mut().for_each(|session| session.retire_jobs(now));
    }

    pub(super) fn forget_all(&mut self) {
        self.by_key.clear();
    }
}
