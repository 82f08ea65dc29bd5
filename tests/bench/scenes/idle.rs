//! Miners that are logged in and silent: their memory, and what it takes to connect them.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{Round, Scenery, Stage, Way, fit, most};
use crate::farm::Farm;
use crate::figure::{Figure, figure, lacking, thousands};
use crate::subject::Subject;

/// Until what only logging in needs is given back.
const SETTLE: Duration = Duration::from_secs(1);

/// For each number of miners.
pub(super) async fn play(
    round: &Round<'_>,
    subject: Subject,
    sizes: &[usize],
    way: Way,
) -> Result<Vec<Figure>, String> {
    let mut figures = Vec::new();
    let mut memories: Vec<(usize, f64)> = Vec::new();
    for size in sizes {
        let (miners, note) = fit(subject, *size);
        // As many as there are descriptors for, whoever it is of.
        let size = if *size == usize::MAX { most(Subject::Loka) } else { *size };
        if memories.last().is_some_and(|(largest, _)| miners <= *largest) {
            let why = "not run: no descriptors for more";
            figures.push(lacking("memory per miner", "KiB", why).of_miners(size));
            continue;
        }
        let mut stage = Stage::set(round, subject, Scenery { way, ..Scenery::PLAIN }).await?;
        let (memory, others) = stage.idle(miners).await.map_err(|it| stage.told(it))?;
        memories.push((miners, memory));
        figures.push(figure("memory per miner", "KiB", memory).of_miners(size).noted(note.clone()));
        figures.extend(others.into_iter().map(|it| it.of_miners(size).noted(note.clone())));
    }
    if let (Some((few, first)), Some((many, last))) = (memories.first(), memories.last()) {
        let what = format!("memory, {} to {}", thousands(*many), thousands(*few));
        figures.push(figure(what, "", last / first));
    }
    Ok(figures)
}

// === impl Stage ===

impl Stage {
    async fn idle(&mut self, miners: usize) -> Result<(f64, [Figure; 2]), String> {
        let before = self.usage();
        let started = Instant::now();
        let farm = Farm::connect(&self.running.door, miners).await?;
        let rate = miners as f64 / started.elapsed().as_secs_f64();
        let used = (self.usage().cpu - before.cpu) as f64;
        sleep(SETTLE).await;
        let grown = self.usage().resident.saturating_sub(before.resident);
        drop(farm);
        let count = miners as f64;
        Ok((
            grown as f64 / count / 1024.0,
            [
                figure("cpu per set-up", "µs", used / count / 1e3),
                figure("set-ups", "/s", rate).more_is_better(),
            ],
        ))
    }
}
