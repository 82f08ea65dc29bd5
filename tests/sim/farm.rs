//! A farm in memory: two pools, the proxy, and miners of different firmware.

use std::fmt::Write as _;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use loka_api::runtime_config::RuntimeConfig;
use loka_api::{Layered, Resources, render};
use loka_farm::judge::Difficulty;
use loka_farm::miner::counts::Disconnect;
use loka_farm::miner::dial::NetDial;
use loka_farm::miner::rack::Rack;
use loka_farm::miner::ticket::{NoTickets, TicketSink};
use loka_farm::miner::{MinerSetup, MinerStatus, TICK};
use loka_farm::network::{Chunking, Conditions, Net, NetStream};
use loka_farm::pool::{
    Clean, DifficultyPolicy, Forms, PoolCounts, PoolSettings, PracticePool, Rejection, Resumption,
    VersionRolling,
};
use loka_farm::profile::Profile;
use loka_farm::trap::{Fault, Trap};
use loka_proxy::admin::StatusSource as _;
use loka_proxy::admin::status::{PoolStatus, RouteStatus};
use loka_proxy::app::{App, Seams, StatusReader};
use loka_proxy::books::Books;
use loka_proxy::clock::Clock;
use loka_proxy::config::Applied;
use loka_proxy::control::{ConfigFeed, Offered, Publisher};
use loka_proxy::sink::time::Work;
use loka_proxy::telemetry::Telemetry;
use loka_proxy::telemetry::reasons::DrainCause;
use loka_proxy::workers::Workers;
use loka_stratum::types::UnixTime;
use loka_tests::books::{Books as _, Ledger, MinerLinks};
use loka_tests::documents::{Documents, PoolDocument};
use loka_tests::seams::{SimulatedNet, listener_name};
use tokio::time::{Instant, sleep, sleep_until};

use super::faults::{Fault as Injected, HOSTILE};

/// Port of the proxy's one listener.
const PORT: u16 = 3333;

/// The pools' addresses, in the order of preference.
const ADDRESSES: [&str; 2] = ["pool-a.example:3333", "pool-b.example:4444"];

/// The names of their resources.
const NAMES: [&str; 2] = ["alpha", "beta"];

/// What a miner hashes a second: a share every few seconds at [`DIFFICULTY`], and cheap to do.
pub(crate) const RATE: u64 = 400;

/// Of the miners to begin with: 430 hashes.
pub(crate) const DIFFICULTY: f64 = 1e-7;

/// When the farm's clocks start: 2026-01-01.
pub(crate) const UNIX_START: u32 = 1_767_225_600;

/// Longest wait for the last verdicts; submits time out earlier.
const QUIET_WITHIN: Duration = Duration::from_secs(90);

/// What a farm is made of.
pub(crate) struct Site {
    pub(crate) seed: u64,
    pub(crate) conditions: Conditions,
    pub(crate) settings: [PoolSettings; 2],
    /// What each miner hashes a second.
    pub(crate) rates: Vec<u64>,
    /// Makes of the documents' configuration what is run.
    pub(crate) change: Change,
}

/// A change of the rendered configuration.
#[derive(Clone, Copy)]
pub(crate) struct Change(pub(crate) fn(&mut RuntimeConfig));

/// A farm that mines.
pub(crate) struct Farm {
    net: Net,
    pools: Vec<PracticePool>,
    app: App,
    publisher: Publisher,
    documents: Documents,
    change: Change,
    /// Of the proxy's wall clock.
    skew: &'static AtomicI64,
    rack: Rack,
    start: Instant,
    /// Accepted at the pools when the calm began.
    calm_from: Option<u64>,
}

/// What a farm came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ledger: Ledger,
    pub(crate) pools: Vec<PoolCounts>,
    pub(crate) miners: Vec<MinerStatus>,
    pub(crate) links: MinerLinks,
    /// Shares that the pools accepted after the last fault.
    pub(crate) accepted_in_calm: u64,
    /// How long the drain took.
    pub(crate) drained_in: Duration,
    /// Virtual time of all.
    pub(crate) length: Duration,
}

/// The pools' places.
pub(crate) const ALPHA: usize = 0;
pub(crate) const BETA: usize = 1;

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Plays `scenario` on a farm at `site`, and reads all books at its end.
pub(crate) fn play<F: Future<Output = Farm>>(
    site: Site,
    links: MinerLinks,
    scenario: impl FnOnce(Farm) -> F,
) -> Outcome {
    in_virtual_time(
        site.seed,
        async move { scenario(Farm::at(site).await).await.finish(links).await },
    )
}

/// Runs `scenario` alone, on a clock of its own, in an order that follows from `seed`.
pub(crate) fn in_virtual_time<T>(seed: u64, scenario: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes()));
    #[cfg(not(tokio_unstable))]
    let _ = seed;
    builder.build().expect("a runtime").block_on(scenario)
}

/// Makes the pools share the hashrate by 30 to 70.
pub(crate) fn shared(config: &mut RuntimeConfig) {
    for (pool, weight) in config.routes[0].pools.iter_mut().zip([30, 70]) {
        pool.priority = 0;
        pool.weight = Some(weight);
    }
}

// === impl Farm ===

impl Farm {
    /// Two pools that differ in everything, and a miner of each firmware in random order.
    pub(crate) async fn start(seed: u64, random: &mut fastrand::Rng) -> Self {
        let conditions = Conditions {
            latency: Duration::from_millis(random.u64(0..40)),
            jitter: Duration::from_millis(random.u64(0..10)),
            chunking: Chunking::Pieces { bytes_max: random.usize(1..1500) },
        };
        let settings = [first_pool(random), second_pool(random)];
        let rates = vec![RATE; random.usize(6..=Profile::all().len())];
        // In an order, or sharing the hashrate.
        let change = if random.bool() { Change(|_| {}) } else { Change(shared) };
        Self::at(Site { seed, conditions, settings, rates, change }).await
    }

    /// A farm of these pools and so many miners.
    pub(crate) async fn with(
        seed: u64,
        conditions: Conditions,
        settings: [PoolSettings; 2],
        miners: usize,
    ) -> Self {
        let rates = vec![RATE; miners];
        Self::at(Site { seed, conditions, settings, rates, change: Change(|_| {}) }).await
    }

    pub(crate) async fn at(site: Site) -> Self {
        let Site { seed, conditions, settings, rates, change } = site;
        let start = Instant::now();
        let net = Net::new(seed, conditions);
        let mut pools = Vec::new();
        for (settings, address) in settings.into_iter().zip(ADDRESSES) {
            let pool = PracticePool::start(settings).expect("good settings");
            pool.listen_in(&net, address).await.expect("a free name");
            pools.push(pool);
        }
        let documents = documents();
        let telemetry = Telemetry::silent();
        let first = Offered::from_files(applied(&documents, change));
        let (publisher, feed) = Publisher::new(Some(first), telemetry.clone());
        // A few bytes for each farm of a test that soon ends: a clock is copied into everything.
        let skew: &'static AtomicI64 = Box::leak(Box::default());
        let app = start_app(&net, telemetry, feed, seed, skew).await;
        let rack = power_on(&net, seed, &rates);
        let calm_from = None;
        Self { net, pools, app, publisher, documents, change, skew, rack, start, calm_from }
    }

    /// Lets the farm mine until so long after its start.
    pub(crate) async fn mine_until(&mut self, at: Duration) {
        sleep_until(self.start + at).await;
        self.ledger().assert_balanced();
    }

    /// The ledger now.
    pub(crate) fn ledger(&self) -> Ledger {
        read(&self.app.status())
    }

    /// What is known of the route.
    pub(crate) fn route_status(&self) -> RouteStatus {
        self.app.status().status().routes[0].clone()
    }

    /// What is known of pool `index` of the order.
    pub(crate) fn pool_status(&self, index: usize) -> PoolStatus {
        self.route_status().pools[index].clone()
    }

    /// The pool that is mined on.
    pub(crate) fn active(&self) -> Option<String> {
        self.app.status().status().routes.first()?.active_pool.clone()
    }

    /// What the pools hold.
    pub(crate) fn pool(&self, index: usize) -> &PracticePool {
        &self.pools[index]
    }

    /// What the miners are up to.
    pub(crate) fn rack(&self) -> &Rack {
        &self.rack
    }

    pub(crate) async fn suffer(&mut self, fault: &Injected) {
        let control = |pool: &usize| self.pools[*pool].control();
        match fault {
            Injected::Kill(pool) => control(pool).kill(),
            Injected::Revive(pool) => control(pool).revive(),
            Injected::Drop(pool) => control(pool).drop_connections(),
            Injected::Restart(pool) => control(pool).restart_session(),
            Injected::Silence(pool) => control(pool).go_silent(),
            Injected::Speak(pool) => control(pool).speak_again(),
            Injected::WithholdVerdicts(pool) => control(pool).stop_answering_submits(),
            Injected::TellVerdicts(pool) => control(pool).answer_submits(),
            Injected::Difficulty(pool, factor) => {
                let difficulty = Difficulty::rounded(DIFFICULTY * factor).expect("a difficulty");
                control(pool).set_difficulty(difficulty);
            }
            Injected::Extranonce(pool) => {
                let size =
                    self.pools[*pool].connections().first().map_or(8, |c| c.extranonce2_bytes);
                control(pool).change_extranonce(size);
            }
            Injected::Mask(pool, mask) => control(pool).set_version_mask(*mask),
            Injected::Block(pool) => control(pool).new_block(),
            Injected::CleanJob(pool) => control(pool).new_job(Clean::Clean),
            Injected::Garbage(pool) => control(pool).inject(b"{\"no\": stratum\n"),
            Injected::Hostile(pool, line) => {
                control(pool).inject(format!("{}\n", HOSTILE[*line]).as_bytes());
            }
            Injected::Late(pool, delay) => control(pool).answer_submits_late(*delay),
            Injected::ClockJump(seconds) => self.skew.store(*seconds, Ordering::Relaxed),
            Injected::Partition(pool, length) => self.net.partition(ADDRESSES[*pool], *length),
            Injected::HalfOpen(pool) => self.net.half_open(ADDRESSES[*pool]),
            Injected::CutMiners => self.net.cut(&listener_name(PORT)),
            Injected::Reconfigure => self.reconfigure().await,
        }
    }

    /// The pools in the other order, and another difficulty for new miners.
    pub(crate) async fn reconfigure(&mut self) {
        self.edit(|documents| {
            documents.pools.reverse();
            documents.difficulty *= 1.25;
        })
        .await;
    }

    /// Changes the documents, live.
    pub(crate) async fn edit(&mut self, change: impl FnOnce(&mut Documents)) {
        change(&mut self.documents);
        self.publish().await;
    }

    /// Another change of the configuration than so far.
    pub(crate) async fn change(&mut self, change: Change) {
        self.change = change;
        self.publish().await;
    }

    async fn publish(&mut self) {
        let offered = Offered::from_files(applied(&self.documents, self.change));
        self.publisher.publish(offered).await.expect("good documents");
    }

    /// What the miners had to work on so far.
    pub(crate) fn work(&self) -> Work {
        let status = self.app.status().status();
        status.work.first().map(|row| row.work).unwrap_or_default()
    }

    /// The network, for what else is to live there.
    pub(crate) fn net(&self) -> &Net {
        &self.net
    }

    /// A connection to the listener, for a miner that says what the test says.
    pub(crate) async fn connect(&self) -> NetStream {
        let listener = listener_name(PORT);
        self.net.dial_from("stranger", &listener).await.expect("the listener listens")
    }

    /// Ends all faults.
    pub(crate) async fn recover(&mut self) {
        for pool in &self.pools {
            let control = pool.control();
            control.revive();
            control.speak_again();
            control.answer_submits();
            control.set_difficulty(Difficulty::rounded(DIFFICULTY).expect("a difficulty"));
        }
        self.calm_from = Some(self.accepted());
    }

    fn accepted(&self) -> u64 {
        self.pools.iter().map(|pool| pool.counts().accepted).sum()
    }

    /// Switches the miners off, drains the proxy, and reads all books.
    pub(crate) async fn finish(self, links: MinerLinks) -> Outcome {
        let accepted_in_calm = self.accepted() - self.calm_from.unwrap_or_default();
        let deadline = Instant::now() + QUIET_WITHIN;
        let status = self.app.status();
        let miners = self.rack.power_off().await;
        while Instant::now() < deadline && !read(&status).is_quiet() {
            sleep(Duration::from_millis(50)).await;
        }
        let drain_start = Instant::now();
        self.app.drain(DrainCause::Requested).await;
        let drained_in = drain_start.elapsed();
        let ledger = read(&status);
        let pools = self.pools.iter().map(PracticePool::counts).collect();
        for pool in &self.pools {
            pool.shutdown().await;
        }
        let length = self.start.elapsed();
        Outcome { ledger, pools, miners, links, accepted_in_calm, drained_in, length }
    }

    /// Drains while the miners go on, as a rolling update does.
    pub(crate) async fn drain_under_load(self) -> Outcome {
        let status = self.app.status();
        let drain_start = Instant::now();
        self.app.drain(DrainCause::Requested).await;
        let drained_in = drain_start.elapsed();
        let ledger = read(&status);
        let pools = self.pools.iter().map(PracticePool::counts).collect();
        let miners = self.rack.power_off().await;
        let length = self.start.elapsed();
        let links = MinerLinks::Cut;
        Outcome { ledger, pools, miners, links, accepted_in_calm: 0, drained_in, length }
    }
}

/// The ledger by way of the JSON that `/ledger` shows.
fn read(status: &StatusReader) -> Ledger {
    let shown = serde_json::to_value(status.ledger()).expect("a ledger");
    serde_json::from_value(shown).expect("a ledger as documented")
}

// === impl Outcome ===

impl Outcome {
    #[track_caller]
    pub(crate) fn assert_books_agree(&self) {
        self.ledger.assert_balanced();
        assert!(self.ledger.is_quiet(), "still on its way: {:?}", self.ledger.total);
        for (name, pool) in NAMES.iter().zip(&self.pools) {
            self.ledger.assert_agrees_with_pool(name, pool);
        }
        let miners = MinerStatus::totals(&self.miners);
        // Firmware that gives up a farm without any pool hangs up by itself.
        let links = if miners.reconnects > 0 { MinerLinks::Cut } else { self.links };
        self.ledger.assert_agrees_with_miners(&miners, links);
    }

    /// Every miner on the one connection that it made, and every book equal.
    #[track_caller]
    pub(crate) fn assert_nobody_noticed(&self) {
        self.assert_books_agree();
        for miner in &self.miners {
            assert_eq!(miner.traps, [], "{}", miner.profile);
            assert_eq!(miner.counts.connects, 1, "{} reconnected", miner.profile);
        }
    }

    /// Shares are refused only for what a farm cannot know in time, and nobody was let go.
    #[track_caller]
    pub(crate) fn assert_nothing_was_wrong_but_the_faults(&self) {
        let total = &self.ledger.total;
        // Firmware that rolls nTime may meet the refreshed nTime of a keep-alive job: the very same header.
        let ours = ["stale", "unknown_job", "version_bits", "duplicate"];
        for (reason, count) in &total.rejected {
            assert!(ours.contains(&reason.as_str()), "{count} rejected as {reason}: {total:?}");
        }
        let theirs = ["stale", "other", "low_difficulty"];
        for (reason, count) in &total.pool_rejected {
            assert!(theirs.contains(&reason.as_str()), "{count} refused as {reason}: {total:?}");
        }
        assert!(!total.lost.contains_key("dropped"), "{total:?}");
        for miner in &self.miners {
            let starved = |trap: &Trap| matches!(trap.what, Fault::NoJob { .. });
            assert!(miner.traps.iter().all(starved), "{}: {:?}", miner.profile, miner.traps);
            let ends = &miner.counts.disconnects;
            let closed = ends.of(Disconnect::ServerClosed);
            assert_eq!(closed, 0, "{} was let go", miner.profile);
            if self.links == MinerLinks::Whole {
                let starved = ends.of(Disconnect::NoJob);
                assert_eq!(miner.counts.reconnects, starved, "{} reconnected", miner.profile);
            }
        }
        assert!(self.accepted_in_calm > 20, "only {} in the calm", self.accepted_in_calm);
    }

    /// Everything that was counted, as text.
    pub(crate) fn digest(&self) -> String {
        let mut text = format!("{:?}\n{:?}\n", self.ledger, self.length);
        for pool in &self.pools {
            writeln!(text, "{pool:?}").ok();
        }
        for miner in &self.miners {
            writeln!(text, "{} {:?}", miner.worker, miner.counts).ok();
        }
        text
    }
}

/// Short extranonce2, few version bits.
fn first_pool(random: &mut fastrand::Rng) -> PoolSettings {
    let resumption = if random.bool() { Resumption::Resumes } else { Resumption::Forgets };
    PoolSettings {
        extranonce1_bytes: random.usize(1..=8),
        extranonce2_bytes: random.usize(4..=6),
        version_rolling: VersionRolling::Granted { mask: 0x0fff_e000 },
        resumption,
        forms: Forms { rejection: Rejection::Mixed, ..Forms::default() },
        difficulty: DifficultyPolicy::Fixed(Difficulty::rounded(2.0 * DIFFICULTY).expect("one")),
        ..pool("a", random)
    }
}

/// Long extranonce2, all version bits or none.
fn second_pool(random: &mut fastrand::Rng) -> PoolSettings {
    let rolling = [
        VersionRolling::Granted { mask: 0x1fff_e000 },
        VersionRolling::Refused,
        VersionRolling::UnknownMethod,
    ];
    PoolSettings {
        extranonce1_bytes: random.usize(1..=12),
        extranonce2_bytes: random.usize(6..=12),
        version_rolling: rolling[random.usize(0..3)],
        difficulty: DifficultyPolicy::Fixed(Difficulty::rounded(DIFFICULTY).expect("one")),
        ..pool("b", random)
    }
}

fn pool(name: &str, random: &mut fastrand::Rng) -> PoolSettings {
    PoolSettings {
        reply_latency: Duration::from_millis(random.u64(0..50)),
        reply_jitter: Duration::from_millis(random.u64(0..30)),
        block_interval: Duration::from_secs(random.u64(20..120)),
        job_interval: Duration::from_secs(random.u64(5..30)),
        base_unix_time: UNIX_START,
        ..PoolSettings::new(name, random.u64(..))
    }
}

fn documents() -> Documents {
    let pools = NAMES.into_iter().zip(ADDRESSES).map(|(name, address)| PoolDocument {
        spec: "  timeouts: { submit: 20s, jobSilence: 60s }\n".to_owned(),
        ..PoolDocument::new(name, address, "acct")
    });
    Documents::new(PORT, DIFFICULTY, pools.collect())
}

fn applied(documents: &Documents, Change(change): Change) -> Applied {
    let text = documents.text();
    let resources = Resources::load([("farm.yaml", text.as_str())]).expect("good documents");
    let proxy = resources.proxy(None).expect("one proxy");
    let rendered = render(&resources, proxy, &Layered(Vec::new())).expect("good documents");
    let mut config = rendered.config;
    change(&mut config);
    Applied::of(config, "farm.yaml")
}

async fn start_app(
    net: &Net,
    telemetry: Telemetry,
    feed: ConfigFeed,
    seed: u64,
    skew: &'static AtomicI64,
) -> App {
    let simulated = Arc::new(SimulatedNet(net.clone()));
    let seams = Seams {
        dial: Arc::clone(&simulated) as _,
        bind: simulated,
        clock: Clock::set_by(UnixTime(UNIX_START), skew),
        workers: Workers::current(),
        telemetry,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        seed,
        books: Books::default(),
    };
    App::start(seams, feed).await.expect("a free name")
}

fn power_on(net: &Net, seed: u64, rates: &[u64]) -> Rack {
    let profiles = Profile::all().iter().cycle().zip(rates).enumerate();
    let setups = profiles.map(|(place, (profile, rate))| {
        let place = place as u64;
        MinerSetup {
            profile,
            worker: format!("acct.rig{place}"),
            password: "x".to_owned(),
            hashes_per_second: *rate,
            seed: seed ^ place,
            unix_base: UNIX_START,
            pool_url: format!("stratum+tcp://{}", listener_name(PORT)),
            tick: TICK * 5,
        }
    });
    let sink: Arc<dyn TicketSink> = Arc::new(NoTickets);
    let dial =
        |place| NetDial { net: net.clone(), from: format!("rig{place}"), to: listener_name(PORT) };
    Rack::power_on(setups.collect(), dial, &sink).expect("short names")
}
