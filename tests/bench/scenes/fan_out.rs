//! From the pool's clean job to each miner's.

use std::time::Duration;

use super::{Figure, Stage, figure};
use crate::farm::Farm;

impl Stage {
    /// So many jobs, one after the other.
    pub(super) async fn fan_out(&self, miners: usize, jobs: u32) -> Result<Vec<Figure>, String> {
        let mut farm = Farm::connect(self.running.address, miners).await?;
        let before = self.running.usage();
        let (mut mean, mut last) = (0.0, 0.0);
        for _ in 0..jobs {
            let times = farm.next_job(|| self.pool.announce()).await?;
            mean += times.iter().map(Duration::as_secs_f64).sum::<f64>() / miners as f64;
            last += times.last().map_or(0.0, Duration::as_secs_f64);
        }
        let used = self.running.usage().cpu - before.cpu;
        let jobs = f64::from(jobs);
        Ok(vec![
            figure("mean", "ms", mean / jobs * 1e3),
            figure("last", "ms", last / jobs * 1e3),
            figure("cpu per job", "µs", used as f64 / jobs / miners as f64 / 1e3),
        ])
    }
}
