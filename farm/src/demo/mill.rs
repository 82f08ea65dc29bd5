//! The farm around the proxy: practice pools and simulated miners, on real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use loka_farm::judge::Difficulty;
use loka_farm::miner::dial::TcpDial;
use loka_farm::miner::rack::Rack;
use loka_farm::miner::target::Target;
use loka_farm::miner::ticket::{NoTickets, TicketSink};
use loka_farm::miner::{MinerSetup, TICK};
use loka_farm::pool::{DifficultyPolicy, PoolCounts, PoolSettings, PracticePool, VersionRolling};
use loka_farm::profile::Profile;

use super::args::Pools;
use super::tally::Tally;

/// Names of the practice pools, the same as those of the resources in the sample documents.
pub(super) const NAMES: [&str; 2] = ["primary", "backup"];

/// Difficulties of the practice pools: about 64,000 and 43,000 hashes.
const DIFFICULTIES: [&str; 2] = ["0.000015", "0.00001"];

/// Initial, least and greatest difficulty of the miners.
pub(super) const MINER_DIFFICULTY: [&str; 3] = ["0.005m", "0.0005m", "16M"];

/// Hashes a second of a miner, and of all of them: what two cores do on the side.
const RATE: u64 = 30_000;
const FARM_RATE: u64 = 600_000;

/// A small board hashes this part of a big machine's rate: its shares are lighter than the pools ask for.
const SMALL: u64 = 8;

/// Books of pools, by name.
pub(super) type Books = Vec<(&'static str, PoolCounts)>;

/// The practice pools.
#[derive(Debug)]
pub(super) struct Practice {
    pub(super) pools: Vec<PracticePool>,
    pub(super) urls: Vec<String>,
}

// === impl Practice ===

impl Practice {
    /// Two pools on loopback that differ in extranonce1, extranonce2, mask and difficulty.
    pub(super) async fn start(kind: Pools) -> anyhow::Result<Self> {
        let (mut pools, mut urls) = (Vec::new(), Vec::new());
        for settings in settings(kind)? {
            let pool = PracticePool::start(settings)?;
            let address = pool.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await;
            urls.push(format!("stratum+tcp://{}", address.context("no free port on loopback")?));
            pools.push(pool);
        }
        Ok(Self { pools, urls })
    }

    /// The pools' own books, by name.
    pub(super) fn books(&self) -> Books {
        NAMES.into_iter().zip(&self.pools).map(|(name, pool)| (name, pool.counts())).collect()
    }
}

/// Counts what the miners find that one of the practice pools must pay.
pub(super) fn tally() -> anyhow::Result<Arc<Tally>> {
    let [primary, backup] = DIFFICULTIES;
    let targets = [Target::of_difficulty(primary)?, Target::of_difficulty(backup)?];
    let pools: Vec<(&'static str, Target)> = NAMES.into_iter().zip(targets).collect();
    Ok(Arc::new(Tally::new(&pools, Target::of_difficulty(backup)?)))
}

/// Powers the miners on, each firmware in turn.
pub(super) fn power_on(
    miners: u16,
    address: SocketAddr,
    tally: Option<Arc<Tally>>,
) -> anyhow::Result<Rack> {
    let rate = RATE.min(FARM_RATE / u64::from(miners)).max(1);
    let setups = Profile::all().iter().cycle().take(usize::from(miners)).enumerate();
    let setups = setups.map(|(place, profile)| MinerSetup {
        profile,
        worker: format!("demo.{}{place}", profile.name),
        password: "x".to_owned(),
        hashes_per_second: if is_small(profile) { rate / SMALL } else { rate },
        seed: place as u64,
        unix_base: unix_now(),
        pool_url: format!("stratum+tcp://{address}"),
        tick: TICK,
    });
    let sink: Arc<dyn TicketSink> = match tally {
        Some(tally) => tally,
        None => Arc::new(NoTickets),
    };
    Ok(Rack::power_on(setups.collect(), |_| TcpDial { address }, &sink)?)
}

fn is_small(profile: &Profile) -> bool {
    matches!(profile.name, "esp-miner" | "nerdminer")
}

fn settings(kind: Pools) -> anyhow::Result<[PoolSettings; 2]> {
    let [primary, backup] = DIFFICULTIES;
    let difficulty = |text: &str| -> anyhow::Result<DifficultyPolicy> {
        let difficulty = Difficulty::parse(text)?;
        Ok(match kind {
            Pools::Adapting => DifficultyPolicy::Adaptive {
                start: difficulty,
                min: difficulty,
                shares_per_second: 8.0,
            },
            Pools::Practice | Pools::Real => DifficultyPolicy::Fixed(difficulty),
        })
    };
    let [first, second] = NAMES;
    Ok([
        PoolSettings {
            extranonce1_bytes: 4,
            extranonce2_bytes: 4,
            version_rolling: VersionRolling::Granted { mask: 0x00ff_e000 },
            difficulty: difficulty(primary)?,
            ..pool(first, 1)
        },
        PoolSettings {
            extranonce1_bytes: 8,
            extranonce2_bytes: 7,
            difficulty: difficulty(backup)?,
            ..pool(second, 2)
        },
    ])
}

fn pool(name: &str, seed: u64) -> PoolSettings {
    PoolSettings {
        base_unix_time: unix_now(),
        job_interval: Duration::from_secs(10),
        block_interval: Duration::from_secs(60),
        reply_latency: Duration::from_millis(20),
        reply_jitter: Duration::from_millis(10),
        ..PoolSettings::new(name, seed)
    }
}

/// Practice pools and miners live in the present.
fn unix_now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}
