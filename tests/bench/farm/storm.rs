//! Miners that all come at once: a switch that comes back, or a proxy that was started anew.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Farm;
use crate::miner::Miner;
use crate::socket::Door;

/// Until a miner that was sent away tries again, and until it gives up.
const AGAIN: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of a miner, counted from its first SYN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Return {
    /// It had work.
    pub(crate) hashing: Duration,
    /// A share of it was accepted.
    pub(crate) share: Duration,
    /// How often it was sent away, or not let in.
    pub(crate) tries: u32,
}

// === impl Farm ===

impl Farm {
    /// All hang up at once, and dial again at once.
    pub(crate) async fn return_at_once(self, to: &Door) -> Result<(Self, Vec<Return>), String> {
        let miners = self.0.len();
        drop(self);
        let mut returning = JoinSet::new();
        for number in 0..miners {
            let to = to.clone();
            returning.spawn(async move { back(&to, number).await });
        }
        let (mut farm, mut returns) = (Vec::with_capacity(miners), Vec::with_capacity(miners));
        while let Some(returned) = returning.join_next().await {
            let (miner, returned) = returned.map_err(|error| error.to_string())??;
            farm.push(miner);
            returns.push(returned);
        }
        Ok((Self(farm), returns))
    }
}

async fn back(to: &Door, number: usize) -> Result<(Miner, Return), String> {
    let dialled = Instant::now();
    let mut tries = 0;
    loop {
        match Miner::connect(to, number).await {
            Ok(mut miner) => {
                let hashing = dialled.elapsed();
                miner.find().await?;
                miner.answered().await?;
                return Ok((miner, Return { hashing, share: dialled.elapsed(), tries }));
            }
            Err(problem) if dialled.elapsed() > PATIENCE => return Err(problem),
            Err(_) => {
                tries += 1;
                sleep(AGAIN).await;
            }
        }
    }
}
