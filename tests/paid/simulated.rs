//! Both farms in virtual time, each on a clock and a network of its own, with the same plan.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loka_farm::judge::Difficulty;
use loka_farm::miner::dial::NetDial;
use loka_farm::network::{Chunking, Conditions, Net};
use loka_farm::paid::book::{Book, Record};
use loka_farm::paid::machine::{Farm, Machine, Refusal, Server};
use loka_farm::paid::plan::{Action, Plan, PoolId};
use loka_farm::paid::tickets::MachineId;
use loka_farm::pool::{DifficultyPolicy, PoolControl, PoolSettings, PracticePool};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::documents::{ACCOUNTS, DIFFICULTY, PORTS};
use super::options::Options;
use super::pods::{Command, Keeper, UNIX_START, VipDial};

/// One way to a pool: 40 ms there and back.
pub(crate) const LATENCY: Duration = Duration::from_millis(20);

/// One way inside the farm.
const LAN: Duration = Duration::from_micros(500);

/// One pool is strict, the other gives old work two seconds.
pub(crate) const STALE_GRACE: [Duration; 2] = [Duration::ZERO, Duration::from_secs(2)];

/// The pools' addresses.
const ADDRESSES: [&str; 2] = ["first.example:3333", "second.example:3333"];

const POOL_NAMES: [&str; 2] = ["first", "second"];

/// How often a pool sends a job between blocks.
const JOB_INTERVAL: Duration = Duration::from_secs(60);

/// Blocks come by the plan alone.
const NEVER: Duration = Duration::from_secs(1000 * 24 * 3600);

/// How often the pools' judgements are read.
const COLLECT: Duration = Duration::from_secs(60);

/// After the end, for the last answers.
const AFTER: Duration = Duration::from_secs(5);

/// Refusals that wait for the look at them.
const REFUSALS_MAX: usize = 1 << 16;

/// What both farms are given.
#[derive(Clone, Debug)]
pub(crate) struct Experiment {
    pub(crate) options: Options,
    pub(crate) plan: Plan,
}

/// Which farm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    Proxied,
    Direct,
}

struct World {
    net: Net,
    pools: [PracticePool; 2],
    start: Instant,
    book: Arc<Book>,
    preferred: watch::Sender<PoolId>,
    /// None on direct connections.
    pods: Option<Keeper>,
}

/// Runs both at once, on a thread each; returns their records, the proxy's first.
pub(crate) fn run_both(experiment: &Experiment) -> [Vec<Record>; 2] {
    let progress = [AtomicU64::new(0), AtomicU64::new(0)];
    std::thread::scope(|scope| {
        let [first, second] = &progress;
        let proxied = scope.spawn(|| in_virtual_time(run(Side::Proxied, experiment, first)));
        let direct = scope.spawn(|| in_virtual_time(run(Side::Direct, experiment, second)));
        let length = experiment.plan.shape.length.as_secs();
        while !(proxied.is_finished() && direct.is_finished()) {
            std::thread::sleep(Duration::from_secs(1));
            show(&progress, length);
        }
        println!();
        [proxied, direct].map(|farm| farm.join().expect("the farm's own words are above"))
    })
}

fn show(progress: &[AtomicU64; 2], length: u64) {
    use std::io::Write as _;
    let [proxied, direct] =
        progress.each_ref().map(|seconds| seconds.load(Ordering::Relaxed) * 100 / length.max(1));
    print!("\rproxy {proxied:>3} %  direct {direct:>3} %");
    // Progress that cannot be shown is no reason to stop.
    std::io::stdout().flush().ok();
}

fn in_virtual_time<T>(scenario: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(b"paid"));
    builder.build().expect("a runtime").block_on(scenario)
}

async fn run(side: Side, experiment: &Experiment, progress: &AtomicU64) -> Vec<Record> {
    let Experiment { options, plan } = experiment;
    let mut world = World::build(side, options).await;
    let stop = CancellationToken::new();
    let (refusals, refused) = mpsc::channel(REFUSALS_MAX);
    let farm = Farm {
        seed: options.seed,
        pause: options.pause,
        difficulty: difficulty(),
        start: world.start,
        book: Arc::clone(&world.book),
        refusals,
        preferred: world.preferred.subscribe(),
        stop: stop.clone(),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(look_at_refusals(
        refused,
        world.controls(),
        plan.clone(),
        world.start,
        world.book.clone(),
    ));
    world.switch_on(farm, options.machines, &mut tasks);
    world.live_through(plan, progress).await;
    stop.cancel();
    tasks.abort_all();
    while tasks.join_next().await.is_some() {}
    world.collect();
    if let Some(pods) = world.pods.take() {
        pods.end().await;
    }
    for pool in &world.pools {
        pool.shutdown().await;
    }
    let (dropped, unknown) = world.book.strays();
    assert_eq!((dropped, unknown), (0, 0), "tickets without room, shares of nobody");
    world.book.records()
}

fn difficulty() -> Difficulty {
    Difficulty::rounded(DIFFICULTY).expect("a difficulty")
}

/// Whether a pool would have paid what was refused, had it been sent on in that moment.
async fn look_at_refusals(
    mut refusals: mpsc::Receiver<Refusal>,
    pools: [PoolControl; 2],
    plan: Plan,
    start: Instant,
    book: Arc<Book>,
) {
    while let Some(refusal) = refusals.recv().await {
        let arrives = refusal.at + LATENCY;
        sleep_until(arrives).await;
        let Refusal { place, at, header, coinbase } = refusal;
        for (id, pool) in PoolId::ALL.into_iter().zip(&pools) {
            let reachable = plan.is_up(id, at - start) && plan.is_up(id, arrives - start);
            if reachable && pool.has_live_job(&header, &coinbase) {
                book.wrongly_refused(place);
            }
        }
    }
}

// === impl World ===

impl World {
    async fn build(side: Side, options: &Options) -> Self {
        let near = Conditions { latency: LAN, jitter: Duration::ZERO, chunking: Chunking::Whole };
        let net = Net::new(options.seed, near);
        let start = Instant::now();
        for address in ADDRESSES {
            net.set_conditions(address, Conditions { latency: LATENCY, ..near });
        }
        let pools = PoolId::ALL.map(|id| {
            let pool = PracticePool::start(settings(id, options.seed)).expect("good settings");
            pool.control().keep_judged();
            pool
        });
        for (pool, address) in pools.iter().zip(ADDRESSES) {
            pool.listen_in(&net, address).await.expect("a free name");
        }
        let book = Arc::new(Book::new(ACCOUNTS));
        let pods = match side {
            Side::Direct => None,
            Side::Proxied => {
                let addresses = ADDRESSES.map(str::to_owned);
                Some(Keeper::start(&net, addresses, Arc::clone(&book), options.seed).await)
            }
        };
        let (preferred, _) = watch::channel(PoolId::First);
        Self { net, pools, start, book, preferred, pods }
    }

    fn switch_on(&self, farm: Farm, machines: usize, tasks: &mut JoinSet<()>) {
        for id in (0..machines).map(MachineId) {
            let name = format!("rig{}", id.0);
            match &self.pods {
                Some(pods) => {
                    let port = PORTS.get(id.0 % PORTS.len()).copied().unwrap_or_default();
                    let net = self.net.clone();
                    let dial = VipDial { net, from: name.clone(), port, vip: pods.vip() };
                    let servers = vec![Server { dial, user: name }];
                    tasks.spawn(Machine::new(id, farm.clone(), servers).run());
                }
                None => {
                    let server = |(address, account): (&str, &str)| Server {
                        dial: NetDial {
                            net: self.net.clone(),
                            from: name.clone(),
                            to: address.to_owned(),
                        },
                        user: format!("{account}.{name}"),
                    };
                    let servers = ADDRESSES.into_iter().zip(ACCOUNTS).map(server).collect();
                    tasks.spawn(Machine::new(id, farm.clone(), servers).run());
                }
            }
        }
    }

    async fn live_through(&self, plan: &Plan, progress: &AtomicU64) {
        let end = plan.shape.length + AFTER;
        let mut collect = COLLECT;
        let mut actions = plan.actions.iter().peekable();
        loop {
            let next = actions.peek().map_or(end, |(at, _)| *at).min(end);
            if collect < next {
                sleep_until(self.start + collect).await;
                self.collect();
                progress.store(collect.as_secs(), Ordering::Relaxed);
                collect += COLLECT;
                continue;
            }
            sleep_until(self.start + next).await;
            let Some((_, action)) = actions.next() else { return };
            self.act(*action).await;
        }
    }

    async fn act(&self, action: Action) {
        let control = |pool: PoolId| self.controls()[pool.index()].clone();
        let address = |pool: PoolId| ADDRESSES[pool.index()];
        match action {
            Action::Block(pool, hash) => control(pool).block_found(hash),
            Action::Cut(pool) | Action::CutDark(pool) => self.net.cut(address(pool)),
            Action::Darken(pool, length) => {
                self.net.half_open(address(pool));
                self.net.partition(address(pool), length);
            }
            Action::Silence(pool) => control(pool).go_silent(),
            Action::Speak(pool) => control(pool).speak_again(),
            Action::Stop(pool) => {
                control(pool).restart_session();
                control(pool).kill();
            }
            Action::Start(pool) => control(pool).revive(),
            Action::Uplink(length) => {
                PoolId::ALL.into_iter().for_each(|pool| self.net.partition(address(pool), length));
            }
            Action::Prefer(pool) => {
                self.preferred.send_replace(pool);
                self.command(Command::Prefer(pool)).await;
            }
            Action::KillProxy => self.command(Command::Kill).await,
            Action::RollProxies => self.command(Command::Roll).await,
        }
    }

    async fn command(&self, command: Command) {
        if let Some(pods) = &self.pods {
            pods.command(command).await;
        }
    }

    fn controls(&self) -> [PoolControl; 2] {
        self.pools.each_ref().map(PracticePool::control)
    }

    fn collect(&self) {
        for (id, pool) in PoolId::ALL.into_iter().zip(&self.pools) {
            pool.control().take_judged().iter().for_each(|judged| self.book.judged(id, judged));
        }
    }
}

fn settings(id: PoolId, seed: u64) -> PoolSettings {
    let index = id.index();
    PoolSettings {
        extranonce1_bytes: [4, 8][index],
        extranonce2_bytes: [8, 6][index],
        difficulty: DifficultyPolicy::Fixed(difficulty()),
        job_interval: JOB_INTERVAL,
        block_interval: NEVER,
        clean_jobs_percent: 0,
        stale_grace: STALE_GRACE[index],
        base_unix_time: UNIX_START,
        ..PoolSettings::new(POOL_NAMES[index], seed.wrapping_add(index as u64))
    }
}
