//! CPU for a share: each miner submits as soon as its last share is answered.

use super::{EASY, Round, Scenery, Stage, fit, quantile};
use crate::cpu::cores;
use crate::farm::Farm;
use crate::figure::{Figure, figure, thousands};
use crate::subject::Subject;

/// What is measured is at its limit from here on; below, the driver was.
const BUSY: f64 = 0.9;

/// Threads of ours that are tried, as far as there are cores for more than two.
const THREADS: [usize; 4] = [1, 2, 4, 8];

/// What one closed loop took.
struct Cost {
    /// Nanoseconds for a share.
    cpu: f64,
    wall: f64,
    /// Of one core.
    utilisation: f64,
    /// Nanoseconds of the driver for a share, its pool included unless that is what is measured.
    driver: f64,
    /// Microseconds.
    p50: f64,
}

/// So many shares of each miner.
pub(super) async fn play(
    round: &Round<'_>,
    subject: Subject,
    miners: usize,
    shares: u32,
    is_due: bool,
) -> Result<Vec<Figure>, String> {
    let difficulty = if is_due { EASY } else { Scenery::PLAIN.difficulty };
    let scenery = Scenery { difficulty, ..Scenery::PLAIN };
    let mut stage = Stage::set(round, subject, scenery).await?;
    let cost = stage.cost(miners, shares, is_due).await.map_err(|it| stage.told(it))?;
    Ok(vec![
        figure("cpu per share", "µs", cost.cpu / 1e3).noted(cost.note(1)),
        figure("shares per cpu-second", "", 1e9 / cost.cpu).more_is_better().noted(cost.note(1)),
        figure("utilisation", "", cost.utilisation).neither_is_better(),
        figure("driver's cpu per share", "µs", cost.driver / 1e3).neither_is_better(),
        figure("wall per share", "µs", cost.wall / 1e3),
        figure("p50", "µs", cost.p50),
    ])
}

/// Ours with one thread, with two, and with more where there are cores for them.
pub(super) async fn by_threads(
    round: &Round<'_>,
    miners: usize,
    shares: u32,
) -> Result<Vec<Figure>, String> {
    let cores = cores();
    let mut figures = Vec::new();
    let mut one = None;
    for threads in THREADS {
        if threads > 2 && threads > cores.len() {
            continue;
        }
        let own: Vec<String> = cores.iter().take(threads).map(ToString::to_string).collect();
        let scenery = Scenery { threads, cores: &own.join(","), ..Scenery::PLAIN };
        let mut stage = Stage::set(round, Subject::Loka, scenery).await?;
        let cost = stage.cost(miners, shares, false).await.map_err(|it| stage.told(it))?;
        let whose = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
        let shared = (own.len() < threads).then_some("its threads share one core");
        let each = [
            figure("cpu per share", "µs", cost.cpu / 1e3),
            figure("shares per second", "", 1e9 / cost.wall).more_is_better(),
        ];
        let noted = |it: Figure| it.of(&whose).noted(shared).noted(cost.note(own.len()));
        figures.extend(each.into_iter().map(noted));
        let one = *one.get_or_insert(cost.cpu);
        if threads > 1 {
            figures.push(figure(format!("cpu, {threads} threads to 1"), "", cost.cpu / one));
        }
    }
    Ok(figures)
}

/// So many shares of all miners that submit together, for each number of miners that are connected.
pub(super) async fn by_miners(
    round: &Round<'_>,
    subject: Subject,
    sizes: &[usize],
    submitting: Option<usize>,
    shares: u32,
) -> Result<Vec<Figure>, String> {
    let mut figures = Vec::new();
    let (mut costs, mut fewer) = (Vec::new(), None);
    for wanted in sizes {
        let (miners, note) = fit(subject, *wanted);
        fewer.clone_from(&note);
        let mut stage = Stage::set(round, subject, Scenery::PLAIN).await?;
        let few = submitting.unwrap_or(miners).min(miners);
        let _silent = Farm::connect(&stage.running.door, miners - few).await?;
        let each = (shares as usize / few).max(1) as u32;
        let cost = stage.cost(few, each, false).await.map_err(|it| stage.told(it))?;
        let cpu = figure("cpu per share", "µs", cost.cpu / 1e3).of_miners(*wanted);
        figures.push(cpu.noted(note).noted(cost.note(1)));
        costs.push(cost);
    }
    if let (Some((few, first)), Some((many, last))) =
        (sizes.iter().zip(&costs).next(), sizes.iter().zip(&costs).next_back())
    {
        let what = format!("cpu, {} to {}", thousands(*many), thousands(*few));
        figures.push(figure(what, "", last.cpu / first.cpu).noted(fewer));
    }
    Ok(figures)
}

// === impl Stage ===

impl Stage {
    async fn cost(&mut self, miners: usize, shares: u32, is_due: bool) -> Result<Cost, String> {
        let mut farm = Farm::connect(&self.running.door, miners).await?;
        // What a first share costs alone is not what they cost.
        let warming = shares / 10 + 1;
        farm.stock_up(warming);
        farm.submit(None).await?;
        farm.stock_up(shares);
        let (before, driver) = (self.usage(), self.driver());
        let submitted = farm.submit(None).await?;
        let used = (self.usage().cpu - before.cpu) as f64;
        let driver = (self.driver().cpu - driver.cpu) as f64;
        let all = miners as u64 * u64::from(shares + warming);
        let reach_the_pool = is_due || !self.subject.judges();
        self.pool.has(if reach_the_pool { all } else { 0 }).await?;
        let (count, wall) = (submitted.times.len() as f64, submitted.wall.as_nanos() as f64);
        Ok(Cost {
            cpu: used / count,
            wall: wall / count,
            utilisation: used / wall,
            driver: driver / count,
            p50: quantile(&submitted.times, 0.5),
        })
    }
}

// === impl Cost ===

impl Cost {
    /// What limited it, if not what is measured on so many cores.
    fn note(&self, cores: usize) -> Option<String> {
        let utilisation = self.utilisation / cores as f64;
        (utilisation < BUSY)
            .then(|| format!("utilisation {utilisation:.2}: the driver was the limit"))
    }
}
