//! The pace of a miner that submits while something else is looked at.

use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout_at};

use crate::miner::{Miner, Told};

/// When its next share is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    next: Instant,
    period: Duration,
}

// === impl Pace ===

impl Pace {
    /// That of one of `count` miners, by its place among them, who take turns at `rate` shares a second from `start` on.
    pub(super) fn of(place: usize, count: usize, rate: f64, start: Instant) -> Self {
        Self {
            next: start + Duration::from_secs_f64(place as f64 / rate),
            period: Duration::from_secs_f64(count as f64 / rate),
        }
    }

    /// Waits until the next share is due.
    pub(super) async fn due(&mut self) {
        sleep_until(self.next.into()).await;
        self.next += self.period;
    }

    /// What the miner is told until its next share is due; if nothing, that share is submitted.
    pub(super) async fn step(&mut self, miner: &mut Miner) -> Result<Option<Told>, String> {
        if let Ok(told) = timeout_at(self.next.into(), miner.told()).await {
            return told.map(Some);
        }
        self.next += self.period;
        miner.find().await.map(|()| None)
    }
}
