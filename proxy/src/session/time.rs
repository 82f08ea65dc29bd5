//! What a miner's hashrate has to work on, booked by the state that it was in for how long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Feed;
use super::driver::Session;
use crate::sink::time::{TimeRow, WorkState};

/// How long a state may go unbooked while a session has something else to do.
const BOOKED_EVERY: Duration = Duration::from_secs(10);

/// The state that is not booked yet.
#[derive(Debug)]
pub(super) struct Spending {
    row: Arc<TimeRow>,
    since: Instant,
    /// None before the handshake is complete.
    state: Option<WorkState>,
}

// === impl Spending ===

impl Spending {
    pub(super) fn new(now: Instant, feed: &Feed) -> Self {
        Self { row: Arc::clone(&feed.time), since: now, state: None }
    }
}

// === impl Session ===

impl Session {
    /// Books the time so far where the state has changed, or now and then.
    pub(super) fn spend(&mut self, now: Instant) {
        let (state, row) = {
            let feed = self.feed.borrow();
            (self.work_state(&feed), Arc::clone(&feed.time))
        };
        let time = now.saturating_duration_since(self.spending.since);
        let is_same = state == self.spending.state && Arc::ptr_eq(&row, &self.spending.row);
        if is_same && time < BOOKED_EVERY {
            return;
        }
        self.book(now);
        self.spending = Spending { row, since: now, state };
    }

    /// The connection has ended. Who was not asked to leave is missed from now on.
    pub(super) fn spent(&mut self, now: Instant) {
        self.book(now);
        let rate = self.seat.rate();
        let is_missed = rate > 0.0 && self.spending.state != Some(WorkState::Draining);
        if let Some(worker) = self.machine.worker().filter(|_| is_missed) {
            let who = (&self.context.listener, worker.as_str());
            self.context.ledger.time().left(now, who, rate, &self.spending.row);
        }
    }

    /// One that was missed is as fast as it was, until its shares say otherwise.
    pub(super) fn arrived(&self, now: Instant) {
        let Some(worker) = self.machine.worker() else { return };
        let missed = self.context.ledger.time().came(now, &self.context.listener, worker.as_str());
        if let Some(rate) = missed.filter(|_| self.seat.rate() <= 0.0) {
            self.seat.measured(rate);
        }
    }

    fn book(&self, now: Instant) {
        let Spending { row, since, state } = &self.spending;
        if let Some(state) = state {
            row.spent(*state, self.seat.rate(), now.saturating_duration_since(*since));
        }
    }

    fn work_state(&self, feed: &Feed) -> Option<WorkState> {
        if !self.machine.is_mining() {
            return None;
        }
        Some(match (self.is_leaving(), feed.work.lanes.is_empty()) {
            (true, _) => WorkState::Draining,
            (false, false) => WorkState::Paid,
            // It hashes on what it was sent last, which nobody will pay.
            (false, true) if self.machine.has_been_sent_a_job() => WorkState::Stale,
            (false, true) => WorkState::NoJob,
        })
    }
}
