//! From submit to answer, at a pace.

use super::{Figure, Stage, figure, quantile};
use crate::farm::Farm;

impl Stage {
    /// So many shares of each miner, `rate` a second over all of them.
    pub(super) async fn latency(
        &self,
        miners: usize,
        rate: f64,
        shares: u32,
    ) -> Result<Vec<Figure>, String> {
        let mut farm = Farm::connect(self.running.address, miners).await?;
        farm.stock_up(shares);
        let before = self.running.usage();
        let submitted = farm.submit(Some(rate)).await?;
        let used = self.running.usage().cpu - before.cpu;
        let times = &submitted.times;
        Ok(vec![
            figure("p50", "µs", quantile(times, 0.5)),
            figure("p99", "µs", quantile(times, 0.99)),
            figure("p99.9", "µs", quantile(times, 0.999)),
            figure("cpu per share", "µs", used as f64 / times.len() as f64 / 1e3),
        ])
    }
}
