//! From the pool's clean job to each miner's.

use std::time::Duration;

use tokio::time::sleep;

use super::{Round, Scenery, Stage, Way, fit};
use crate::farm::load::Load;
use crate::farm::{Farm, Heard};
use crate::figure::{Figure, figure};
use crate::subject::Subject;

/// Miners that shares pour from; they are there beside those that are looked at.
const POURING: usize = 100;

/// Between two jobs while shares pour in, so that they do again.
const SETTLE: Duration = Duration::from_millis(200);

/// A driver that is so busy from the job until the last miner has it is what is measured.
const BUSY: f64 = 0.9;

/// A load that was kept to less than this part was not.
const KEPT: f64 = 0.9;

/// So many jobs, one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FanOut {
    pub(crate) miners: usize,
    pub(crate) jobs: u32,
    pub(crate) way: Way,
    /// Shares a second that pour in meanwhile.
    pub(crate) load: Option<f64>,
}

pub(super) async fn play(
    round: &Round<'_>,
    subject: Subject,
    scene: FanOut,
) -> Result<Vec<Figure>, String> {
    let FanOut { miners, jobs, way, load } = scene;
    let beside = load.map_or(0, |_| POURING);
    let (all, note) = fit(subject, miners + beside);
    let mut stage = Stage::set(round, subject, Scenery { way, ..Scenery::PLAIN }).await?;
    let figures = stage.fan_out(all - beside, jobs, load).await;
    let figures = figures.map_err(|it| stage.told(it))?;
    Ok(figures.into_iter().map(|it| it.noted(note.clone())).collect())
}

// === impl Stage ===

impl Stage {
    async fn fan_out(
        &mut self,
        miners: usize,
        jobs: u32,
        load: Option<f64>,
    ) -> Result<Vec<Figure>, String> {
        let mut farm = Farm::connect(&self.running.door, miners).await?;
        let pouring = match load {
            Some(rate) => Some(Load::start(&self.running.door, POURING, rate).await?),
            None => None,
        };
        let before = self.usage();
        let (mut mean, mut last, mut driver) = (0.0, 0.0, 0.0);
        for _ in 0..jobs {
            if pouring.is_some() {
                sleep(SETTLE).await;
            }
            let Heard { times, used } = farm.next_job(self.pool.announce()).await?;
            mean += times.iter().map(Duration::as_secs_f64).sum::<f64>() / miners as f64;
            last += times.last().map_or(0.0, Duration::as_secs_f64);
            driver += used as f64 / 1e9;
        }
        let used = (self.usage().cpu - before.cpu) as f64;
        let jobs = f64::from(jobs);
        let busy = driver / last;
        let limit = (busy > BUSY).then_some("the driver was the limit: it reads no faster");
        let mut figures = vec![
            figure("mean", "ms", mean / jobs * 1e3).noted(limit),
            figure("last", "ms", last / jobs * 1e3).noted(limit),
            figure("driver's utilisation", "", busy).neither_is_better(),
        ];
        match (load, pouring.map(Load::end).transpose()?) {
            (Some(wanted), Some(poured)) => {
                let short = (poured.answered < wanted * KEPT).then_some("the load was not held");
                let refused = poured.refused * 100.0;
                figures.push(
                    figure("shares beside", "/s", poured.answered).more_is_better().noted(short),
                );
                figures.push(figure("of them stale", "%", refused).neither_is_better());
            }
            _ => figures.push(figure("cpu per miner", "µs", used / jobs / miners as f64 / 1e3)),
        }
        Ok(figures)
    }
}
