//! The `loka-practice` binary: a practice pool, or practice miners, by themselves, to be put
//! wherever a farm is tried out: in pods, on other machines.
//!
//! It knows nothing of the proxy between the two. What is counted goes to standard output, one JSON
//! object a line.

#![forbid(unsafe_code)]

mod args;
mod mine;
mod pool;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::args::{Args, Command};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// What was asked for came about.
    Well,
    /// The shares that were waited for did not come.
    TooFewShares,
}

/// SIGINT and SIGTERM: the first process of a container gets no default for them.
#[derive(Debug)]
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::from(error)),
    };
    match runtime.block_on(run(args)) {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::TooFewShares) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

async fn run(args: Args) -> anyhow::Result<Ended> {
    let stop = Stop {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    match args.command {
        Command::Pool(args) => pool::run(args, stop).await,
        Command::Mine(args) => mine::run(args, stop).await,
    }
}

#[expect(clippy::print_stderr, reason = "this is how a program says why it ends")]
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

/// A line of counts.
fn say<T: Serialize>(counts: &T) -> anyhow::Result<()> {
    let mut line = serde_json::to_string(counts)?;
    line.push('\n');
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    Ok(out.flush()?)
}

/// Pool and miners live in the present.
fn unix_now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

// === impl Stop ===

impl Stop {
    /// Until somebody wants the end.
    async fn asked(&mut self) {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
