//! The jobs that shares may still arrive for.

use std::sync::Arc;

use crate::types::{JobSerial, SourceId};

use super::Job;

/// The latest jobs, newest last. A value: whoever adds a job makes a new table, and whoever reads
/// one sees it whole.
#[derive(Debug, Clone, Default)]
pub struct JobTable {
    entries: Box<[Entry]>,
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
struct Entry {
    job: Arc<Job>,
    live: bool,
}

/// Jobs that are remembered. At one each 30 seconds from the pool and as many repeats this is
/// eight minutes, longer than any miner works on one job.
const JOBS_MAX: usize = 32;

impl JobTable {
    /// This table with a job more. If the job is clean, the earlier jobs of its source are stale;
    /// those of other sources are worth what they were. The oldest job may be forgotten.
    #[must_use]
    pub fn with_job(&self, job: Arc<Job>) -> Self {
        let retired = job.notify.clean.then_some(job.source);
        let forgotten = (self.entries.len() + 1).saturating_sub(JOBS_MAX);
        let kept = self.entries.iter().skip(forgotten).cloned().map(|entry| entry.retired(retired));
        Self { entries: kept.chain([Entry { job, live: true }]).collect() }
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
        let retired = |job: &Job| job.source == source && *job.notify.job_id == *job_id;
        let entries = self.entries.iter().cloned();
        let entries =
            entries.map(|entry| Entry { live: entry.live && !retired(&entry.job), ..entry });
        Self { entries: entries.collect() }
    }

    /// The job that miners know by this id.
    #[must_use]
    pub fn lookup(&self, serial: JobSerial) -> Lookup<'_> {
        // From the newest, which is what nearly all shares are for.
        match self.entries.iter().rev().find(|entry| entry.job.serial == serial) {
            Some(Entry { job, live: true }) => Lookup::Live(job),
            Some(Entry { job, live: false }) => Lookup::Stale(job),
            None => Lookup::Unknown,
        }
    }

    /// The job that came last, if it is live.
    #[must_use]
    pub fn newest(&self) -> Option<&Arc<Job>> {
        self.entries.last().filter(|entry| entry.live).map(|entry| &entry.job)
    }

    /// How many jobs are live.
    #[must_use]
    pub fn live_count(&self) -> usize {
        self.entries.iter().filter(|entry| entry.live).count()
    }
}

impl Entry {
    fn retired(self, source: Option<SourceId>) -> Self {
        let live = self.live && source != Some(self.job.source);
        Self { live, ..self }
    }
}
