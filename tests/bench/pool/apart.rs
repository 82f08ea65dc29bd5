//! A pool in a process of its own: it has descriptors of its own, and where miners are on it, the core of what is measured.
//!
//! `loka-bench pool DIFFICULTY` says its address on standard output, then answers each line of standard input with one.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};

use super::Pool;
use crate::cpu::{Usage, usage};
use crate::lines::Lines;

/// Its first argument.
pub(crate) const ARGUMENT: &str = "pool";

const COUNT: &str = "count";
const ANNOUNCE: &str = "announce";

/// For shares that are on their way.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A pool that runs until it is dropped.
pub(crate) struct PoolApart {
    pub(crate) address: SocketAddr,
    child: Child,
    orders: ChildStdin,
    answers: ChildStdout,
    lines: Lines,
}

// === impl PoolApart ===

impl PoolApart {
    /// Gives everybody work of this difficulty, on these cores if some are named: else where this process is.
    pub(crate) async fn start(difficulty: f64, cores: Option<&str>) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = if let Some(cores) = cores {
            let mut command = Command::new("taskset");
            command.args(["-c", cores]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args([ARGUMENT, &difficulty.to_string()]).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("the pool: {error}"))?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        let (orders, answers) = orders.zip(answers).ok_or("the pool has no pipes")?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut pool = Self { address, child, orders, answers, lines: Lines::default() };
        let told = pool.told().await?;
        pool.address = told.parse().map_err(|_| format!("the pool's address is {told}"))?;
        Ok(pool)
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Usage {
        self.child.id().map(usage).unwrap_or_default()
    }

    /// Waits until so many shares came; more are as wrong as fewer.
    pub(crate) async fn has(&mut self, shares: u64) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.ask(COUNT).await?;
            let came: u64 = told.parse().map_err(|_| format!("the pool counts {told}"))?;
            if came == shares {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("the pool has {came} shares, and {shares} were due"));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Sends a new clean job to every connection; when the first was written to.
    pub(crate) async fn announce(&mut self) -> Result<Instant, String> {
        let told = self.ask(ANNOUNCE).await?;
        let strange = || format!("the pool announced: {told}");
        let (at, unheard) = told.split_once(' ').ok_or_else(strange)?;
        if unheard != "0" {
            return Err(format!("the pool could not write to {unheard} connections"));
        }
        // Its clock of the day is this process's as well; that of `Instant` cannot be told.
        let at = UNIX_EPOCH + Duration::from_nanos(at.parse().map_err(|_| strange())?);
        let (now, today) = (Instant::now(), SystemTime::now());
        Ok(today.duration_since(at).map_or(now, |since| now - since))
    }

    async fn ask(&mut self, order: &str) -> Result<String, String> {
        let gone = |error: std::io::Error| format!("the pool: {error}");
        tokio::io::AsyncWriteExt::write_all(&mut self.orders, format!("{order}\n").as_bytes())
            .await
            .map_err(gone)?;
        self.told().await
    }

    async fn told(&mut self) -> Result<String, String> {
        loop {
            if let Some(line) = self.lines.next() {
                return Ok(line.to_owned());
            }
            let filled = timeout(PATIENCE, self.lines.fill(&mut self.answers));
            match filled.await.map_err(|_| "the pool does not answer".to_owned())? {
                Ok(0) => return Err("the pool has ended".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(format!("the pool: {error}")),
            }
        }
    }
}

/// The process that this file is about.
pub(crate) async fn serve(difficulty: &str) -> Result<(), String> {
    let strange = |error: std::io::Error| error.to_string();
    let difficulty = difficulty.parse().map_err(|_| format!("no difficulty: {difficulty}"))?;
    let pool = Pool::start(difficulty).map_err(strange)?;
    let orders = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned();
    let mut orders = pipe::Receiver::from_owned_fd(orders.map_err(strange)?).map_err(strange)?;
    say(&pool.address.to_string())?;
    let mut lines = Lines::default();
    loop {
        while let Some(line) = lines.next() {
            let answer = if line == ANNOUNCE { announce(&pool) } else { pool.shares().to_string() };
            say(&answer)?;
        }
        if lines.fill(&mut orders).await.map_err(strange)? == 0 {
            return Ok(());
        }
    }
}

/// What it takes to make the job is not measured.
fn announce(pool: &Pool) -> String {
    let line = pool.next_job();
    let at = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    let unheard = pool.send(&line);
    format!("{at} {unheard}")
}

fn say(line: &str) -> Result<(), String> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| error.to_string())
}
