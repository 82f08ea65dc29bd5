//! Many miners at once.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cpu;
use crate::miner::Miner;
use crate::pacer;
use crate::socket::Door;

pub(crate) mod load;
pub(crate) mod moves;
mod pace;
pub(crate) mod storm;

/// Handshakes that are under way at once.
const AT_ONCE: usize = 32;

/// Longer than anything that a farm does as a whole.
const PATIENCE: Duration = Duration::from_secs(90);

/// Miners that are logged in.
pub(crate) struct Farm(Vec<Miner>);

/// What came of a job that was announced.
pub(crate) struct Heard {
    /// Until each miner had it, in order of length.
    pub(crate) times: Vec<Duration>,
    /// Nanoseconds that this process used until the last had it.
    pub(crate) used: u64,
}

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
    pub(crate) async fn connect(to: &Door, miners: usize) -> Result<Self, String> {
        Self::connect_as(to, miners, |number| format!("acct.rig{number}")).await
    }

    /// The same by names.
    pub(crate) async fn connect_as(
        to: &Door,
        miners: usize,
        name: impl Fn(usize) -> String,
    ) -> Result<Self, String> {
        let mut farm = Vec::with_capacity(miners);
        let mut joining = JoinSet::new();
        for number in 0..miners {
            if joining.len() >= AT_ONCE
                && let Some(joined) = joining.join_next().await
            {
                farm.push(joined.map_err(|error| error.to_string())??);
            }
            let (to, name) = (to.clone(), name(number));
            joining.spawn(async move { Miner::connect_as(&to, name).await });
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

    /// All submit their stock: each share when the one before was answered, or `rate` a second over all of them, whatever was
    /// answered.
    pub(crate) async fn submit(&mut self, rate: Option<f64>) -> Result<Submitted, String> {
        let done = async {
            match rate {
                None => self.submit_closed().await,
                Some(rate) => {
                    let (farm, submitted) =
                        pacer::submit(std::mem::take(&mut self.0), rate).await?;
                    self.0 = farm;
                    Ok(submitted)
                }
            }
        };
        timeout(PATIENCE, done).await.map_err(|_| "a share without an answer")?
    }

    async fn submit_closed(&mut self) -> Result<Submitted, String> {
        let mut submitting = JoinSet::new();
        let start = Instant::now();
        for miner in self.0.drain(..) {
            submitting.spawn(miner.submit());
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

    /// When each has its next job, counted from when it was announced.
    pub(crate) async fn next_job(
        &mut self,
        announce: impl Future<Output = Result<Instant, String>>,
    ) -> Result<Heard, String> {
        let mut hearing = JoinSet::new();
        for mut miner in self.0.drain(..) {
            hearing.spawn(async move { miner.next_job().await.map(|at| (miner, at)) });
        }
        // They are all waiting by then.
        tokio::task::yield_now().await;
        let before = cpu::own().cpu;
        let announced = announce.await?;
        let heard = async {
            let mut times = Vec::with_capacity(hearing.len());
            while let Some(heard) = hearing.join_next().await {
                let (miner, at) = heard.map_err(|error| error.to_string())??;
                self.0.push(miner);
                times.push(at.saturating_duration_since(announced));
            }
            let used = cpu::own().cpu.saturating_sub(before);
            times.sort_unstable();
            Ok(Heard { times, used })
        };
        timeout(PATIENCE, heard).await.map_err(|_| "a miner without the job")?
    }
}
