//! The pool's own difficulty control: it follows the work that a session delivers.
//!
//! Only a practice pool's: simple, quick and rough, so that a proxy sees its pool's difficulty
//! move. It is told the time and draws nothing.

use std::time::Duration;

use tokio::time::Instant;

use crate::judge::Difficulty;

/// With so many shares the measured rate is within 25 % two times out of three.
const SHARES_ENOUGH: u32 = 16;
/// So many before the next look are a flood, which is answered at once.
const SHARES_IN_FLOOD: u32 = 64;
/// How long to wait for them before the rate is called low.
const WINDOW_MAX: Duration = Duration::from_secs(30);
/// No change for less than these factors: two standard errors of sixteen shares.
const UNCHANGED_FROM: f64 = 0.6;
const UNCHANGED_TO: f64 = 1.6;
/// The steepest fall in one window, for a session that delivered nothing.
const FALL_MAX: f64 = 0.25;

/// What a session delivered since the last look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vardiff {
    since: Instant,
    shares: u32,
    work: f64,
}

// === impl Vardiff ===

impl Vardiff {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, shares: 0, work: 0.0 }
    }

    pub(super) fn on_share(&mut self, difficulty: Difficulty) {
        self.shares = self.shares.saturating_add(1);
        self.work += difficulty.as_f64();
    }

    pub(super) fn is_flooded(&self) -> bool {
        self.shares >= SHARES_IN_FLOOD
    }

    /// A difficulty that would give the wanted pace, if the present one is off by enough.
    pub(super) fn proposal(
        &mut self,
        now: Instant,
        present: Difficulty,
        shares_per_second: f64,
    ) -> Option<Difficulty> {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed.is_zero() || (self.shares < SHARES_ENOUGH && elapsed < WINDOW_MAX) {
            return None;
        }
        let wanted = self.work / elapsed.as_secs_f64() / shares_per_second;
        *self = Self::new(now);
        let change = (wanted / present.as_f64()).max(FALL_MAX);
        if (UNCHANGED_FROM..=UNCHANGED_TO).contains(&change) {
            return None;
        }
        Difficulty::rounded(present.as_f64() * change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: f64 = 2.0;

    /// Delivers shares of difficulty 1 for some seconds, then asks.
    fn proposed(shares: u32, seconds: u64) -> Option<String> {
        let start = Instant::now();
        let mut vardiff = Vardiff::new(start);
        for _ in 0..shares {
            vardiff.on_share(Difficulty::ONE);
        }
        let now = start + Duration::from_secs(seconds);
        vardiff.proposal(now, Difficulty::ONE, PACE).map(|difficulty| difficulty.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn the_difficulty_follows_the_delivered_work() {
        assert_eq!(proposed(100, 10).as_deref(), Some("5"));
        assert_eq!(proposed(20, 30).as_deref(), Some("0.333"));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_changes_near_the_wanted_pace_or_before_enough_is_known() {
        assert_eq!(proposed(25, 10), None);
        assert_eq!(proposed(15, 1), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_session_falls_by_steps() {
        assert_eq!(proposed(0, 30).as_deref(), Some("0.25"));
    }
}
