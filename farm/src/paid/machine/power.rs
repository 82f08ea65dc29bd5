//! Whether a machine hashes at full power: some save it while there is nothing to do.

use tokio::time::Instant;

use super::traits::Idle;

/// The power of one machine.
#[derive(Debug)]
pub(super) struct Power {
    idle: Idle,
    without_work_since: Option<Instant>,
    ramp_since: Option<Instant>,
}

// === impl Power ===

impl Power {
    pub(super) fn new(idle: Idle, now: Instant) -> Self {
        Self { idle, without_work_since: Some(now), ramp_since: None }
    }

    pub(super) fn work_gone(&mut self, now: Instant) {
        self.without_work_since.get_or_insert(now);
    }

    /// A machine that had powered down begins to ramp.
    pub(super) fn work_came(&mut self, now: Instant) {
        let Some(since) = self.without_work_since.take() else { return };
        if let Idle::PowersDown { after, ramp: _ } = self.idle
            && now.saturating_duration_since(since) >= after
        {
            self.ramp_since = Some(now);
        }
    }

    /// How much of its hashrate it does, from nought to one.
    pub(super) fn level(&self, now: Instant) -> f64 {
        let (Idle::PowersDown { after: _, ramp }, Some(since)) = (self.idle, self.ramp_since)
        else {
            return 1.0;
        };
        let done = now.saturating_duration_since(since).as_secs_f64() / ramp.as_secs_f64();
        done.min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_minute_without_work_costs_three_of_ramp_and_less_costs_none() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (after, ramp) = (Duration::from_secs(60), Duration::from_secs(180));
        let mut power = Power::new(Idle::PowersDown { after, ramp }, start);
        power.work_came(at(59));
        assert!((power.level(at(59)) - 1.0).abs() < 1e-9);
        power.work_gone(at(100));
        power.work_came(at(160));
        assert!(power.level(at(160)) < 1e-9);
        assert!((power.level(at(250)) - 0.5).abs() < 1e-9);
        assert!((power.level(at(400)) - 1.0).abs() < 1e-9);
    }
}
