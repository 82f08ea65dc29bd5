//! A farm that is troubled without end: pools that die, restart, fall silent or drop their sessions at random, and another
//! configuration every ten seconds. In the end all books agree, and the proxy is no bigger than it was.
//!
//! `cargo xtask soak` runs it for as long as one likes; what it is told stands in the environment.

use std::env;
use std::fs;
use std::time::Duration;

use loka_farm::miner::counts::MinerCounts;
use loka_farm::miner::{MinerState, MinerStatus};
use loka_farm::pool::PoolControl;
use loka_tests::books::{Books as _, MinerLinks, total};
use loka_tests::documents::Documents;
use loka_tests::process::{Process, eventually};
use loka_tests::rig::{NAMES, Pools, miners_at};
use tokio::time::{Instant, sleep_until};

/// How long, how many miners, and from which seed.
const SECONDS: (&str, u64) = ("LOKA_SOAK_SECONDS", 60);
const MINERS: (&str, u64) = ("LOKA_SOAK_MINERS", 2_000);
const SEED: (&str, u64) = ("LOKA_SOAK_SEED", 1);

/// Hashes a second of a miner: a share every nine seconds at the pools' difficulty, so two hundred a second of two thousand.
const RATE: u64 = 100;

const CHANGE_EVERY: Duration = Duration::from_secs(10);

/// Between two looks at the clock; memory is measured as often.
const BEAT: Duration = Duration::from_secs(1);

/// The proxy may grow by this much from the middle third of the time to the last: what a busier moment takes.
const GROWTH_MAX: f64 = 1.10;
const GROWTH_SLACK_KIB: u64 = 2_048;

/// Hashes of a share of difficulty 1: 2^32 × 65536 / 65535.
const HASHES_OF_ONE: f64 = 4_295_032_833.0;

/// What is done to a pool, and what ends it after a few seconds.
type Trouble = (&'static str, fn(&PoolControl), fn(&PoolControl));

const TROUBLES: &[Trouble] = &[
    ("killed", PoolControl::kill, PoolControl::revive),
    ("restarted", PoolControl::restart_session, nothing),
    ("dropped its connections", PoolControl::drop_connections, nothing),
    ("fell silent", PoolControl::go_silent, PoolControl::speak_again),
    ("withholds verdicts", PoolControl::stop_answering_submits, PoolControl::answer_submits),
    ("found a block", PoolControl::new_block, nothing),
];

fn nothing(_: &PoolControl) {}

/// When a trouble ends, and by what.
type End = (Instant, fn(&PoolControl));

/// A farm under way.
struct Soak {
    pools: Pools,
    documents: Documents,
    proxy: Process,
    random: fastrand::Rng,
    /// Of each pool that is in trouble.
    ends: [Option<End>; 2],
    troubles: u64,
    changes: u64,
    memory: Memory,
}

/// What a process held for itself, in KiB, one for each beat.
#[derive(Debug, Default)]
pub(crate) struct Memory(Vec<u64>);

pub(crate) fn setting((name, default): (&str, u64)) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// What the kernel says that the process has filled by itself. Not the pages of its binary: those are shared with others that
/// run it, and become its own when they end.
fn own_kib(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("a number");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

// === impl Memory ===

impl Memory {
    pub(crate) fn look(&mut self, process: u32) {
        self.0.push(own_kib(process));
    }

    /// The most of the middle third and of the last.
    pub(crate) fn assert_is_flat(&self) {
        let third = self.0.len() / 3;
        let most = |part: &[u64]| part.iter().copied().max().unwrap_or_default();
        let (middle, last) = (most(&self.0[third..2 * third]), most(&self.0[2 * third..]));
        println!("memory: {middle} KiB at most in the middle third, {last} in the last");
        let allowed = middle as f64 * GROWTH_MAX + GROWTH_SLACK_KIB as f64;
        assert!(last as f64 <= allowed, "it grows: {:?}", self.0);
    }
}

// === impl Soak ===

impl Soak {
    async fn start() -> Self {
        let pools = Pools::start().await;
        let mut documents = pools.documents().await;
        documents.pools.iter_mut().for_each(|pool| {
            pool.spec = "  timeouts: { submit: 5s, jobSilence: 15s }\n".to_owned();
        });
        let proxy = Process::start_at("info", &documents.text()).await;
        let random = fastrand::Rng::with_seed(setting(SEED));
        let (ends, memory) = ([None, None], Memory::default());
        Self { pools, documents, proxy, random, ends, troubles: 0, changes: 0, memory }
    }

    /// Troubles the farm until `end`.
    async fn trouble(&mut self, end: Instant) {
        let mut change_at = Instant::now() + CHANGE_EVERY;
        let mut beat = Instant::now();
        while beat < end {
            beat += BEAT;
            sleep_until(beat).await;
            self.memory.look(self.proxy.id());
            for pool in 0..self.ends.len() {
                self.touch(pool, beat);
            }
            if beat >= change_at {
                change_at += CHANGE_EVERY;
                self.change().await;
            }
        }
        for pool in 0..self.ends.len() {
            self.relieve(pool);
        }
    }

    fn touch(&mut self, pool: usize, now: Instant) {
        match self.ends[pool] {
            Some((until, _)) if now >= until => self.relieve(pool),
            Some(_) => {}
            None if self.random.u8(0..10) == 0 => {
                let (what, begin, end) = TROUBLES[self.random.usize(0..TROUBLES.len())];
                println!("{} {what}", NAMES[pool]);
                begin(&self.pools.pools[pool].control());
                let until = now + Duration::from_secs(self.random.u64(1..8));
                self.ends[pool] = Some((until, end));
                self.troubles += 1;
            }
            None => {}
        }
    }

    fn relieve(&mut self, pool: usize) {
        if let Some((_, end)) = self.ends[pool].take() {
            end(&self.pools.pools[pool].control());
        }
    }

    /// Another configuration: each differs from the one before in something.
    async fn change(&mut self) {
        self.changes += 1;
        let documents = &mut self.documents;
        match self.random.u8(0..4) {
            0 => documents.pools.reverse(),
            1 => documents.difficulty *= if self.changes.is_multiple_of(2) { 0.8 } else { 1.25 },
            2 => documents.pools[0].account = format!("acct{}", self.changes),
            _ => {}
        }
        documents.route = format!("      jobKeepAlive: {}s\n", 5 + self.changes % 7);
        self.proxy.apply(&documents.text()).await;
    }

    async fn end(self, last: &[MinerStatus], seconds: u64) {
        let miners = MinerStatus::totals(last);
        let ledger = self.proxy.quiet_ledger().await;
        for (name, pool) in NAMES.iter().zip(&self.pools.pools) {
            ledger.assert_agrees_with_pool(name, &pool.counts());
        }
        ledger.assert_agrees_with_miners(&miners, MinerLinks::Whole);
        self.memory.assert_is_flat();
        let counts = &ledger.total;
        let (lost, unanswered) = (total(&counts.lost), total(&counts.unanswered));
        let refused = total(&counts.pool_rejected);
        println!(
            "{seconds} s, {} miners, {} troubles, {} changes: due {}, paid {}, refused {refused}, \
             unanswered {unanswered}, lost {lost}, reconnects {}, {}",
            last.len(),
            self.troubles,
            self.changes,
            counts.due,
            counts.pool_accepted,
            miners.reconnects,
            self.paid_work(&miners),
        );
        assert!(counts.pool_accepted > 0);
        assert_eq!(miners.reconnects, 0, "no trouble of a pool costs a miner its connection");
    }

    fn paid_work(&self, miners: &MinerCounts) -> String {
        let credited: f64 =
            self.pools.pools.iter().map(|pool| pool.counts().credited.as_f64()).sum();
        let done = miners.hashes as f64 / HASHES_OF_ONE;
        let mining = miners.mining.as_secs_f64();
        let powered = mining + miners.idle.as_secs_f64();
        format!(
            "paid work {:.2} % of the hashes done (chance alone: ±{:.2} %), {:.3} % of the time with a job",
            100.0 * credited / done,
            100.0 / (miners.accepted.max(1) as f64).sqrt(),
            100.0 * mining / powered,
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_troubled_farm_keeps_its_books_and_its_size() {
    let (seconds, count) = (setting(SECONDS), setting(MINERS));
    let mut soak = Soak::start().await;
    let address = ([127, 0, 0, 1], soak.documents.port).into();
    let rack = miners_at(usize::try_from(count).expect("a count"), address, RATE);
    eventually("everybody mines", || {
        rack.statuses().iter().all(|miner| miner.state == MinerState::Mining)
    })
    .await;
    soak.trouble(Instant::now() + Duration::from_secs(seconds)).await;
    let last = rack.power_off().await;
    soak.end(&last, seconds).await;
}
