//! Shares that were written to a session whose connection is gone, and have no verdict. If the pool gives the session back,
//! they are submitted once more: it has them or it has not, and knows which. Bounded in number and in time.
//!
//! A session that is another's gets none of them: to it they are nobody's shares.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use loka_stratum::job::Clean;
use loka_stratum::share::VerifiedShare;
use loka_stratum::types::SourceId;

use super::{InFlight, Time};
use crate::sink::ledger::Unanswered;

/// How long after its first writing a share may be submitted once more: pools that give a session back do so at the next
/// connect, and until then nobody can say what became of the share. cgminer waits for two minutes, and its pool is its only one.
const RESUBMIT_WITHIN: Duration = Duration::from_secs(10);

/// As many as one connection may have outstanding.
const UNSETTLED_MAX: usize = 10_000;

/// Jobs of a session that are remembered. Beyond it the oldest is taken for dead, and its shares stay unanswered.
const JOBS_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Unsettled(VecDeque<Entry>);

#[derive(Debug)]
struct Entry {
    share: InFlight,
    reason: Unanswered,
}

/// The pool's ids of those jobs of its session that no clean job has ended.
#[derive(Debug, Default)]
pub(super) struct LiveJobs {
    source: Option<SourceId>,
    ids: VecDeque<Box<str>>,
}

// === impl Unsettled ===

impl Unsettled {
    /// Keeps a share; `reason` is why it is unanswered if the session does not come back. What cannot be kept is handed
    /// back: a pool that left it unanswered twice would only see a third.
    pub(super) fn keep(&mut self, share: InFlight, reason: Unanswered) -> Result<(), InFlight> {
        if share.time == Time::Again || self.0.len() >= UNSETTLED_MAX {
            return Err(share);
        }
        self.0.push_back(Entry { share, reason });
        Ok(())
    }

    /// When the next one is too old. They are kept in the order of their writing.
    pub(super) fn expires_at(&self) -> Option<Instant> {
        self.0.front().map(|entry| entry.share.written + RESUBMIT_WITHIN)
    }

    /// Those that are too old, with why they are unanswered.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(InFlight, Unanswered)> {
        let is_old = |entry: &Entry| entry.share.written + RESUBMIT_WITHIN <= now;
        let old = self.0.iter().take_while(|entry| is_old(entry)).count();
        self.0.drain(..old).map(|entry| (entry.share, entry.reason)).collect()
    }

    /// Everything: what can go to the session that is logged in to, and what is unanswered for good.
    pub(super) fn split(
        &mut self,
        now: Instant,
        jobs: &LiveJobs,
    ) -> (Vec<InFlight>, Vec<(InFlight, Unanswered)>) {
        let entries = self.0.drain(..);
        let (again, gone): (Vec<_>, Vec<_>) = entries.partition(|entry| {
            entry.share.written + RESUBMIT_WITHIN > now && jobs.takes(&entry.share.share)
        });
        let gone = gone.into_iter().map(|entry| (entry.share, entry.reason));
        (again.into_iter().map(|entry| entry.share).collect(), gone.collect())
    }

    /// Everything, unanswered for good.
    pub(super) fn give_up(&mut self) -> Vec<(InFlight, Unanswered)> {
        self.0.drain(..).map(|entry| (entry.share, entry.reason)).collect()
    }
}

// === impl LiveJobs ===

impl LiveJobs {
    /// A session was logged in to; one that is new has no jobs.
    pub(super) fn session(&mut self, source: SourceId) {
        if self.source.replace(source) != Some(source) {
            self.ids.clear();
        }
    }

    pub(super) fn job(&mut self, id: &str, clean: Clean) {
        if clean == Clean::Yes {
            self.ids.clear();
        }
        if self.ids.len() >= JOBS_MAX {
            self.ids.pop_front();
        }
        if !self.ids.iter().any(|known| **known == *id) {
            self.ids.push_back(id.into());
        }
    }

    /// Whether the session may still pay a share. A block is one whatever became of its job.
    fn takes(&self, share: &VerifiedShare) -> bool {
        let job = share.job();
        let is_live = || self.ids.iter().any(|id| **id == *job.notify.job_id);
        self.source == Some(job.source) && (share.block_candidate() || is_live())
    }
}
