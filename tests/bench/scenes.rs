//! What is measured of each subject, and how.

mod cost;
mod failover;
mod fan_out;
mod idle;
mod latency;
mod many;
mod storm;

pub(crate) use self::failover::Death;

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;

pub(crate) use self::fan_out::FanOut;
use crate::cpu::{self, Usage};
use crate::farm::Farm;
use crate::figure::{Figure, thousands};
use crate::pool::apart::PoolApart;
use crate::share::EASY;
use crate::subject::{CORE, Running, Setting, Subject};
use crate::tls::Identity;

/// A difficulty that no share of the bench meets.
const HARD: f64 = 1.0;

/// Until another proxy is on the pool.
const LOGGED_IN: Duration = Duration::from_secs(3);

/// Descriptors of a process that are not for miners. The proxy keeps 128 itself.
const SPARE: usize = 200;

/// Of a log, where something went wrong.
const LAST_LINES: usize = 20;

/// What stands in lines about miners that come and go.
const USUAL: [&str; 2] = ["\"miner_left\"", "miner subscribed and authorized"];

/// One scene: what it is called, and whom it is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scene {
    /// CPU for a share, closed loop, one outstanding.
    Cost { miners: usize, shares: u32, is_due: bool },
    /// The same by how many threads ours has.
    Threads { miners: usize, shares: u32 },
    /// The same by how many miners there are, of which all or only so many submit.
    Flat { miners: &'static [usize], submitting: Option<usize>, shares: u32 },
    /// Time from submit to answer at a fixed rate over all.
    Latency { miners: usize, rate: f64, shares: u32 },
    /// Time from submit to answer under most of the load that is possible.
    Loaded { miners: usize },
    /// Time from the pool's clean job to each miner's.
    FanOut(FanOut),
    /// Memory of idle miners, and what it takes to connect them. More than there are descriptors for: as many as those.
    Idle { miners: &'static [usize], way: Way },
    /// All hang up and dial again at once.
    Storm { miners: usize },
    /// The pool that is mined on dies, and there is another.
    Failover { miners: usize, death: Death },
    /// One process with many routes and pools.
    Many { miners: usize },
}

/// How miners come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Plain,
    Tls,
}

/// What all subjects of a round share.
pub(crate) struct Round<'a> {
    pub(crate) proxy: &'a Path,
    pub(crate) identity: &'a Identity,
    /// Shares a second that haproxy reaches in a closed loop, once it was measured in this round.
    pub(crate) relayed: Option<f64>,
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
    pool: PoolApart,
    running: Running,
}

/// How a stage is set.
#[derive(Clone, Copy, Debug)]
struct Scenery<'a> {
    difficulty: f64,
    way: Way,
    threads: usize,
    cores: &'a str,
}

// === impl Scene ===

impl Scene {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Threads { miners, .. } => format!("cost by threads, {miners} miners, none due"),
            Self::Flat { submitting: None, .. } => "cost by miners, none due".to_owned(),
            Self::Flat { submitting: Some(few), .. } => {
                format!("cost by connections, {few} miners submit, none due")
            }
            Self::Idle { way, .. } => format!("idle{}", way.name()),
            Self::Cost { .. }
            | Self::Latency { .. }
            | Self::Loaded { .. }
            | Self::FanOut(_)
            | Self::Storm { .. }
            | Self::Failover { .. }
            | Self::Many { .. } => self.keys().name(),
        }
    }

    /// What its rows are told apart by. A figure of one of several numbers of miners has that.
    pub(crate) fn keys(self) -> Keys {
        let keys = |kind, miners, variant: String| Keys { kind, miners, variant };
        match self {
            Self::Cost { miners, is_due: true, .. } => keys("cost", miners, "all due".to_owned()),
            Self::Cost { miners, is_due: false, .. } => keys("cost", miners, "none due".to_owned()),
            Self::Threads { miners, .. } => keys("threads", miners, "none due".to_owned()),
            Self::Flat { miners, submitting, .. } => {
                let few = submitting.map(|few| format!("{few} submit"));
                keys("cost", largest(miners), few.unwrap_or_else(|| "none due".to_owned()))
            }
            Self::Latency { miners, rate, .. } => keys("latency", miners, format!("{rate}/s")),
            Self::Loaded { miners } => keys("latency", miners, "80 % load".to_owned()),
            Self::FanOut(FanOut { miners, way, load, .. }) => {
                let load = load.map(|rate| format!("under {rate} shares/s"));
                let tls = (way == Way::Tls).then(|| "TLS".to_owned());
                let words: Vec<String> = tls.into_iter().chain(load).collect();
                keys("fan-out", miners, words.join(", "))
            }
            Self::Idle { miners, way } => {
                let variant = if way == Way::Tls { "TLS" } else { "" };
                keys("idle", largest(miners), variant.to_owned())
            }
            Self::Storm { miners } => keys("reconnect storm", miners, String::new()),
            Self::Failover { miners, death } => keys("failover", miners, death.name().to_owned()),
            Self::Many { miners } => {
                let variant = format!("{} routes, {} pools", many::ROUTES, many::POOLS);
                keys("many", miners, variant)
            }
        }
    }

    /// How often it is played, unless it is said: what is dear or hardly moves less often.
    pub(crate) const fn rounds(self) -> u32 {
        match self {
            Self::Cost { .. }
            | Self::Latency { .. }
            | Self::Loaded { .. }
            | Self::Failover { .. } => 5,
            Self::Many { .. } => 3,
            Self::Threads { .. } | Self::Flat { .. } | Self::Idle { .. } | Self::Storm { .. } => 3,
            Self::FanOut(FanOut { miners, .. }) => {
                if miners > 1_000 {
                    3
                } else {
                    5
                }
            }
        }
    }

    /// Whether it is for this one.
    pub(crate) fn is_for(self, subject: Subject) -> bool {
        match self {
            Self::Threads { .. } | Self::Many { .. } => subject == Subject::Loka,
            // No relay looks for a pool that says nothing: there the miners' own patience decides, of minutes.
            Self::Failover { death: Death::FallsSilent, .. } => subject == Subject::Loka,
            Self::Failover { death: Death::Ends, .. } => {
                !matches!(subject, Subject::Other(_) | Subject::Beside)
            }
            // The pool speaks no TLS.
            Self::FanOut(FanOut { way: Way::Tls, .. }) | Self::Idle { way: Way::Tls, .. } => {
                subject.speaks_tls()
            }
            Self::FanOut(_) => true,
            Self::Cost { .. }
            | Self::Flat { .. }
            | Self::Latency { .. }
            | Self::Loaded { .. }
            | Self::Idle { .. }
            | Self::Storm { .. } => subject != Subject::Beside,
        }
    }

    /// Once through, with processes of its own.
    pub(crate) async fn play(
        self,
        round: &mut Round<'_>,
        subject: Subject,
    ) -> Result<Vec<Figure>, String> {
        match self {
            Self::Cost { miners, shares, is_due } => {
                cost::play(round, subject, miners, shares, is_due).await
            }
            Self::Threads { miners, shares } => cost::by_threads(round, miners, shares).await,
            Self::Flat { miners, submitting, shares } => {
                cost::by_miners(round, subject, miners, submitting, shares).await
            }
            Self::Latency { miners, rate, shares } => {
                latency::play(round, subject, miners, rate, shares).await
            }
            Self::Loaded { miners } => latency::loaded(round, subject, miners).await,
            Self::FanOut(scene) => fan_out::play(round, subject, scene).await,
            Self::Idle { miners, way } => idle::play(round, subject, miners, way).await,
            Self::Storm { miners } => storm::play(round, subject, miners).await,
            Self::Failover { miners, death } => failover::play(round, subject, miners, death).await,
            Self::Many { miners } => many::play(round, miners).await,
        }
    }
}

fn largest(sizes: &[usize]) -> usize {
    sizes.iter().copied().max().unwrap_or(0)
}

// === impl Keys ===

impl Keys {
    fn name(&self) -> String {
        let Self { kind, miners, variant } = self;
        let mut name = format!("{kind}, {} miners", thousands(*miners));
        if !variant.is_empty() {
            name += &format!(", {variant}");
        }
        name
    }
}

// === impl Way ===

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Tls => ", TLS",
        }
    }
}

// === impl Scenery ===

impl Scenery<'_> {
    const PLAIN: Self = Self { difficulty: HARD, way: Way::Plain, threads: 1, cores: CORE };
}

// === impl Stage ===

impl Stage {
    async fn set(
        round: &Round<'_>,
        subject: Subject,
        scenery: Scenery<'_>,
    ) -> Result<Self, String> {
        let Scenery { difficulty, way, threads, cores } = scenery;
        // A pool that is measured by itself has the core for that.
        let place = (subject == Subject::Direct).then_some(cores);
        let mut pool = PoolApart::start(difficulty, place).await?;
        let identity = (way == Way::Tls).then_some(round.identity);
        let marks = [("@MAXCONN@", (most(Subject::HaProxy) + 1).to_string())];
        let plain = Setting::new(round.proxy, pool.address);
        let setting = Setting { identity, threads, cores, marks: &marks, ..plain };
        let running = subject.launch(&setting).await?;
        if matches!(subject, Subject::Other(_)) {
            // ckproxy looks at what came with the answer to its login when the pool says something more.
            sleep(LOGGED_IN).await;
            pool.announce().await?;
        }
        running.ready().await.map_err(|problem| format!("{}: {problem}", subject.name()))?;
        Ok(Self { subject, pool, running })
    }

    async fn farm(&self, miners: usize) -> Result<Farm, String> {
        Farm::connect(&self.running.door, miners).await.map_err(|problem| self.told(problem))
    }

    /// The pool has so many shares where they reach it: none were due, so ours hands none on.
    async fn has(&mut self, shares: u64) -> Result<(), String> {
        let due = if self.subject.judges() { 0 } else { shares };
        let has = self.pool.has(due).await;
        has.map_err(|problem| self.told(problem))
    }

    /// What was used so far: by the process that is measured, and without one by the pool.
    fn usage(&self) -> Usage {
        if self.subject.is_pool() { self.pool.usage() } else { self.running.usage() }
    }

    /// What the driver has used so far.
    fn driver(&self) -> Usage {
        let mut usage = cpu::own();
        if !self.subject.is_pool() {
            usage.cpu += self.pool.usage().cpu;
        }
        usage
    }

    /// A problem, with the end of the log of what was measured.
    fn told(&self, problem: String) -> String {
        let log = self.running.log();
        // Who came, and that the farm which has been given up is gone, says nothing.
        let is_said = |line: &&str| USUAL.iter().all(|usual| !line.contains(usual));
        let said = log.lines().filter(is_said);
        let lines: Vec<&str> = said.collect();
        let tail = &lines[lines.len().saturating_sub(LAST_LINES)..];
        if tail.is_empty() {
            return problem;
        }
        format!("{problem}; the end of its log:\n{}", tail.join("\n"))
    }
}

/// Miners that a subject and the driver have descriptors for: a relay needs two for each.
fn most(subject: Subject) -> usize {
    let own = cpu::descriptors().map_or(usize::MAX, |all| all.saturating_sub(SPARE));
    if subject.relays() { own / 2 } else { own }
}

/// As many as are asked for or as there are descriptors for, and a note where those are fewer.
fn fit(subject: Subject, miners: usize) -> (usize, Option<String>) {
    let most = most(subject);
    let short = most < miners;
    let note = || format!("{} miners: no descriptors for more", thousands(most));
    (miners.min(most), short.then(note))
}

/// Of sorted times in nanoseconds, in microseconds.
fn quantile(times: &[u32], at: f64) -> f64 {
    ranked(times, at).map_or(0.0, |time| f64::from(*time) / 1e3)
}

/// The one of these, in order, below which such a part of them is.
fn ranked<T>(sorted: &[T], at: f64) -> Option<&T> {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * at).round() as usize)
}
