//! Miners that are to come to the work of another pool, and what they do for it: nothing on the connection that they have,
//! and without one what their firmware does, which is to dial again.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Farm;
use super::pace::Pace;
use crate::miner::{Miner, Told};
use crate::share::Block;
use crate::socket::Door;

/// From a round of dialling in which nobody answered to the next one. Firmware waits for 5 to 30 s.
const AGAIN: Duration = Duration::from_secs(1);

/// Who has no work by then has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Miners that wait for work of a block.
pub(crate) struct Moving(JoinSet<Result<Moved, String>>);

/// One that has it.
pub(crate) struct Moved {
    pub(crate) miner: Miner,
    pub(crate) at: Instant,
    /// Whether it had to connect anew.
    pub(crate) is_new: bool,
}

/// Miners that submit at a pace while something else happens, until it is dropped.
pub(crate) struct Watched {
    mining: JoinSet<Result<(), String>>,
    answers: mpsc::Receiver<Duration>,
}

/// Answers that nobody has looked at yet.
const ANSWERS: usize = 65_536;

// === impl Farm ===

impl Farm {
    /// Those by whose names it is so, and the others.
    pub(crate) fn part(self, is_one: impl Fn(&str) -> bool) -> (Self, Self) {
        let (ones, others) = self.0.into_iter().partition(|miner| is_one(miner.user()));
        (Self(ones), Self(others))
    }

    /// The last `miners` of it, apart from the others.
    pub(crate) fn last(&mut self, miners: usize) -> Self {
        Self(self.0.split_off(self.0.len().saturating_sub(miners)))
    }

    pub(crate) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Each, by its name, is to have work of a block. Without a connection it tries these doors, one after the other. `rate`
    /// shares a second over all, if there is one.
    pub(crate) fn until_on(
        self,
        block: impl Fn(&str) -> Block,
        doors: &[Door],
        rate: Option<f64>,
    ) -> Moving {
        let (start, count) = (Instant::now(), self.0.len());
        let mut moving = JoinSet::new();
        for (number, miner) in self.0.into_iter().enumerate() {
            let pace = rate.map(|rate| Pace::of(number, count, rate, start));
            let (block, doors) = (block(miner.user()), doors.to_vec());
            moving.spawn(async move {
                let moved = timeout(PATIENCE, until_on(miner, block, &doors, pace)).await;
                moved.map_err(|_| "a miner has no work of the next pool".to_owned())?
            });
        }
        Moving(moving)
    }
}

// === impl Moving ===

impl Moving {
    /// All of them; an error where one could not.
    pub(crate) async fn all(mut self) -> Result<Vec<Moved>, String> {
        let mut all = Vec::with_capacity(self.0.len());
        while let Some(moved) = self.0.join_next().await {
            all.push(moved.map_err(|error| error.to_string())??);
        }
        Ok(all)
    }
}

impl From<Vec<Moved>> for Farm {
    fn from(moved: Vec<Moved>) -> Self {
        Self(moved.into_iter().map(|it| it.miner).collect())
    }
}

async fn until_on(
    mut miner: Miner,
    block: Block,
    doors: &[Door],
    mut pace: Option<Pace>,
) -> Result<Moved, String> {
    let mut is_new = false;
    loop {
        if miner.block() == block {
            return Ok(Moved { miner, at: Instant::now(), is_new });
        }
        let went_on = match &mut pace {
            None => miner.told().await.map(drop),
            Some(pace) => pace.step(&mut miner).await.map(drop),
        };
        if went_on.is_err() {
            (miner, is_new) = (dial(doors).await, true);
        }
    }
}

async fn dial(doors: &[Door]) -> Miner {
    loop {
        for door in doors {
            if let Ok(miner) = Miner::connect(door, 0).await {
                return miner;
            }
        }
        sleep(AGAIN).await;
    }
}

// === impl Watched ===

impl Watched {
    /// `rate` shares a second over all miners of the farm.
    pub(crate) fn start(farm: Farm, rate: f64) -> Self {
        let (start, count) = (Instant::now(), farm.0.len());
        let (took, answers) = mpsc::channel(ANSWERS);
        let mut tasks = JoinSet::new();
        for (number, mut miner) in farm.0.into_iter().enumerate() {
            let took = took.clone();
            let mut pace = Pace::of(number, count, rate, start);
            tasks.spawn(async move {
                loop {
                    // What it is told meanwhile waits in its socket, and is read with the answer.
                    pace.due().await;
                    let sent = Instant::now();
                    miner.find().await?;
                    while matches!(miner.told().await?, Told::Job) {}
                    took.try_send(sent.elapsed()).ok();
                }
            });
        }
        Self { mining: tasks, answers }
    }

    /// The slowest answer since it was asked last and within this time from now on, and how many there were.
    pub(crate) async fn over(&mut self, time: Duration) -> Result<(Duration, usize), String> {
        sleep(time).await;
        self.slowest()
    }

    fn slowest(&mut self) -> Result<(Duration, usize), String> {
        while let Some(ended) = self.mining.try_join_next() {
            ended.map_err(|error| error.to_string())??;
        }
        let (mut slowest, mut count) = (Duration::ZERO, 0);
        while let Ok(took) = self.answers.try_recv() {
            (slowest, count) = (slowest.max(took), count + 1);
        }
        Ok((slowest, count))
    }
}
