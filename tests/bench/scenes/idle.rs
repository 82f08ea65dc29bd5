//! Miners that are logged in and silent: their memory, and what it takes to connect them.

use std::time::Instant;

use super::{Figure, Stage, figure};
use crate::farm::Farm;

impl Stage {
    /// They log in, and are looked at.
    pub(super) async fn idle(&self, miners: usize) -> Result<Vec<Figure>, String> {
        let before = self.running.usage();
        let started = Instant::now();
        let farm = Farm::connect(self.running.address, miners).await?;
        let wall = started.elapsed().as_nanos() as f64;
        let after = self.running.usage();
        drop(farm);
        let count = miners as f64;
        let grown = after.resident.saturating_sub(before.resident);
        Ok(vec![
            figure("memory per miner", "KiB", grown as f64 / count / 1024.0),
            figure("cpu per set-up", "µs", (after.cpu - before.cpu) as f64 / count / 1e3),
            figure("wall per set-up", "µs", wall / count / 1e3),
            figure("memory at first", "MiB", before.resident as f64 / 1024.0 / 1024.0),
        ])
    }
}
