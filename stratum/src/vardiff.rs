//! Finding the difficulty at which a miner sends shares at the pace that is wanted.
//!
//! Works from credited work and the time that is passed in. The estimate is of the miner's speed
//! and outlives a change of difficulty; the pool's difficulty, above which work would be lost, is
//! a bound on every answer.

use std::time::{Duration, Instant};

use crate::difficulty::Difficulty;

/// What is wanted of a listener's miners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VardiffSettings {
    /// Where a miner begins that nothing is known of.
    pub initial: Difficulty,
    /// No miner goes below, unless the pool is below.
    pub min: Difficulty,
    /// No miner goes above.
    pub max: Difficulty,
    /// The time between two shares of one miner.
    pub share_interval: Duration,
}

/// What is known of one miner's speed.
#[derive(Debug, Clone)]
pub struct Vardiff {
    /// Difficulty per second, decaying with [`MEMORY`] and not yet corrected for a short life.
    rate: f64,
    started: Instant,
    last_share: Instant,
    changed: Instant,
    shares_since_change: u32,
}

/// Time constant of the estimate. At a share per six seconds it rests on some forty shares, so it
/// is right within a third, well inside the band.
const MEMORY: Duration = Duration::from_secs(120);

/// Between two changes, unless the miner is far too fast.
const PACE: Duration = Duration::from_secs(15);

/// Shares, or shares that should have come, without which nothing is concluded.
const EVIDENCE_SHARES: u32 = 8;

/// How far the estimate may be from what would fit before anything changes. Inside, a change would
/// follow the noise.
const BAND: f64 = 2.0;

/// A miner that is faster by this much is changed at once: it floods us.
const FLOOD: f64 = 8.0;

/// A miner that sent nothing for this long, and for [`SILENT_INTERVALS`], is given half.
const SILENCE: Duration = Duration::from_secs(60);

/// Four intervals without a share happen to an honest miner once in fifty; in a minute of the
/// default pace there are ten.
const SILENT_INTERVALS: u32 = 4;

// === impl VardiffSettings ===

impl VardiffSettings {
    /// `wanted` within the bounds and not above the pool's difficulty, which wins over a minimum.
    #[must_use]
    pub fn bounded(&self, wanted: Difficulty, ceiling: Difficulty) -> Difficulty {
        wanted.max(self.min).min(self.most(ceiling))
    }

    fn most(&self, ceiling: Difficulty) -> Difficulty {
        self.max.min(ceiling)
    }

    fn least(&self, ceiling: Difficulty) -> Difficulty {
        self.min.min(self.most(ceiling))
    }

    fn silence(&self) -> Duration {
        SILENCE.max(self.share_interval.saturating_mul(SILENT_INTERVALS))
    }
}

// === impl Vardiff ===

impl Vardiff {
    /// Nothing is known; begins with the miner's first job.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { rate: 0.0, started: now, last_share: now, changed: now, shares_since_change: 0 }
    }

    /// Takes note of a share and of the difficulty that it is credited with.
    pub fn on_share(&mut self, now: Instant, credited: Difficulty) {
        self.rate = self.rate * self.decay(now) + credited.as_f64() / MEMORY.as_secs_f64();
        self.last_share = now;
        self.shares_since_change = self.shares_since_change.saturating_add(1);
    }

    /// Leaves a time without jobs out of account: a miner that had nothing to do is not slow.
    pub fn skip(&mut self, idle: Duration) {
        self.started += idle;
        self.last_share += idle;
        self.changed += idle;
    }

    /// The miner's speed as far as it is known, in difficulty per second.
    #[must_use]
    pub fn work_per_second(&self, now: Instant) -> f64 {
        let life = now.saturating_duration_since(self.started).as_secs_f64();
        let seen = 1.0 - (-life / MEMORY.as_secs_f64()).exp();
        if seen > 0.0 { self.rate * self.decay(now) / seen } else { 0.0 }
    }

    /// The difficulty to change to, if it is time for a change. To be asked after a share, when
    /// the pool's difficulty changes, and at [`Self::next_check`].
    pub fn retarget(
        &mut self,
        settings: &VardiffSettings,
        now: Instant,
        current: Difficulty,
        ceiling: Difficulty,
    ) -> Option<Difficulty> {
        let wanted = self.wanted(settings, now, current, ceiling).unwrap_or(current);
        let bounded = settings.bounded(wanted, ceiling);
        if bounded == current {
            return None;
        }
        self.changed = now;
        self.shares_since_change = 0;
        Some(bounded)
    }

    /// Whether enough shares came since the last change to say that it was for the better.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.shares_since_change >= EVIDENCE_SHARES
    }

    /// When to ask again if no share comes.
    #[must_use]
    pub fn next_check(&self, settings: &VardiffSettings, now: Instant) -> Instant {
        let due = self.last_share.max(self.changed) + settings.silence();
        if due > now { due } else { now + settings.silence() }
    }

    fn wanted(
        &self,
        settings: &VardiffSettings,
        now: Instant,
        at: Difficulty,
        ceiling: Difficulty,
    ) -> Option<Difficulty> {
        let current = at.as_f64();
        let fitting = self.work_per_second(now) * settings.share_interval.as_secs_f64();
        let ratio = fitting / current;
        let settled = now.saturating_duration_since(self.changed);
        let overdue = PACE.max(settings.share_interval.saturating_mul(EVIDENCE_SHARES));
        let too_fast = self.shares_since_change >= EVIDENCE_SHARES
            && (ratio >= FLOOD || ratio > BAND && settled >= PACE);
        let too_slow = self.shares_since_change > 0 && ratio < BAND.recip() && settled >= overdue;
        let silent_since = self.last_share.max(self.changed);
        let silent = now.saturating_duration_since(silent_since) >= settings.silence();
        // Nothing to work out for a miner that is at its bound already, as all are where the difficulty is fixed.
        let is_bound = match (too_fast, too_slow || silent) {
            (true, _) => at >= settings.most(ceiling),
            (false, true) => at <= settings.least(ceiling),
            (false, false) => true,
        };
        if is_bound {
            return None;
        }
        let wanted = if too_fast || too_slow { fitting } else { current / 2.0 };
        Some(Difficulty::from_f64(wanted).map_or(settings.min, Difficulty::rounded_down))
    }

    fn decay(&self, now: Instant) -> f64 {
        match now.saturating_duration_since(self.last_share) {
            // Just after a share, which is when it is mostly asked.
            Duration::ZERO => 1.0,
            age => (-age.as_secs_f64() / MEMORY.as_secs_f64()).exp(),
        }
    }
}

#[cfg(test)]
mod tests;
