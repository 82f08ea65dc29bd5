//! Pools, miners and documents of a farm on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use loka_farm::judge::Difficulty;
use loka_farm::miner::dial::{Dial, TcpDial};
use loka_farm::miner::rack::Rack;
use loka_farm::miner::ticket::{NoTickets, TicketSink};
use loka_farm::miner::{MinerSetup, TICK};
use loka_farm::pool::{DifficultyPolicy, PoolSettings, PracticePool, VersionRolling};
use loka_farm::profile::Profile;
use loka_tests::documents::{Documents, PoolDocument};
use loka_tests::process::free_port;

/// Hashes a second of a miner.
pub(crate) const RATE: u64 = 3_000;

/// Difficulty of the pools: 860 hashes, three shares a second of a miner.
pub(crate) const DIFFICULTY: f64 = 2e-7;

/// The names of the pools' resources.
pub(crate) const NAMES: [&str; 2] = ["alpha", "beta"];

/// Two pools that differ in extranonce1, extranonce2, mask and difficulty, listening.
pub(crate) struct Pools {
    pub(crate) pools: [PracticePool; 2],
    pub(crate) addresses: [SocketAddr; 2],
}

/// The wall clock, which practice pools and miners take as a setting.
pub(crate) fn unix_now() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u32::try_from(since.expect("after 1970").as_secs()).expect("before 2106")
}

pub(crate) fn difficulty(value: f64) -> Difficulty {
    Difficulty::rounded(value).expect("a difficulty")
}

/// Pool alpha.
pub(crate) fn alpha() -> PoolSettings {
    PoolSettings {
        extranonce1_bytes: 4,
        extranonce2_bytes: 4,
        version_rolling: VersionRolling::Granted { mask: 0x00ff_e000 },
        difficulty: DifficultyPolicy::Fixed(difficulty(2.0 * DIFFICULTY)),
        ..base("a", 1)
    }
}

/// Pool beta.
pub(crate) fn beta() -> PoolSettings {
    PoolSettings {
        extranonce1_bytes: 8,
        extranonce2_bytes: 7,
        difficulty: DifficultyPolicy::Fixed(difficulty(DIFFICULTY)),
        ..base("b", 2)
    }
}

fn base(name: &str, seed: u64) -> PoolSettings {
    PoolSettings {
        base_unix_time: unix_now(),
        job_interval: Duration::from_secs(5),
        block_interval: Duration::from_secs(30),
        ..PoolSettings::new(name, seed)
    }
}

// === impl Pools ===

impl Pools {
    pub(crate) async fn start() -> Self {
        Self::of([alpha(), beta()]).await
    }

    pub(crate) async fn of(settings: [PoolSettings; 2]) -> Self {
        let [first, second] = settings.map(|s| PracticePool::start(s).expect("good settings"));
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let addresses =
            [first.listen(free).await.expect("a port"), second.listen(free).await.expect("a port")];
        Self { pools: [first, second], addresses }
    }

    /// The documents of a proxy before these pools.
    pub(crate) async fn documents(&self) -> Documents {
        let pools = NAMES.into_iter().zip(self.addresses);
        let pools =
            pools.map(|(name, address)| PoolDocument::new(name, address.to_string(), "acct"));
        Documents {
            failback: "1s",
            ..Documents::new(free_port().await, DIFFICULTY, pools.collect())
        }
    }

    pub(crate) fn accepted(&self) -> [u64; 2] {
        [self.pools[0].counts().accepted, self.pools[1].counts().accepted]
    }
}

/// So many miners, each firmware in turn, on the listener at `port`.
pub(crate) fn miners(count: usize, port: u16) -> Rack {
    miners_by(&TcpDial { address: SocketAddr::from(([127, 0, 0, 1], port)) }, count, port)
}

/// The same, each by a way of its own.
pub(crate) fn miners_by<D: Dial>(dial: &D, count: usize, port: u16) -> Rack {
    let setups =
        Profile::all().iter().cycle().take(count).enumerate().map(|(place, profile)| MinerSetup {
            profile,
            worker: format!("acct.rig{place}"),
            password: "x".to_owned(),
            hashes_per_second: RATE,
            seed: place as u64,
            unix_base: unix_now(),
            pool_url: format!("stratum+tcp://127.0.0.1:{port}"),
            tick: TICK,
        });
    let sink: Arc<dyn TicketSink> = Arc::new(NoTickets);
    Rack::power_on(setups.collect(), |_| dial.clone(), &sink).expect("short names")
}
