//! Pools and miners of a farm on real sockets: on loopback, or wherever the test stands.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use loka_farm::judge::Difficulty;
use loka_farm::miner::dial::{Dial, TcpDial};
use loka_farm::miner::rack::Rack;
use loka_farm::miner::ticket::{NoTickets, TicketSink};
use loka_farm::miner::{MinerSetup, MinerStatus, TICK};
use loka_farm::pool::{DifficultyPolicy, PoolSettings, PracticePool, VersionRolling};
use loka_farm::ports;
use loka_farm::profile::Profile;

use crate::documents::{Documents, PoolDocument};
use crate::process::{LOOPBACK, eventually, free_port};

/// Hashes a second of a miner.
pub const RATE: u64 = 3_000;

/// Difficulty of the pools: 860 hashes, three shares a second of a miner.
pub const DIFFICULTY: f64 = 2e-7;

/// The names of the pools' resources.
pub const NAMES: [&str; 2] = ["alpha", "beta"];

/// Two pools that differ in extranonce1, extranonce2, mask and difficulty, listening.
pub struct Pools {
    /// As [`NAMES`] has them.
    pub pools: [PracticePool; 2],
    /// Where each listens.
    pub addresses: [SocketAddr; 2],
}

/// The wall clock, which practice pools and miners take as a setting.
pub fn unix_now() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u32::try_from(since.expect("after 1970").as_secs()).expect("before 2106")
}

/// A difficulty of practice work.
pub fn difficulty(value: f64) -> Difficulty {
    Difficulty::rounded(value).expect("a difficulty")
}

/// Pool alpha.
pub fn alpha() -> PoolSettings {
    PoolSettings {
        extranonce1_bytes: 4,
        extranonce2_bytes: 4,
        version_rolling: VersionRolling::Granted { mask: 0x00ff_e000 },
        difficulty: DifficultyPolicy::Fixed(difficulty(2.0 * DIFFICULTY)),
        ..base("a", 1)
    }
}

/// Pool beta.
pub fn beta() -> PoolSettings {
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
    /// [`alpha`] and [`beta`] on loopback.
    pub async fn start() -> Self {
        Self::of([alpha(), beta()]).await
    }

    /// Two pools on loopback.
    pub async fn of(settings: [PoolSettings; 2]) -> Self {
        Self::of_at(settings, LOOPBACK).await
    }

    /// Two pools on an address of this machine.
    pub async fn of_at(settings: [PoolSettings; 2], address: IpAddr) -> Self {
        let [first, second] = settings.map(|s| PracticePool::start(s).expect("good settings"));
        let addresses = [listen(&first, address).await, listen(&second, address).await];
        Self { pools: [first, second], addresses }
    }

    /// The documents of a proxy before these pools.
    pub async fn documents(&self) -> Documents {
        let pools = NAMES.into_iter().zip(self.addresses);
        let pools =
            pools.map(|(name, address)| PoolDocument::new(name, address.to_string(), "acct"));
        Documents { failback: "1s", ..Documents::new(free_port(), DIFFICULTY, pools.collect()) }
    }

    /// Shares that each has accepted.
    pub fn accepted(&self) -> [u64; 2] {
        [self.pools[0].counts().accepted, self.pools[1].counts().accepted]
    }
}

/// On a port that nobody else can have by the time that a pool which was dead listens again.
async fn listen(pool: &PracticePool, address: IpAddr) -> SocketAddr {
    let port = ports::free_port(address).expect("a free port");
    pool.listen(SocketAddr::from((address, port))).await.expect("the port")
}

/// Waits until each of the miners has had a share accepted: few shares may all be of one of them.
pub async fn everybody_is_paid(rack: &Rack) {
    let is_paid = |miner: &MinerStatus| miner.counts.accepted > 0;
    eventually("everybody is paid", || rack.statuses().iter().all(is_paid)).await;
}

/// So many miners, each firmware in turn, on the listener at `port` of loopback.
pub fn miners(count: usize, port: u16) -> Rack {
    miners_at(count, SocketAddr::from((LOOPBACK, port)), RATE)
}

/// So many miners of this many hashes a second, each firmware in turn, on the listener at `address`.
pub fn miners_at(count: usize, address: SocketAddr, hashes_per_second: u64) -> Rack {
    miners_by(&TcpDial { address }, count, address, hashes_per_second)
}

/// The same, each by a way of its own.
pub fn miners_by<D: Dial>(
    dial: &D,
    count: usize,
    address: SocketAddr,
    hashes_per_second: u64,
) -> Rack {
    let setups =
        Profile::all().iter().cycle().take(count).enumerate().map(|(place, profile)| MinerSetup {
            profile,
            worker: format!("acct.rig{place}"),
            password: "x".to_owned(),
            hashes_per_second,
            seed: place as u64,
            unix_base: unix_now(),
            pool_url: format!("stratum+tcp://{address}"),
            tick: TICK,
        });
    let sink: Arc<dyn TicketSink> = Arc::new(NoTickets);
    Rack::power_on(setups.collect(), |_| dial.clone(), &sink).expect("short names")
}
