//! The jobs that shares may still arrive for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::types::{JobSerial, PrevHash, SourceId};

use super::Job;

/// The latest jobs, newest last. A value: whoever adds a job makes a new table, and whoever reads
/// one sees it whole.
#[derive(Debug, Clone, Default)]
pub struct JobTable {
    pub(super) entries: Box<[Entry]>,
}

/// What a table says of a job id.
#[derive(Debug, Clone, Copy)]
pub enum Lookup<'a> {
    /// Work that is worth something.
    Live(&'a Arc<Job>),
    /// Work that a clean job ended a moment ago: what was on its way then, many pools still pay.
    Late(&'a Arc<Job>),
    /// Work that has lost its worth, by a clean job or with its session.
    Stale(&'a Arc<Job>),
    /// Never heard of, or forgotten.
    Unknown,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Beside the job, so that a search stays within the table.
    serial: JobSerial,
    source: SourceId,
    job: Arc<Job>,
    worth: Worth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    Live,
    /// Ended by a clean job, then.
    Outdated(Instant),
    Nothing,
}

/// How long after a clean job shares for the work before it are late and not stale: as long as pools that are lenient take
/// them. Which pools are is theirs to say, share by share.
pub const LATE: Duration = Duration::from_secs(2);

/// Jobs of one source that are remembered, so that no lane pushes out what another's miners work on. Some firmware goes on
/// with a job for as long as no other is clean: at one each five seconds, the most that pools send, this is ten minutes, as
/// long as ckpool takes shares for it.
const JOBS_OF_SOURCE_MAX: usize = 128;

/// Jobs that are remembered in all: those of eight sources at their bound. Beyond it those without worth go first.
const JOBS_MAX: usize = 1024;

impl JobTable {
    /// This table with a job more. The oldest job of its source may be forgotten.
    #[must_use]
    pub fn with_job(&self, job: Arc<Job>) -> Self {
        let (serial, source) = (job.serial, job.source);
        let mut entries: Vec<Entry> = self.entries.to_vec();
        let of_source = entries.iter().filter(|entry| entry.source == source).count();
        if of_source >= JOBS_OF_SOURCE_MAX {
            forget(&mut entries, |entry| entry.source == source);
        }
        if entries.len() >= JOBS_MAX && !forget(&mut entries, |entry| !entry.is_live()) {
            forget(&mut entries, |_| true);
        }
        entries.push(Entry { serial, source, job, worth: Worth::Live });
        Self { entries: entries.into() }
    }

    /// This table with all jobs of a source stale: its session is over.
    #[must_use]
    pub fn retire(&self, source: SourceId) -> Self {
        self.changed(|entry| entry.source == source, |_| Worth::Nothing)
    }

    /// This table with all jobs of a source outdated: it has sent a clean one.
    #[must_use]
    pub fn outdate(&self, source: SourceId, now: Instant) -> Self {
        let outdated = |worth| if worth == Worth::Live { Worth::Outdated(now) } else { worth };
        self.changed(|entry| entry.source == source, outdated)
    }

    /// This table with those jobs of a source stale that the pool calls by this id: it has given the id to other work, and
    /// a share could not say which of the two it is for.
    #[must_use]
    pub fn retire_id(&self, source: SourceId, job_id: &str) -> Self {
        let retired = |entry: &Entry| entry.source == source && *entry.job.notify.job_id == *job_id;
        self.changed(retired, |_| Worth::Nothing)
    }

    /// The job that miners know by this id.
    #[must_use]
    pub fn lookup(&self, serial: JobSerial, now: Instant) -> Lookup<'_> {
        // From the newest, which is what nearly all shares are for.
        let Some(entry) = self.entries.iter().rev().find(|entry| entry.serial == serial) else {
            return Lookup::Unknown;
        };
        match entry.worth {
            Worth::Live => Lookup::Live(&entry.job),
            Worth::Outdated(at) if now.saturating_duration_since(at) < LATE => {
                Lookup::Late(&entry.job)
            }
            Worth::Outdated(_) | Worth::Nothing => Lookup::Stale(&entry.job),
        }
    }

    /// The job that came last, if it is live.
    #[must_use]
    pub fn newest(&self) -> Option<&Arc<Job>> {
        self.entries.last().filter(|entry| entry.is_live()).map(|entry| &entry.job)
    }

    /// The id of the job that came last.
    #[must_use]
    pub fn newest_serial(&self) -> JobSerial {
        self.entries.last().map_or(JobSerial(0), |entry| entry.serial)
    }

    /// The id of the job that came first of those that are live.
    #[must_use]
    pub fn oldest_live(&self) -> Option<JobSerial> {
        self.entries.iter().find(|entry| entry.is_live()).map(|entry| entry.serial)
    }

    /// Whether a share for a job on this block could still count.
    #[must_use]
    pub fn has_live_on(&self, block: PrevHash) -> bool {
        self.entries.iter().any(|entry| entry.is_live() && entry.job.notify.prev_hash == block)
    }

    /// How many jobs are live.
    #[must_use]
    pub fn live_count(&self) -> usize {
        self.entries.iter().filter(|entry| entry.is_live()).count()
    }

    /// Bytes of the table and its jobs.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let jobs: usize = self.entries.iter().map(|entry| entry.job.bytes()).sum();
        self.entries.len() * size_of::<Entry>() + jobs
    }

    fn changed(&self, of: impl Fn(&Entry) -> bool, to: impl Fn(Worth) -> Worth) -> Self {
        let entries = self.entries.iter().cloned();
        let entries = entries.map(|entry| match of(&entry) {
            true => Entry { worth: to(entry.worth), ..entry },
            false => entry,
        });
        Self { entries: entries.collect() }
    }
}

impl Entry {
    fn is_live(&self) -> bool {
        self.worth == Worth::Live
    }
}

/// Takes the oldest of these out; false if there is none.
fn forget(entries: &mut Vec<Entry>, of: impl Fn(&Entry) -> bool) -> bool {
    let oldest = entries.iter().position(of);
    oldest.map(|oldest| entries.remove(oldest)).is_some()
}
