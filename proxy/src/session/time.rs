//! What a miner's hashrate has to work on, booked by the state that it was in for how long. Work of a pool is booked up to where
//! that pool was heard of: whether it was there after that is known later.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Feed;
use super::driver::Session;
use crate::sink::time::{TimeRow, WorkState};
use crate::upstream::{PoolId, Pulse, Spent, Stay};

/// How long a state may go unbooked while a session has something else to do.
const BOOKED_EVERY: Duration = Duration::from_secs(10);

/// The state that is not booked yet.
#[derive(Debug)]
pub(super) struct Spending {
    row: Arc<TimeRow>,
    since: Instant,
    /// None before the handshake is complete.
    state: Option<WorkState>,
    /// Of the pool whose work it has, where the state is [`WorkState::Paid`].
    pulse: Option<Arc<Pulse>>,
}

// === impl Spending ===

impl Spending {
    pub(super) fn new(now: Instant, feed: &Feed) -> Self {
        Self { row: Arc::clone(&feed.time), since: now, state: None, pulse: None }
    }

    /// Books what is known by now, for a miner of this speed.
    fn book(&mut self, now: Instant, rate: f64, stay: Stay) {
        let Some(state) = self.state else { return };
        let Some(pulse) = &self.pulse else {
            let time = now.saturating_duration_since(self.since);
            self.row.spent(state, rate, time);
            self.since = now;
            return;
        };
        let Spent { live, silent, until } = pulse.spent(self.since, now, stay);
        self.row.spent(state, rate, live);
        self.row.spent(WorkState::Stale, rate, silent);
        self.since = until;
    }
}

// === impl Session ===

impl Session {
    /// Books the time so far where the state has changed, or now and then.
    pub(super) fn spend(&mut self, now: Instant, feed: &Feed) {
        let state = self.work_state(feed);
        let lane = self.machine.lane_told().filter(|_| state == Some(WorkState::Paid));
        let pool = lane.and_then(|lane| feed.pool(PoolId(lane.0)));
        let name = || pool.map(|pool| Arc::clone(&pool.handle.name));
        self.card.works_for(lane.map(|lane| lane.0), name);
        let (row, pulse) = (&feed.time, pool.map(|pool| &pool.handle.pulse));
        let time = now.saturating_duration_since(self.spending.since);
        let is_same = state == self.spending.state
            && Arc::ptr_eq(row, &self.spending.row)
            && pulse.map(Arc::as_ptr) == self.spending.pulse.as_ref().map(Arc::as_ptr);
        let rate = self.seat.rate();
        match is_same {
            true if time < BOOKED_EVERY => {}
            true => self.spending.book(now, rate, Stay::Stays),
            false => {
                self.spending.book(now, rate, Stay::Leaves);
                let (row, pulse) = (Arc::clone(row), pulse.cloned());
                self.spending = Spending { row, since: now, state, pulse };
            }
        }
    }

    /// The connection has ended. Who was not asked to leave is missed from now on.
    pub(super) fn spent(&mut self, now: Instant) {
        let rate = self.seat.rate();
        self.spending.book(now, rate, Stay::Leaves);
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
            self.card.rate(rate);
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
