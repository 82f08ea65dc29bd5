//! One process for the customers of a host: 500 routes, each with two of 200 pools, and miners that rules lead to them by
//! their names.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::failover::signal;
use super::{HARD, Round};
use crate::farm::Farm;
use crate::farm::moves::Watched;
use crate::figure::{Figure, figure};
use crate::miner::Miner;
use crate::pool::Pool;
use crate::share::Block;
use crate::subject::{Running, Setting, Subject};

pub(super) const ROUTES: usize = 500;
pub(super) const POOLS: usize = 200;

/// Between the pools of one route.
const APART: usize = 100;

/// Whose answers are looked at while the document changes, and how many shares they submit a second.
const WATCHED: usize = 200;
const RATE: f64 = 500.0;

/// As long as that is looked at.
const WATCH: Duration = Duration::from_secs(2);

/// Between two tries to get in while it starts.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(60);

/// What stands in the document.
struct Farmland {
    pools: Vec<Pool>,
    blocks: Vec<Block>,
}

/// Which of its two pools a route has. One that is mined on and is taken out is left at once; the way back to a better pool
/// that is there all the time would wait until that has been healthy for two minutes.
#[derive(Clone, Copy, Debug)]
enum Has {
    Both,
    First,
    Second,
}

/// What a document says.
#[derive(Clone, Copy, Debug)]
struct Lists {
    first_route: Has,
    others: Has,
}

/// What a change of the document came to.
struct Change {
    wall: Duration,
    cpu: u64,
}

pub(super) async fn play(round: &Round<'_>, miners: usize) -> Result<Vec<Figure>, String> {
    let land = Farmland::new().await?;
    let template = land.document(Lists { first_route: Has::Both, others: Has::Both });
    let setting =
        Setting { template: Some(&template), ..Setting::new(round.proxy, land.pools[0].address) };
    let begun = Instant::now();
    let running = Subject::Loka.launch(&setting).await?;
    first_job(&running).await?;
    let first = begun.elapsed();
    let probes = Farm::connect_as(&running.door, ROUTES, user).await?;
    let all = begun.elapsed();
    let started = running.usage();
    drop(probes);
    sleep(WATCH).await;
    let empty = running.usage();
    let farm = Farm::connect_as(&running.door, miners, user).await?;
    let full = running.usage();
    let mut figures = vec![
        figure("first job", "ms", millis(first)),
        figure("every route", "ms", millis(all)),
        figure("cpu of the start", "ms", started.cpu as f64 / 1e6),
        figure("memory without miners", "MiB", mib(empty.resident)),
        figure("memory with miners", "MiB", mib(full.resident)),
        figure("memory per miner", "KiB", kib(full.resident, empty.resident, miners)),
    ];
    figures.extend(land.reloads(&running, farm).await?);
    Ok(figures)
}

/// Waits until the first miner has work.
async fn first_job(running: &Running) -> Result<(), String> {
    let begun = Instant::now();
    while let Err(problem) = Miner::connect_as(&running.door, user(0)).await {
        if begun.elapsed() > PATIENCE {
            return Err(format!("{problem}\n{}", running.log()));
        }
        sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

/// Miners take turns at the customers.
fn user(number: usize) -> String {
    format!("customer-{:03}.rig{number}", number % ROUTES)
}

/// Whose a miner is.
fn route(user: &str) -> usize {
    let name = user.split_once('.').map_or(user, |(customer, _)| customer);
    name.strip_prefix("customer-").and_then(|number| number.parse().ok()).unwrap_or(0)
}

// === impl Lists ===

impl Lists {
    fn of(self, route: usize) -> Has {
        if route == 0 { self.first_route } else { self.others }
    }
}

// === impl Farmland ===

impl Farmland {
    async fn new() -> Result<Self, String> {
        let (mut pools, mut blocks) = (Vec::new(), Vec::new());
        for number in 0..POOLS as u32 {
            let pool = Pool::start_at(HARD, 1000 + number).map_err(|error| error.to_string())?;
            blocks.push(Miner::connect(&pool.address.into(), 0).await?.block());
            pools.push(pool);
        }
        Ok(Self { pools, blocks })
    }

    /// The pools of a route, in its order: what it is mined on, and what is there in case.
    fn pools_of(route: usize, lists: Lists) -> Vec<usize> {
        let (first, second) = (route % POOLS, (route + APART) % POOLS);
        match lists.of(route) {
            Has::Both => vec![first, second],
            Has::First => vec![first],
            Has::Second => vec![second],
        }
    }

    /// The block of a route's miners.
    fn block(&self, route: usize, lists: Lists) -> Block {
        self.blocks[Self::pools_of(route, lists)[0]]
    }

    /// As a user would write it: a route and a rule for each customer, on one port.
    fn document(&self, lists: Lists) -> String {
        let mut text = include_str!("../loka-many.yaml").to_owned();
        let mut add = |line: &str| writeln!(text, "{line}").expect("text takes all");
        for route in 0..ROUTES {
            add(&format!("    - name: customer-{route:03}\n      pools:"));
            for (priority, pool) in Self::pools_of(route, lists).into_iter().enumerate() {
                add(&format!("        - poolRef:\n            name: pool-{pool:03}"));
                add(&format!("          priority: {priority}"));
            }
        }
        add("  rules:");
        for route in 0..ROUTES {
            add(&format!(
                "    - name: customer-{route:03}\n      workers: [\"customer-{route:03}.*\"]"
            ));
            add(&format!("      routeRef:\n        name: customer-{route:03}"));
        }
        for (number, pool) in self.pools.iter().enumerate() {
            add(&pool_document(number, pool.address));
        }
        text
    }

    /// Makes the document be in force, and waits until each of these miners has its work by it.
    async fn change(
        &self,
        running: &Running,
        farm: Farm,
        to: Lists,
    ) -> Result<(Farm, Change), String> {
        let port = running.door.address.port().to_string();
        let text = self.document(to).replace("@PORT@", &port);
        std::fs::write(running.config(), text).map_err(|error| error.to_string())?;
        let moving = farm.until_on(|user| self.block(route(user), to), &[], None);
        let (before, begun) = (running.usage(), Instant::now());
        signal("HUP", running.pid()).await?;
        let moved = moving.all().await?;
        let wall = begun.elapsed();
        let cpu = running.usage().cpu - before.cpu;
        Ok((Farm::from(moved), Change { wall, cpu }))
    }

    async fn reloads(&self, running: &Running, farm: Farm) -> Result<Vec<Figure>, String> {
        let (mut first, mut others) = farm.part(|user| route(user) == 0);
        let mut changes = Vec::new();
        for has in [Has::Second, Has::First] {
            let to = Lists { first_route: has, others: Has::Both };
            let change;
            (first, change) = self.change(running, first, to).await?;
            changes.push(change);
        }
        let one = changes.first().ok_or("nothing changed")?;
        let mut watched = Watched::start(others.last(WATCHED), RATE);
        let (calm, _) = watched.over(WATCH).await?;
        (first, _) = self
            .change(running, first, Lists { first_route: Has::Second, others: Has::Both })
            .await?;
        let (by_one, _) = watched.over(WATCH).await?;
        let rest = first.and(others);
        let everywhere = Lists { first_route: Has::First, others: Has::Second };
        let (_, all) = self.change(running, rest, everywhere).await?;
        let (by_all, answers) = watched.over(WATCH).await?;
        if answers == 0 {
            return Err("nobody was answered while the document changed".to_owned());
        }
        Ok(vec![
            figure("one route moved", "ms", millis(one.wall)),
            figure("cpu, one route moved", "ms", one.cpu as f64 / 1e6),
            figure("all routes moved", "ms", millis(all.wall)),
            figure("cpu, all routes moved", "ms", all.cpu as f64 / 1e6),
            figure("slowest answer, nothing changes", "ms", millis(calm)),
            figure("slowest answer, one route moves", "ms", millis(by_one)),
            figure("slowest answer, all routes move", "ms", millis(by_all)),
        ])
    }
}

/// A StratumPool.
fn pool_document(number: usize, address: SocketAddr) -> String {
    format!(
        "---\napiVersion: stratum.loka.dev/v1alpha1\nkind: StratumPool\nmetadata:\n  name: pool-{number:03}\n  \
         namespace: bench\nspec:\n  endpoints:\n    - url: stratum+tcp://{address}\n  account: acct"
    )
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

fn kib(after: u64, before: u64, miners: usize) -> f64 {
    after.saturating_sub(before) as f64 / miners as f64 / 1024.0
}
