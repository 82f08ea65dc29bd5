//! CPU for a share: each miner submits as soon as its last share is answered.

use super::{Figure, Stage, figure, quantile};
use crate::farm::Farm;

impl Stage {
    /// So many shares of each miner, in a closed loop.
    pub(super) async fn cost(
        &self,
        miners: usize,
        shares: u32,
        is_due: bool,
    ) -> Result<Vec<Figure>, String> {
        let mut farm = Farm::connect(self.running.address, miners).await?;
        // What a first share costs alone is not what they cost.
        let warming = shares / 10 + 1;
        farm.stock_up(warming);
        farm.submit(None).await?;
        farm.stock_up(shares);
        let before = self.running.usage();
        let submitted = farm.submit(None).await?;
        let used = (self.running.usage().cpu - before.cpu) as f64;
        let reach_the_pool = is_due || !self.subject.judges();
        let all = miners as u64 * u64::from(shares + warming);
        self.pool.has(if reach_the_pool { all } else { 0 }).await?;
        let count = submitted.times.len() as f64;
        let wall = submitted.wall.as_nanos() as f64;
        Ok(vec![
            figure("cpu per share", "µs", used / count / 1e3),
            figure("wall per share", "µs", wall / count / 1e3),
            figure("utilisation", "", used / wall),
            figure("p50", "µs", quantile(&submitted.times, 0.5)),
        ])
    }
}
