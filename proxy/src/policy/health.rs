//! Whether a pool that is connected is fit to be mined on: judged by the verdicts that it owes, the block that it is on,
//! the jobs that it sends and the shares that it refuses.
//!
//! A suspicion is a reason to mine elsewhere while that is possible; the connection stays, and so do the shares that
//! await their verdicts. Each one makes the pool wait longer before it is taken back. Only facts and times come in.

use std::time::{Duration, Instant};

/// A pool that owes a verdict for this long is left, however quick it usually is: less would follow the network's noise.
/// With the way of the news to the miners, a second of work is lost.
const STALL_LEAST: Duration = Duration::from_millis(850);

/// And this is the longest that a slow one is waited for, however slow it has become.
const STALL_MOST: Duration = Duration::from_secs(10);

/// How many times the slowest of a thousand verdicts are waited for: four times would be lost, less the way to the miners
/// and the eighth by which that measurement may be too long.
const STALL_FACTOR: f64 = 3.5;

/// Without a job for this long, and for [`SILENCE_FACTOR`] of its usual gaps, a pool is suspected while another one sends
/// jobs. That is well before it is dead by its `jobSilence`: an old job costs the fees of newer transactions at first.
const SILENCE: Duration = Duration::from_secs(180);
const SILENCE_FACTOR: u32 = 4;

/// Gaps between jobs without which nothing is usual.
const GAPS_LEAST: u32 = 4;

/// Verdicts that a judgement of acceptance rests on.
const VERDICTS: u64 = 50;

/// Troubles double the time that a pool must be healthy before it is taken back, this often at most: 120 s become 64 min.
const DOUBLINGS_MAX: u32 = 5;

/// After so long without trouble a pool is as good as new.
const FORGIVEN_AFTER: Duration = Duration::from_secs(3600);

/// Why a pool is not to be mined on while another can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suspicion {
    /// It owes verdicts for too long.
    SubmitStall,
    /// Another pool has left its block for a new one.
    BlockLag,
    /// It sends no jobs, and another pool does.
    JobSilence,
    /// It refuses more than half of the shares.
    Refusals,
}

/// Whether trouble with a pool costs anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Duty {
    /// It is mined on.
    Mined,
    #[default]
    StandBy,
}

/// What is known of a pool at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signs {
    /// When the oldest submit without a verdict was written.
    pub(crate) oldest_outstanding: Option<Instant>,
    /// All but one of a thousand verdicts come within this.
    pub(crate) slowest_verdict: Option<Duration>,
    /// Since when another pool is on a block after this one's.
    pub(crate) behind_since: Option<Instant>,
    /// The latest job of any other pool that is connected.
    pub(crate) others_job: Option<Instant>,
    pub(crate) duty: Duty,
    /// Verdicts so far.
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
}

/// What the configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HealthLimits {
    /// A verdict may be owed for so long; none: by what the pool has taken so far.
    pub(crate) submit_stall: Option<Duration>,
    pub(crate) block_lag: Duration,
}

/// The health of one pool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    suspicion: Option<Suspicion>,
    /// When the last trouble ended; it is healthy since then.
    cured: Option<Instant>,
    /// Times that it was lost or suspected in succession while it was mined on.
    troubles: u32,
    last_trouble: Option<Instant>,
    jobs: JobGaps,
    /// Verdicts at the beginning of the stretch that is judged.
    judged_from: Verdicts,
}

/// How often jobs come.
#[derive(Clone, Copy, Debug, Default)]
struct JobGaps {
    last: Option<Instant>,
    /// A moving average.
    usual: Duration,
    count: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Verdicts {
    accepted: u64,
    rejected: u64,
}

// === impl HealthLimits ===

impl HealthLimits {
    /// How long a verdict may be owed.
    pub(crate) fn stall(&self, slowest_verdict: Option<Duration>) -> Duration {
        self.submit_stall.unwrap_or_else(|| {
            // Within what can be multiplied.
            let slow = slowest_verdict.unwrap_or_default().min(STALL_MOST);
            slow.mul_f64(STALL_FACTOR).clamp(STALL_LEAST, STALL_MOST)
        })
    }
}

// === impl Health ===

impl Health {
    pub(crate) fn suspicion(&self) -> Option<Suspicion> {
        self.suspicion
    }

    /// Whether it never was in trouble, or long ago.
    pub(crate) fn is_sound(&self) -> bool {
        self.troubles == 0
    }

    /// A job came.
    pub(crate) fn job(&mut self, now: Instant) {
        self.jobs.job(now);
    }

    /// Its connection ended. What it was suspected of has ended with it.
    pub(crate) fn lost(&mut self, now: Instant, duty: Duty) {
        if self.suspicion.is_none() {
            self.trouble(now, duty);
        }
        self.suspicion = None;
        self.jobs.last = None;
    }

    /// Takes note of what is known now.
    pub(crate) fn judge(&mut self, now: Instant, signs: &Signs, limits: &HealthLimits) {
        let suspicion = self.suspect(now, signs, limits);
        match (self.suspicion, suspicion) {
            (None, Some(_)) => self.trouble(now, signs.duty),
            (Some(_), None) => self.cured = Some(now),
            (None, None) | (Some(_), Some(_)) => {}
        }
        self.suspicion = suspicion;
    }

    /// When [`Self::judge`] would suspect it next, if nothing else happens.
    pub(crate) fn due_at(&self, signs: &Signs, limits: &HealthLimits) -> Option<Instant> {
        let stall = limits.stall(signs.slowest_verdict);
        let stall = signs.oldest_outstanding.map(|sent| sent + stall);
        let lag = signs.behind_since.map(|since| since + limits.block_lag);
        [stall, lag].into_iter().flatten().min()
    }

    /// When a pool that is ready since `ready` may be taken back from a worse one.
    pub(crate) fn trusted_from(&self, ready: Instant, failback_after: Duration) -> Instant {
        let since = self.cured.map_or(ready, |cured| cured.max(ready));
        let doublings = self.troubles.saturating_sub(1).min(DOUBLINGS_MAX);
        since + failback_after.saturating_mul(1 << doublings)
    }

    /// A stand-by's troubles cost nothing, and are no reason to wait for longer than it takes to see that they are over.
    fn trouble(&mut self, now: Instant, duty: Duty) {
        if duty == Duty::StandBy {
            return;
        }
        let forgiven = |at: Instant| now.saturating_duration_since(at) >= FORGIVEN_AFTER;
        if self.last_trouble.is_some_and(forgiven) {
            self.troubles = 0;
        }
        self.troubles = self.troubles.saturating_add(1);
        self.last_trouble = Some(now);
    }

    fn suspect(&mut self, now: Instant, signs: &Signs, limits: &HealthLimits) -> Option<Suspicion> {
        let due =
            |since: Option<Instant>, after: Duration| since.is_some_and(|at| now >= at + after);
        let refuses = self.refuses(signs);
        if due(signs.oldest_outstanding, limits.stall(signs.slowest_verdict)) {
            Some(Suspicion::SubmitStall)
        } else if due(signs.behind_since, limits.block_lag) {
            Some(Suspicion::BlockLag)
        } else if refuses {
            Some(Suspicion::Refusals)
        } else if self.jobs.is_silent(now, signs.others_job) {
            Some(Suspicion::JobSilence)
        } else {
            None
        }
    }

    /// Of each stretch of verdicts, whether more than half are refusals; told as soon as it is certain, and once: a pool
    /// that was left has no further verdicts to be judged by.
    fn refuses(&mut self, signs: &Signs) -> bool {
        let accepted = signs.accepted.saturating_sub(self.judged_from.accepted);
        let rejected = signs.rejected.saturating_sub(self.judged_from.rejected);
        let judged = accepted + rejected;
        let refuses = rejected * 2 > judged.max(VERDICTS);
        if refuses || judged >= VERDICTS {
            self.judged_from = Verdicts { accepted: signs.accepted, rejected: signs.rejected };
        }
        refuses
    }
}

// === impl JobGaps ===

impl JobGaps {
    fn job(&mut self, now: Instant) {
        if let Some(last) = self.last {
            let gap = now.saturating_duration_since(last);
            self.count = self.count.saturating_add(1);
            let weight = self.count.min(8);
            self.usual = (self.usual * (weight - 1) + gap) / weight;
        }
        self.last = Some(now);
    }

    fn is_silent(&self, now: Instant, others_job: Option<Instant>) -> bool {
        let Some(last) = self.last else { return false };
        let limit = SILENCE.max(self.usual.saturating_mul(SILENCE_FACTOR));
        // The other one's job must be newer by a gap, or both wait for the same block.
        let others = others_job.is_some_and(|at| at > last + self.usual);
        self.count >= GAPS_LEAST && others && now.saturating_duration_since(last) >= limit
    }
}

#[cfg(test)]
mod tests;
