//! All miners hang up at once and dial again at once.

use std::fs;
use std::time::Duration;

use super::{Round, Scenery, Stage, fit, ranked};
use crate::farm::Farm;
use crate::farm::storm::Return;
use crate::figure::{Figure, figure};
use crate::subject::Subject;

/// Who is not back by then is late.
const LATE: Duration = Duration::from_secs(5);

pub(super) async fn play(
    round: &Round<'_>,
    subject: Subject,
    miners: usize,
) -> Result<Vec<Figure>, String> {
    let (miners, note) = fit(subject, miners);
    let mut stage = Stage::set(round, subject, Scenery::PLAIN).await?;
    let figures = stage.storm(miners).await.map_err(|it| stage.told(it))?;
    Ok(figures.into_iter().map(|it| it.noted(note.clone())).collect())
}

// === impl Stage ===

impl Stage {
    async fn storm(&mut self, miners: usize) -> Result<Vec<Figure>, String> {
        let farm = Farm::connect(&self.running.door, miners).await?;
        let (before, full) = (self.usage(), overflows());
        let (farm, returns) = farm.return_at_once(&self.running.door).await?;
        let used = (self.usage().cpu - before.cpu) as f64;
        let overflown = overflows().saturating_sub(full);
        drop(farm);
        // Of each miner one share, however often it had to dial.
        self.has(miners as u64).await?;
        Ok(figures(&returns, used, overflown))
    }
}

fn figures(returns: &[Return], used: f64, overflown: u64) -> Vec<Figure> {
    let hashing = sorted(returns.iter().map(|it| it.hashing));
    let share = sorted(returns.iter().map(|it| it.share));
    let late = hashing.iter().filter(|time| **time > LATE).count();
    let tries: u32 = returns.iter().map(|it| it.tries).sum();
    let full = (overflown > 0).then(|| {
        let most = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap_or_default();
        format!(
            "a queue of connections was full {overflown} times (net.core.somaxconn is {})",
            most.trim()
        )
    });
    let millis = |time: &Duration| time.as_secs_f64() * 1e3;
    let at =
        |what, times: &[Duration], at| figure(what, "ms", ranked(times, at).map_or(0.0, millis));
    vec![
        at("hashing, p50", &hashing, 0.5),
        at("hashing, p99", &hashing, 0.99).noted(full.clone()),
        at("hashing, last", &hashing, 1.0).noted(full),
        at("first share, p50", &share, 0.5),
        at("first share, p99", &share, 0.99),
        at("first share, last", &share, 1.0),
        figure("not hashing after 5 s", "", late as f64),
        figure("sent away at first", "", f64::from(tries)),
        figure("cpu per miner", "µs", used / returns.len() as f64 / 1e3),
    ]
}

fn sorted(times: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times
}

/// How often the kernel found a listener's queue full, on this machine: nothing else listens while it is measured.
fn overflows() -> u64 {
    let text = fs::read_to_string("/proc/net/netstat").unwrap_or_default();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut pairs = names.split(' ').zip(values.split(' '));
    let found = pairs.find(|(name, _)| *name == "ListenOverflows");
    found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}
