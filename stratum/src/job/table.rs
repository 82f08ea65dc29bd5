//! The jobs that shares may still arrive for.

use std::sync::Arc;

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
    live: bool,
}

/// Jobs of one source that are remembered, so that no lane pushes out what another's miners work on. Some firmware goes on
/// with a job for as long as no other is clean: at one each five seconds, the most that pools send, this is ten minutes, as
/// long as ckpool takes shares for it.
const JOBS_OF_SOURCE_MAX: usize = 128;

/// Jobs that are remembered in all: those of eight sources at their bound. Beyond it those without worth go first.
const JOBS_MAX: usize = 1024;

impl JobTable {
    /// This table with a job more. If the job is clean, the earlier jobs of its source are stale;
    /// those of other sources are worth what they were. The oldest job of its source may be forgotten.
    #[must_use]
    pub fn with_job(&self, job: Arc<Job>) -> Self {
        let (serial, source) = (job.serial, job.source);
        let retired = job.notify.clean.then_some(source);
        let entries = self.entries.iter().cloned().map(|entry| entry.retired(retired));
        let mut entries: Vec<Entry> = entries.collect();
        let of_source = entries.iter().filter(|entry| entry.source == source).count();
        if of_source >= JOBS_OF_SOURCE_MAX {
            forget(&mut entries, |entry| entry.source == source);
        }
        if entries.len() >= JOBS_MAX && !forget(&mut entries, |entry| !entry.live) {
            forget(&mut entries, |_| true);
        }
        entries.push(Entry { serial, source, job, live: true });
        Self { entries: entries.into() }
    }

    /// This table with all jobs of a source stale.
    #[must_use]
    pub fn retire(&self, source: SourceId) -> Self {
        let entries = self.entries.iter().cloned();
        Self { entries: entries.map(|entry| entry.retired(Some(source))).collect() }
    }

    /// This table with those jobs of a source stale that the pool calls by this id: it has given the id to other work, and
    /// a share could not say which of the two it is for.
    #[must_use]
    pub fn retire_id(&self, source: SourceId, job_id: &str) -> Self {
        let retired = |entry: &Entry| entry.source == source && *entry.job.notify.job_id == *job_id;
        let entries = self.entries.iter().cloned();
        let entries = entries.map(|entry| Entry { live: entry.live && !retired(&entry), ..entry });
        Self { entries: entries.collect() }
    }

    /// The job that miners know by this id.
    #[must_use]
    pub fn lookup(&self, serial: JobSerial) -> Lookup<'_> {
        // From the newest, which is what nearly all shares are for.
        match self.entries.iter().rev().find(|entry| entry.serial == serial) {
            Some(Entry { job, live: true, .. }) => Lookup::Live(job),
            Some(Entry { job, live: false, .. }) => Lookup::Stale(job),
            None => Lookup::Unknown,
        }
    }

    /// The job that came last, if it is live.
    #[must_use]
    pub fn newest(&self) -> Option<&Arc<Job>> {
        self.entries.last().filter(|entry| entry.live).map(|entry| &entry.job)
    }

    /// The id of the job that came last.
    #[must_use]
    pub fn newest_serial(&self) -> JobSerial {
        self.entries.last().map_or(JobSerial(0), |entry| entry.serial)
    }

    /// The id of the job that came first of those that are live.
    #[must_use]
    pub fn oldest_live(&self) -> Option<JobSerial> {
        self.entries.iter().find(|entry| entry.live).map(|entry| entry.serial)
    }

    /// Whether a share for a job on this block could still count.
    #[must_use]
    pub fn has_live_on(&self, block: PrevHash) -> bool {
        self.entries.iter().any(|entry| entry.live && entry.job.notify.prev_hash == block)
    }

    /// How many jobs are live.
    #[must_use]
    pub fn live_count(&self) -> usize {
        self.entries.iter().filter(|entry| entry.live).count()
    }
}

impl Entry {
    fn retired(self, source: Option<SourceId>) -> Self {
        let live = self.live && source != Some(self.source);
        Self { live, ..self }
    }
}

/// Takes the oldest of these out; false if there is none.
fn forget(entries: &mut Vec<Entry>, of: impl Fn(&Entry) -> bool) -> bool {
    let oldest = entries.iter().position(of);
    oldest.map(|oldest| entries.remove(oldest)).is_some()
}
