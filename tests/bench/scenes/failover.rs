//! The pool that is mined on dies, and there is another: for how long what the miners hash is for nobody.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio::time::sleep;

use super::{Round, fit};
use crate::farm::Farm;
use crate::farm::moves::Moved;
use crate::figure::{Figure, figure};
use crate::miner::Miner;
use crate::pool::Pool;
use crate::pool::apart::PoolApart;
use crate::share::EASY;
use crate::subject::{CORE, Setting, Subject};

/// Before the pool dies: ours and the relays have found out that both pools live.
const CALM: Duration = Duration::from_secs(2);

/// The same where verdicts come meanwhile, by which a silence is told.
const LEARN: Duration = Duration::from_secs(5);

/// Over all miners, while there is a silence to be noticed.
const RATE: f64 = 200.0;

/// How it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// The process ends: its port closes, and its connections with it.
    Ends,
    /// It stands still: connections stay, and are even let in, and nothing is said any more.
    FallsSilent,
}

// === impl Death ===

impl Death {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ends => "the pool ends",
            Self::FallsSilent => "the pool falls silent",
        }
    }
}

pub(super) async fn play(
    round: &Round<'_>,
    subject: Subject,
    miners: usize,
    death: Death,
) -> Result<Vec<Figure>, String> {
    let (miners, note) = fit(subject, miners);
    // Where the miners are on the pools these have the core of what is measured.
    let place = (subject == Subject::Direct).then_some(CORE);
    let primary = PoolApart::start(EASY, place).await?;
    let backup = Pool::start_at(EASY, 1_000_000).map_err(|error| error.to_string())?;
    let living = Miner::connect(&backup.address.into(), 0).await?.block();
    let marks = [("@BACKUP@", backup.address.to_string())];
    let setting = Setting {
        template: template(subject),
        marks: &marks,
        ..Setting::new(round.proxy, primary.address)
    };
    let running = subject.start(&setting).await?;
    let mut doors = vec![running.door.clone()];
    if subject == Subject::Direct {
        doors.push(backup.address.into());
    }
    let farm = Farm::connect(&running.door, miners).await?;
    let rate = (death == Death::FallsSilent).then_some(RATE);
    let moving = farm.until_on(|_| living, &doors, rate);
    sleep(if rate.is_some() { LEARN } else { CALM }).await;
    let (before, died) = (running.usage(), Instant::now());
    let grave = end(primary, death).await?;
    let moved = moving.all().await?;
    let used = (running.usage().cpu - before.cpu) as f64;
    let figures = figures(&moved, died, used);
    if death == Death::Ends {
        works(moved).await?;
    }
    drop(grave);
    Ok(figures.into_iter().map(|it| it.noted(note.clone())).collect())
}

/// With both pools. Whoever is on the pools needs none.
const fn template(subject: Subject) -> Option<&'static str> {
    match subject {
        Subject::Loka => Some(include_str!("../loka-pair.yaml")),
        Subject::HaProxy => Some(include_str!("../haproxy-pair.cfg")),
        Subject::Nginx => Some(include_str!("../nginx-pair.conf")),
        Subject::Direct | Subject::Beside | Subject::Other(_) => None,
    }
}

/// What is left of it, to be kept for as long as it lies there.
async fn end(pool: PoolApart, death: Death) -> Result<Option<PoolApart>, String> {
    match death {
        Death::Ends => {
            drop(pool);
            Ok(None)
        }
        Death::FallsSilent => {
            signal("STOP", pool.pid()).await?;
            Ok(Some(pool))
        }
    }
}

/// By the command, which is everywhere.
pub(super) async fn signal(name: &str, pid: Option<u32>) -> Result<(), String> {
    let pid = pid.ok_or("the process has ended")?.to_string();
    let sent =
        Command::new("kill").args([&format!("-{name}"), &pid]).stdout(Stdio::null()).status();
    match sent.await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("kill -{name} {pid}: {status}")),
        Err(error) => Err(format!("kill: {error}")),
    }
}

fn figures(moved: &[Moved], died: Instant, used: f64) -> Vec<Figure> {
    let times = moved.iter().map(|it| it.at.saturating_duration_since(died).as_secs_f64());
    let (lost, last) = times.fold((0.0, 0.0_f64), |(sum, last), time| (sum + time, last.max(time)));
    let count = moved.len() as f64;
    let new = moved.iter().filter(|it| it.is_new).count();
    vec![
        figure("mean", "ms", lost / count * 1e3),
        figure("last", "ms", last * 1e3),
        figure("machine-seconds lost", "s", lost),
        figure("miners that had to connect anew", "", new as f64),
        figure("cpu per miner", "µs", used / count / 1e3),
    ]
}

/// That the work is worth something: each finds a share of it, which is accepted.
async fn works(moved: Vec<Moved>) -> Result<(), String> {
    let mut farm = Farm::from(moved);
    farm.stock_up(1);
    farm.submit(None).await.map(drop)
}
