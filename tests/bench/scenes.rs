//! What is measured of each subject, and how.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::farm::Farm;
use crate::pool::Pool;
use crate::share::EASY;
use crate::subject::{Running, Subject};

/// A difficulty that no share of the bench meets.
const HARD: f64 = 1.0;

/// One number of one subject in one round. Smaller is better in all of them.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
}

/// One scene: what it is called, and whom it is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scene {
    /// CPU for a share, closed loop, one outstanding.
    Cost { miners: usize, shares: u32, is_due: bool },
    /// Time from submit to answer at a fixed rate over all.
    Latency { miners: usize, rate: f64, shares: u32 },
    /// Time from the pool's clean job to each miner's.
    FanOut { miners: usize, jobs: u32 },
    /// Memory of idle miners, and what it takes to connect them.
    Idle { miners: usize },
}

/// One subject before a pool of its own.
struct Stage {
    subject: Subject,
    pool: Pool,
    running: Running,
}

// === impl Scene ===

impl Scene {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Cost { miners, is_due: false, .. } => format!("cost, {miners} miners, none due"),
            Self::Cost { miners, is_due: true, .. } => format!("cost, {miners} miners, all due"),
            Self::Latency { miners, rate, .. } => format!("latency, {miners} miners, {rate}/s"),
            Self::FanOut { miners, .. } => format!("fan-out, {miners} miners"),
            Self::Idle { miners } => format!("idle, {miners} miners"),
        }
    }

    /// Descriptors that the driver needs: miners on one side, and their relayed connections on the other.
    pub(crate) const fn descriptors(self) -> usize {
        let (Self::Cost { miners, .. }
        | Self::Latency { miners, .. }
        | Self::FanOut { miners, .. }
        | Self::Idle { miners }) = self;
        2 * miners + 100
    }

    /// Once through, with processes of its own.
    pub(crate) async fn play(self, proxy: &Path, subject: Subject) -> Result<Vec<Figure>, String> {
        let difficulty = if matches!(self, Self::Cost { is_due: true, .. }) { EASY } else { HARD };
        // Who is on the pool itself has the pool's difficulty; it believes all.
        let pool = Pool::start(difficulty).map_err(|error| error.to_string())?;
        let running = subject.start(proxy, pool.address).await?;
        let stage = Stage { subject, pool, running };
        match self {
            Self::Cost { miners, shares, is_due } => stage.cost(miners, shares, is_due).await,
            Self::Latency { miners, rate, shares } => stage.latency(miners, rate, shares).await,
            Self::FanOut { miners, jobs } => stage.fan_out(miners, jobs).await,
            Self::Idle { miners } => stage.idle(miners).await,
        }
    }
}

// === impl Stage ===

impl Stage {
    async fn cost(&self, miners: usize, shares: u32, is_due: bool) -> Result<Vec<Figure>, String> {
        let mut farm = Farm::connect(self.running.address, miners).await?;
        // What a first share costs alone is not what they cost.
        let warming = shares / 10 + 1;
        farm.stock_up(warming);
        farm.submit(None).await?;
        farm.stock_up(shares);
        let before = self.running.usage();
        let submitted = farm.submit(None).await?;
        let used = (self.running.usage().cpu - before.cpu) as f64;
        let reach_the_pool = is_due || self.subject != Subject::Loka;
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

    async fn latency(&self, miners: usize, rate: f64, shares: u32) -> Result<Vec<Figure>, String> {
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

    async fn fan_out(&self, miners: usize, jobs: u32) -> Result<Vec<Figure>, String> {
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

    async fn idle(&self, miners: usize) -> Result<Vec<Figure>, String> {
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

fn figure(what: &'static str, unit: &'static str, value: f64) -> Figure {
    Figure { what, unit, value }
}

/// Of sorted times, in microseconds.
fn quantile(times: &[u32], at: f64) -> f64 {
    let last = times.len().saturating_sub(1);
    let place = (last as f64 * at).round() as usize;
    times.get(place).map_or(0.0, |time| f64::from(*time) / 1e3)
}
