//! What is measured of each subject, and how.

mod cost;
mod fan_out;
mod idle;
mod latency;

use std::path::Path;

use serde::Serialize;

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

/// What a scene is, in words that the plots go by too.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Keys {
    /// One word for all scenes of a kind.
    pub(crate) kind: &'static str,
    pub(crate) miners: usize,
    /// What tells scenes of one kind and number apart, or nothing.
    pub(crate) variant: String,
}

/// One subject before a pool of its own.
struct Stage {
    subject: Subject,
    pool: Pool,
    running: Running,
}

// === impl Scene ===

impl Scene {
    /// What its rows are told apart by.
    pub(crate) fn keys(self) -> Keys {
        let keys = |kind, miners, variant: &str| Keys { kind, miners, variant: variant.to_owned() };
        match self {
            Self::Cost { miners, is_due: false, .. } => keys("cost", miners, "none due"),
            Self::Cost { miners, is_due: true, .. } => keys("cost", miners, "all due"),
            Self::Latency { miners, rate, .. } => keys("latency", miners, &format!("{rate}/s")),
            Self::FanOut { miners, .. } => keys("fan-out", miners, ""),
            Self::Idle { miners } => keys("idle", miners, ""),
        }
    }

    pub(crate) fn name(self) -> String {
        self.keys().name()
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

// === impl Keys ===

impl Keys {
    pub(crate) fn name(&self) -> String {
        let Self { kind, miners, variant } = self;
        let mut name = format!("{kind}, {miners} miners");
        if !variant.is_empty() {
            name += &format!(", {variant}");
        }
        name
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
