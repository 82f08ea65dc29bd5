//! What happens at the pool by itself as time passes: jobs, blocks, pings, difficulty.

use std::time::Duration;

use bitcoin::BlockHash;
use tokio::time::Instant;

use crate::pool::chain::{Chain, Clean};
use crate::pool::forms;
use crate::pool::peer::ConnectionId;
use crate::pool::settings::{DifficultyPolicy, PoolSettings};

use super::{Core, Jobs};

/// How often the work of each session is looked at.
const VARDIFF_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Schedule {
    job: Instant,
    block: Instant,
    ping: Option<Instant>,
    vardiff: Option<Instant>,
}

// === impl Schedule ===

impl Schedule {
    pub(super) fn new(settings: &PoolSettings, chain: &mut Chain, now: Instant) -> Self {
        let adapts = match settings.difficulty {
            DifficultyPolicy::Fixed(_) => false,
            DifficultyPolicy::Adaptive { start: _, min: _, shares_per_second: _ } => true,
        };
        Self {
            job: now + settings.job_interval,
            block: now + settings.block_interval.mul_f64(chain.stretch()),
            ping: settings.ping_interval.map(|interval| now + interval),
            vardiff: adapts.then_some(now + VARDIFF_INTERVAL),
        }
    }

    fn next(&self) -> Instant {
        let others = [Some(self.block), self.ping, self.vardiff];
        others.into_iter().flatten().fold(self.job, Instant::min)
    }
}

// === impl Core ===

impl Core {
    /// When [`Self::advance`] has something to do.
    pub(in crate::pool) fn next_event(&self) -> Instant {
        self.schedule.next()
    }

    /// Does what is due. What was missed is not made up for.
    pub(in crate::pool) fn advance(&mut self, now: Instant) {
        if self.schedule.block <= now {
            self.new_block(None, now);
        } else if self.schedule.job <= now && self.faults.jobs == Jobs::Withheld {
            // A job that nobody is told of must not retire the one they have; a block does.
            self.schedule.job = now + self.settings.job_interval;
        } else if self.schedule.job <= now {
            let is_clean = self.chain.percentile() < self.settings.clean_jobs_percent;
            self.new_job(if is_clean { Clean::Clean } else { Clean::Continues }, now);
        }
        if self.schedule.ping.is_some_and(|due| due <= now) {
            self.schedule.ping = self.settings.ping_interval.map(|interval| now + interval);
            for id in self.ids() {
                self.send(id, forms::ping(), now);
            }
        }
        if self.schedule.vardiff.is_some_and(|due| due <= now) {
            self.schedule.vardiff = Some(now + VARDIFF_INTERVAL);
            self.adapt_difficulties(now);
        }
    }

    pub(in crate::pool) fn new_job(&mut self, clean: Clean, now: Instant) {
        self.schedule.job = now + self.settings.job_interval;
        self.broadcast_job(clean, now);
    }

    /// A block was found, by a share of ours or by somebody.
    pub(in crate::pool) fn new_block(&mut self, found: Option<BlockHash>, now: Instant) {
        self.chain.advance(found);
        let interval = self.settings.block_interval.mul_f64(self.chain.stretch());
        self.schedule.block = now + interval;
        self.new_job(Clean::Clean, now);
    }

    fn adapt_difficulties(&mut self, now: Instant) {
        for id in self.ids() {
            self.adapt(id, now);
        }
    }

    /// Does not wait for the next look while shares pour in: a machine of a million times the
    /// expected hashrate would flood the pool until then.
    pub(super) fn adapt_in_flood(&mut self, id: ConnectionId, now: Instant) {
        if self.subscribed(id).is_some_and(|(_, session)| session.vardiff.is_flooded()) {
            self.adapt(id, now);
        }
    }

    fn adapt(&mut self, id: ConnectionId, now: Instant) {
        let DifficultyPolicy::Adaptive { start: _, min, shares_per_second } =
            self.settings.difficulty
        else {
            return;
        };
        let Some((_, session)) = self.subscribed(id) else { return };
        let present = session.difficulty;
        let proposal = session.vardiff.proposal(now, present, shares_per_second);
        match proposal.map(|proposal| proposal.max(min)) {
            Some(difficulty) if difficulty != present => {
                session.difficulty = difficulty;
                self.apply_difficulty(id, now);
            }
            Some(_) | None => {}
        }
    }

    /// Tells a difficulty together with the job from which it holds.
    pub(super) fn apply_difficulty(&mut self, id: ConnectionId, now: Instant) {
        if self.flowing_session(id).is_some() {
            self.tell_difficulty(id, now);
            self.notify(id, Clean::Continues, now);
        }
    }
}
