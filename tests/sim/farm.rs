//! A farm in memory: two pools, the proxy, and miners of different firmware.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use loka_api::runtime_config::RuntimeConfig;
use loka_api::{Layered, Resources, render};
use loka_farm::judge::Difficulty;
use loka_farm::miner::dial::NetDial;
use loka_farm::miner::rack::Rack;
use loka_farm::miner::ticket::{NoTickets, TicketSink};
use loka_farm::miner::{MinerSetup, TICK};
use loka_farm::network::{Chunking, Conditions, Net, NetStream};
use loka_farm::pool::{Clean, PoolSettings, PracticePool};
use loka_farm::profile::Profile;
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
use loka_tests::seams::{Names, SimulatedNet, listener_name};
use tokio::time::{Instant, sleep, sleep_until};

use super::faults::{Fault as Injected, HOSTILE};
pub(crate) use super::outcome::Outcome;
use super::pools::{first_pool, second_pool};

/// Port of the proxy's one listener.
pub(crate) const PORT: u16 = 3333;

/// Port of its second one, where there is one.
pub(crate) const OTHER_PORT: u16 = 4444;

/// Whom a pool pays that pays somebody else than it should.
pub(crate) const ELSEWHERE: [u8; 20] = [0xee; 20];

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

/// One pool of a farm.
pub(crate) struct Post {
    pub(crate) name: &'static str,
    /// Where it listens, in the network; the first is where it is to be found at first.
    pub(crate) at: Vec<String>,
    pub(crate) settings: PoolSettings,
}

/// One miner of a farm.
#[derive(Clone, Debug)]
pub(crate) struct Rig {
    pub(crate) profile: &'static Profile,
    pub(crate) worker: String,
    /// Where it connects from.
    pub(crate) source: IpAddr,
    /// The port that it connects to.
    pub(crate) port: u16,
    /// What it hashes a second.
    pub(crate) rate: u64,
}

/// All that a farm is built of.
pub(crate) struct Parts {
    pub(crate) seed: u64,
    pub(crate) conditions: Conditions,
    pub(crate) names: Names,
    pub(crate) posts: Vec<Post>,
    pub(crate) rigs: Vec<Rig>,
    /// What is run at first.
    pub(crate) config: Applied,
    /// What hears of each share that is found.
    pub(crate) sink: Arc<dyn TicketSink>,
}

/// A farm that mines.
pub(crate) struct Farm {
    net: Net,
    names: Names,
    /// How the proxy calls each pool, and where it listens.
    posts: Vec<(&'static str, Vec<String>)>,
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

/// The pools' places.
pub(crate) const ALPHA: usize = 0;
pub(crate) const BETA: usize = 1;

pub(crate) const fn seconds(seconds: u64) -> Duration {
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
        let posts = NAMES.into_iter().zip(ADDRESSES).zip(settings);
        let posts = posts.map(|((name, address), settings)| Post {
            name,
            at: vec![address.to_owned()],
            settings,
        });
        let documents = documents();
        let farm = Self::of(Parts {
            seed,
            conditions,
            names: Names::default(),
            posts: posts.collect(),
            rigs: rigs(&rates),
            config: applied(&documents.text(), change),
            sink: Arc::new(NoTickets),
        })
        .await;
        Self { documents, change, ..farm }
    }

    pub(crate) async fn of(parts: Parts) -> Self {
        let Parts { seed, conditions, names, posts, rigs, config, sink } = parts;
        let start = Instant::now();
        let net = Net::new(seed, conditions);
        let (mut pools, mut places) = (Vec::new(), Vec::new());
        for Post { name, at, settings } in posts {
            let pool = PracticePool::start(settings).expect("good settings");
            for address in &at {
                pool.listen_in(&net, address).await.expect("a free name");
            }
            pools.push(pool);
            places.push((name, at));
        }
        let telemetry = Telemetry::silent();
        let (publisher, feed) =
            Publisher::new(Some(Offered::from_files(config)), telemetry.clone());
        // A few bytes for each farm of a test that soon ends: a clock is copied into everything.
        let skew: &'static AtomicI64 = Box::leak(Box::default());
        let simulated = SimulatedNet { net: net.clone(), names: names.clone() };
        let app = start_app(simulated, telemetry, feed, seed, skew).await;
        let rack = power_on(&net, seed, rigs, &sink);
        Self {
            net,
            names,
            posts: places,
            pools,
            app,
            publisher,
            documents: documents(),
            change: Change(|_| {}),
            skew,
            rack,
            start,
            calm_from: None,
        }
    }

    /// Lets the farm mine until so long after its start.
    pub(crate) async fn mine_until(&mut self, at: Duration) {
        sleep_until(self.start + at).await;
        self.ledger().assert_balanced();
    }

    /// How long it has been there.
    pub(crate) fn age(&self) -> Duration {
        self.start.elapsed()
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

    /// As the proxy calls them.
    pub(crate) fn pool_names(&self) -> impl Iterator<Item = &'static str> {
        self.posts.iter().map(|(name, _)| *name)
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
            Injected::Partition(pool, length) => {
                self.posts[*pool].1.iter().for_each(|at| self.net.partition(at, *length));
            }
            Injected::HalfOpen(pool) => {
                self.posts[*pool].1.iter().for_each(|at| self.net.half_open(at));
            }
            Injected::CutMiners => {
                [PORT, OTHER_PORT].iter().for_each(|port| self.net.cut(&listener_name(*port)));
            }
            Injected::Reconfigure => self.reconfigure().await,
            Injected::PayElsewhere(pool) => control(pool).pay(ELSEWHERE),
            Injected::PayAgain(pool) => control(pool).pay(payee(*pool)),
            Injected::Move(pool) => self.resolve_anew(*pool),
            Injected::MoveForGood(pool) => {
                self.resolve_anew(*pool);
                if let [_, .., former] = &self.posts[*pool].1[..] {
                    self.net.refuse(former);
                    self.net.cut(former);
                }
            }
        }
    }

    /// The pool's name stands for another of its addresses, which is the first of them then.
    pub(crate) fn resolve_anew(&mut self, pool: usize) {
        let (name, at) = &mut self.posts[pool];
        if at.len() < 2 {
            return;
        }
        at.rotate_left(1);
        let address = at[0].parse().expect("an address");
        self.names.set(&host(name), vec![address]);
        self.net.admit(&at[0]);
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
        self.offer(applied(&self.documents.text(), self.change)).await;
    }

    /// Another configuration.
    pub(crate) async fn offer(&mut self, config: Applied) {
        self.publisher.publish(Offered::from_files(config)).await.expect("good documents");
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
        for (index, pool) in self.pools.iter().enumerate() {
            let control = pool.control();
            control.pay(payee(index));
            self.posts[index].1.iter().for_each(|at| self.net.admit(at));
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
        let names = self.posts.iter().map(|(name, _)| *name).collect();
        Outcome { names, ledger, pools, miners, links, accepted_in_calm, drained_in, length }
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
        let names = self.posts.iter().map(|(name, _)| *name).collect();
        Outcome { names, ledger, pools, miners, links, accepted_in_calm: 0, drained_in, length }
    }
}

/// The ledger by way of the JSON that `/ledger` shows.
fn read(status: &StatusReader) -> Ledger {
    let shown = serde_json::to_value(status.ledger()).expect("a ledger");
    serde_json::from_value(shown).expect("a ledger as documented")
}

fn documents() -> Documents {
    let pools = NAMES.into_iter().zip(ADDRESSES).map(|(name, address)| PoolDocument {
        spec: "  timeouts: { submit: 20s, jobSilence: 60s }\n".to_owned(),
        ..PoolDocument::new(name, address, "acct")
    });
    Documents::new(PORT, DIFFICULTY, pools.collect())
}

pub(crate) fn applied(text: &str, Change(change): Change) -> Applied {
    let resources = Resources::load([("farm.yaml", text)]).expect("good documents");
    let proxy = resources.proxy(None).expect("one proxy");
    let rendered = render(&resources, proxy, &Layered(Vec::new())).expect("good documents");
    let mut config = rendered.config;
    change(&mut config);
    Applied::of(config, "farm.yaml")
}

async fn start_app(
    simulated: SimulatedNet,
    telemetry: Telemetry,
    feed: ConfigFeed,
    seed: u64,
    skew: &'static AtomicI64,
) -> App {
    let simulated = Arc::new(simulated);
    let seams = Seams {
        dial: Arc::clone(&simulated) as _,
        bind: simulated,
        clock: Clock::set_by(UnixTime(UNIX_START), skew),
        workers: Workers::current(),
        telemetry,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        seed,
        books: Books::default(),
        audit: None,
        room: Default::default(),
    };
    App::start(seams, feed).await.expect("a free name")
}

/// One of each firmware in turn, all on the first listener.
fn rigs(rates: &[u64]) -> Vec<Rig> {
    let profiles = Profile::all().iter().cycle().zip(rates).zip(1_u32..);
    let rig = |((profile, rate), number): ((&&'static Profile, &u64), u32)| Rig {
        profile,
        worker: format!("acct.rig{}", number - 1),
        source: source(0, number),
        port: PORT,
        rate: *rate,
    };
    profiles.map(rig).collect()
}

/// The address of a miner in a hall.
pub(crate) fn source(hall: u8, number: u32) -> IpAddr {
    let [.., high, low] = number.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, hall, high, low))
}

/// The host name of the pool of this name.
pub(crate) fn host(name: &str) -> String {
    format!("{name}.example")
}

/// The key that a pool pays.
pub(crate) fn payee(pool: usize) -> [u8; 20] {
    [u8::try_from(pool + 1).expect("few pools"); 20]
}

fn power_on(net: &Net, seed: u64, rigs: Vec<Rig>, sink: &Arc<dyn TicketSink>) -> Rack {
    let ways: Vec<(String, u16)> =
        rigs.iter().map(|rig| (rig.source.to_string(), rig.port)).collect();
    let setups = rigs.into_iter().zip(0_u64..).map(|(rig, place)| MinerSetup {
        profile: rig.profile,
        worker: rig.worker,
        password: "x".to_owned(),
        hashes_per_second: rig.rate,
        seed: seed ^ place,
        unix_base: UNIX_START,
        pool_url: format!("stratum+tcp://{}", listener_name(rig.port)),
        tick: TICK * 5,
    });
    let dial = |place: usize| {
        let (from, port) = &ways[place];
        NetDial { net: net.clone(), from: from.clone(), to: listener_name(*port) }
    };
    Rack::power_on(setups.collect(), dial, sink).expect("short names")
}
