//! One farm's world: a network in memory, two pools, a book, and what the plan does to them.
//!
//! The same under paused time and on a real clock. How machines reach it, and what stands between, is for those who build
//! it: [`super::simulated`] and [`super::sockets`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loka_farm::judge::Difficulty;
use loka_farm::network::{Chunking, Conditions, Net};
use loka_farm::paid::book::{Book, Record};
use loka_farm::paid::machine::{Farm, Refusal};
use loka_farm::paid::plan::{Action, Plan, PoolId};
use loka_farm::pool::{DifficultyPolicy, PoolControl, PoolSettings, PracticePool};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::documents::{ACCOUNTS, DIFFICULTY};
use super::options::Options;

/// One way to a pool: 40 ms there and back.
pub(crate) const LATENCY: Duration = Duration::from_millis(20);

/// One way inside the farm.
const LAN: Duration = Duration::from_micros(500);

/// One pool is strict, the other gives old work two seconds.
pub(crate) const STALE_GRACE: [Duration; 2] = [Duration::ZERO, Duration::from_secs(2)];

/// The pools' addresses in the network in memory.
pub(crate) const ADDRESSES: [&str; 2] = ["first.example:3333", "second.example:3333"];

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

/// Commands that wait for the one before.
pub(crate) const COMMANDS_MAX: usize = 64;

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

/// What can be done to the proxies, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    Prefer(PoolId),
    Kill,
    Roll,
}

/// One farm's world.
pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) pools: [PracticePool; 2],
    pub(crate) start: Instant,
    pub(crate) book: Arc<Book>,
    preferred: watch::Sender<PoolId>,
    /// None on direct connections.
    proxies: Option<mpsc::Sender<Command>>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

/// Both farms' progress, in seconds of their time.
#[derive(Debug, Default)]
pub(crate) struct Progress([AtomicU64; 2]);

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
    /// Pools that listen in a network of their own; the wall clock shows `unix` now.
    pub(crate) async fn build(options: &Options, unix: u32) -> Self {
        let near = Conditions { latency: LAN, jitter: Duration::ZERO, chunking: Chunking::Whole };
        let net = Net::new(options.seed, near);
        let start = Instant::now();
        for address in ADDRESSES {
            net.set_conditions(address, Conditions { latency: LATENCY, ..near });
        }
        let pools = PoolId::ALL.map(|id| {
            let settings = settings(id, options.seed, unix);
            let pool = PracticePool::start(settings).expect("good settings");
            pool.control().keep_judged();
            pool
        });
        for (pool, address) in pools.iter().zip(ADDRESSES) {
            pool.listen_in(&net, address).await.expect("a free name");
        }
        let book = Arc::new(Book::new(ACCOUNTS));
        let (preferred, _) = watch::channel(PoolId::First);
        let (tasks, stop) = (JoinSet::new(), CancellationToken::new());
        Self { net, pools, start, book, preferred, proxies: None, tasks, stop }
    }

    /// From now on these proxies stand between.
    pub(crate) fn stand_between(&mut self, proxies: mpsc::Sender<Command>) {
        self.proxies = Some(proxies);
    }

    /// What machines of this world are given; refusals are looked at from now on.
    pub(crate) fn farm(&mut self, experiment: &Experiment) -> Farm {
        let (refusals, refused) = mpsc::channel(REFUSALS_MAX);
        let plan = experiment.plan.clone();
        let look = look_at_refusals(refused, self.controls(), plan, self.start, self.book.clone());
        self.tasks.spawn(look);
        Farm {
            seed: experiment.options.seed,
            pause: experiment.options.pause,
            difficulty: difficulty(),
            start: self.start,
            book: Arc::clone(&self.book),
            refusals,
            preferred: self.preferred.subscribe(),
            stop: self.stop.clone(),
        }
    }

    /// Something that ends with the world.
    pub(crate) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Carries out the plan to its end, then stops everything but the proxies, which stop when their commands end.
    pub(crate) async fn live(mut self, plan: &Plan, side: Side, progress: &Progress) -> Arc<Book> {
        self.live_through(plan, side, progress).await;
        self.stop.cancel();
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
        self.collect();
        for pool in &self.pools {
            pool.shutdown().await;
        }
        self.book
    }

    async fn live_through(&self, plan: &Plan, side: Side, progress: &Progress) {
        let end = plan.shape.length + AFTER;
        let mut collect = COLLECT;
        let mut actions = plan.actions.iter().peekable();
        loop {
            let next = actions.peek().map_or(end, |(at, _)| *at).min(end);
            if collect < next {
                sleep_until(self.start + collect).await;
                self.collect();
                progress.reached(side, collect);
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
        if let Some(proxies) = &self.proxies {
            proxies.send(command).await.expect("proxies that are kept");
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

fn settings(id: PoolId, seed: u64, unix: u32) -> PoolSettings {
    let index = id.index();
    PoolSettings {
        extranonce1_bytes: [4, 8][index],
        extranonce2_bytes: [8, 6][index],
        difficulty: DifficultyPolicy::Fixed(difficulty()),
        job_interval: JOB_INTERVAL,
        block_interval: NEVER,
        clean_jobs_percent: 0,
        stale_grace: STALE_GRACE[index],
        base_unix_time: unix,
        ..PoolSettings::new(POOL_NAMES[index], seed.wrapping_add(index as u64))
    }
}

/// The records of a world that has ended.
pub(crate) fn records(book: &Book) -> Vec<Record> {
    let (dropped, unknown) = book.strays();
    assert_eq!((dropped, unknown), (0, 0), "tickets without room, shares of nobody");
    book.records()
}

fn difficulty() -> Difficulty {
    Difficulty::rounded(DIFFICULTY).expect("a difficulty")
}

// === impl Progress ===

impl Progress {
    fn reached(&self, side: Side, at: Duration) {
        let [proxied, direct] = &self.0;
        let place = match side {
            Side::Proxied => proxied,
            Side::Direct => direct,
        };
        place.store(at.as_secs(), Ordering::Relaxed);
    }

    /// In words.
    pub(crate) fn tell(&self, length: Duration) -> String {
        let percent =
            |seconds: &AtomicU64| seconds.load(Ordering::Relaxed) * 100 / length.as_secs().max(1);
        let [proxied, direct] = &self.0;
        format!("behind the proxy {} %, direct {} %", percent(proxied), percent(direct))
    }
}
