//! `loka-practice pool`: one practice pool on a real socket, and its counts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::{Json, Router};
use loka_farm::judge::Difficulty;
use loka_farm::pool::{DifficultyPolicy, PoolCounts, PoolSettings, PracticePool};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::args::PoolArgs;
use super::{Ended, Stop, say, unix_now};

/// Longest wait for the page's last readers.
const PAGE_ENDS_WITHIN: Duration = Duration::from_secs(1);

/// What is printed and served.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    pool: String,
    listen: Option<SocketAddr>,
    connections: u64,
    received: u64,
    accepted: u64,
    rejected: BTreeMap<String, u64>,
    /// The sum of the difficulties of the accepted shares.
    credited: f64,
    accounts: BTreeMap<String, Account>,
}

/// What one account was paid for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Account {
    accepted: u64,
    credited: f64,
}

/// Runs the pool until it is asked to end.
pub(super) async fn run(args: PoolArgs, mut stop: Stop) -> anyhow::Result<Ended> {
    let PoolArgs { listen, page, name, difficulty, interval: every } = &args;
    let settings = PoolSettings {
        base_unix_time: unix_now(),
        job_interval: Duration::from_secs(10),
        block_interval: Duration::from_secs(60),
        difficulty: DifficultyPolicy::Fixed(Difficulty::parse(difficulty)?),
        ..PoolSettings::new(name, u64::from(unix_now()))
    };
    let pool = Arc::new(PracticePool::start(settings)?);
    let address = pool.listen(*listen).await;
    let address = address.with_context(|| format!("--listen {listen}: cannot listen there"))?;
    let (end, tasks) = (CancellationToken::new(), TaskTracker::new());
    let counts = {
        let (pool, name) = (Arc::clone(&pool), name.clone());
        move || Counts::of(&name, address, &pool.counts())
    };
    if let Some(page) = page {
        serve(*page, counts.clone(), end.clone(), &tasks).await?;
    }
    let mut said = None;
    let mut ticks = interval(*every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // The end first: a tick is always to be had.
        tokio::select! {
            biased;
            () = stop.asked() => break,
            _ = ticks.tick() => {}
        }
        let now = Some(counts());
        if said != now {
            say(&now)?;
            said = now;
        }
    }
    pool.shutdown().await;
    say(&counts())?;
    end.cancel();
    tasks.close();
    // A reader that stays does not keep the pool.
    drop(tokio::time::timeout(PAGE_ENDS_WITHIN, tasks.wait()).await);
    Ok(Ended::Well)
}

async fn serve(
    address: SocketAddr,
    counts: impl Fn() -> Counts + Clone + Send + Sync + 'static,
    end: CancellationToken,
    tasks: &TaskTracker,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("--page {address}: cannot listen there"))?;
    let router = Router::new().fallback(async move || Json(counts()));
    let server = axum::serve(listener, router).with_graceful_shutdown(end.cancelled_owned());
    // The pool goes on without its page.
    tasks.spawn(async move { server.await.ok() });
    Ok(())
}

// === impl Counts ===

impl Counts {
    fn of(pool: &str, listen: SocketAddr, books: &PoolCounts) -> Self {
        let rejected = books.rejected.iter();
        let accounts = books.accounts().into_iter();
        Self {
            pool: pool.to_owned(),
            listen: Some(listen),
            connections: books.connections,
            received: books.received,
            accepted: books.accepted,
            rejected: rejected.map(|(why, count)| (format!("{why:?}"), *count)).collect(),
            credited: books.credited.as_f64(),
            accounts: accounts
                .map(|(name, counts)| {
                    let credited = counts.credited.as_f64();
                    (name, Account { accepted: counts.accepted, credited })
                })
                .collect(),
        }
    }
}
