//! Miners that go on mining while something else is looked at: each finds shares of the job that it has, at a pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::task::JoinSet;

use super::Farm;
use super::pace::Pace;
use crate::miner::{Miner, Told};
use crate::socket::Door;

/// Miners that mine until it is dropped.
pub(crate) struct Load {
    tally: Arc<Tally>,
    since: Instant,
    mining: JoinSet<Result<(), String>>,
}

#[derive(Default)]
struct Tally {
    accepted: AtomicU64,
    refused: AtomicU64,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Poured {
    /// Shares that were answered, a second.
    pub(crate) answered: f64,
    /// Part of them: what was on its way when a new job came is stale.
    pub(crate) refused: f64,
}

// === impl Load ===

impl Load {
    /// So many miners, `rate` shares a second over all of them.
    pub(crate) async fn start(to: &Door, miners: usize, rate: f64) -> Result<Self, String> {
        let farm = Farm::connect(to, miners).await?;
        let (tally, since) = (Arc::new(Tally::default()), Instant::now());
        let mut mining = JoinSet::new();
        for (number, miner) in farm.0.into_iter().enumerate() {
            let pace = Pace::of(number, miners, rate, since);
            mining.spawn(mine(miner, pace, Arc::clone(&tally)));
        }
        Ok(Self { tally, since, mining })
    }

    /// Ends it; an error where one of its miners could not go on.
    pub(crate) fn end(mut self) -> Result<Poured, String> {
        while let Some(ended) = self.mining.try_join_next() {
            ended.map_err(|error| error.to_string())??;
        }
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
        let (accepted, refused) = (count(&self.tally.accepted), count(&self.tally.refused));
        Ok(Poured {
            answered: (accepted + refused) / self.since.elapsed().as_secs_f64(),
            refused: refused / (accepted + refused).max(1.0),
        })
    }
}

async fn mine(mut miner: Miner, mut pace: Pace, tally: Arc<Tally>) -> Result<(), String> {
    loop {
        match pace.step(&mut miner).await? {
            Some(Told::Job) | None => {}
            Some(Told::Accepted) => _ = tally.accepted.fetch_add(1, Ordering::Relaxed),
            Some(Told::Refused(_)) => _ = tally.refused.fetch_add(1, Ordering::Relaxed),
        }
    }
}
