//! Many miners at once.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::miner::{Miner, Pace};

/// Handshakes that are under way at once.
const AT_ONCE: usize = 32;

/// Miners that are logged in.
pub(crate) struct Farm(Vec<Miner>);

/// What came of a farm's submits.
pub(crate) struct Submitted {
    /// From the first submit to the last answer.
    pub(crate) wall: Duration,
    /// Of each share, in nanoseconds, in order of length.
    pub(crate) times: Vec<u32>,
}

// === impl Farm ===

impl Farm {
    /// So many miners log in.
    pub(crate) async fn connect(to: SocketAddr, miners: usize) -> Result<Self, String> {
        let mut farm = Vec::with_capacity(miners);
        let mut joining = JoinSet::new();
        for number in 0..miners {
            if joining.len() >= AT_ONCE
                && let Some(joined) = joining.join_next().await
            {
                farm.push(joined.map_err(|error| error.to_string())??);
            }
            joining.spawn(Miner::connect(to, number));
        }
        while let Some(joined) = joining.join_next().await {
            farm.push(joined.map_err(|error| error.to_string())??);
        }
        Ok(Self(farm))
    }

    /// Each finds so many shares.
    pub(crate) fn stock_up(&mut self, shares: u32) {
        self.0.iter_mut().for_each(|miner| miner.stock_up(shares));
    }

    /// All submit their stock: each share when the one before was answered, or `rate` a second over all of them.
    pub(crate) async fn submit(&mut self, rate: Option<f64>) -> Result<Submitted, String> {
        let mut submitting = JoinSet::new();
        let start = Instant::now();
        let count = self.0.len() as f64;
        for (number, miner) in self.0.drain(..).enumerate() {
            let pace = rate.map_or(Pace::Closed, |rate| Pace::Every {
                first: Duration::from_secs_f64(number as f64 / rate),
                period: Duration::from_secs_f64(count / rate),
            });
            submitting.spawn(miner.submit(start, pace));
        }
        let mut times = Vec::new();
        while let Some(done) = submitting.join_next().await {
            let (miner, taken) = done.map_err(|error| error.to_string())??;
            self.0.push(miner);
            times.extend(taken);
        }
        let wall = start.elapsed();
        times.sort_unstable();
        Ok(Submitted { wall, times })
    }

    /// When each has its next job, counted from when it was `announced`.
    pub(crate) async fn next_job(
        &mut self,
        announce: impl FnOnce() -> usize,
    ) -> Result<Vec<Duration>, String> {
        let mut hearing = JoinSet::new();
        for mut miner in self.0.drain(..) {
            hearing.spawn(async move { miner.next_job().await.map(|at| (miner, at)) });
        }
        // They are all waiting by then.
        tokio::task::yield_now().await;
        let announced = Instant::now();
        let unheard = announce();
        if unheard > 0 {
            return Err(format!("the pool could not write to {unheard} connections"));
        }
        let mut times = Vec::with_capacity(hearing.len());
        while let Some(heard) = hearing.join_next().await {
            let (miner, at) = heard.map_err(|error| error.to_string())??;
            self.0.push(miner);
            times.push(at.saturating_duration_since(announced));
        }
        times.sort_unstable();
        Ok(times)
    }
}
