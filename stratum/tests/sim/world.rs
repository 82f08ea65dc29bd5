//! Virtual time, the network, the faults, and what must hold after every step.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fastrand::Rng;
use loka_stratum::extranonce::Layout;
use loka_stratum::types::UnixTime;
use loka_stratum::work::Now;

use crate::miner::Miner;
use crate::pool::{Pool, Saying};
use crate::proxy::{Outgoing, Proxy};
use crate::scenario::{self, Scenario};

/// One connection of the run; never used again.
pub(crate) type Conn = u64;

#[derive(Debug)]
enum Event {
    AssumeLayout,
    Block,
    BlockReaches(usize, [u8; 32]),
    Fault,
    LinkDials(usize),
    MinerDials(usize),
    MinerHears(Conn, String),
    MinerTurns(usize),
    PoolHears(Conn, String),
    PoolTicks(usize),
    ProxyHearsMiner(Conn, Vec<u8>),
    ProxyHearsPool(Conn, String),
    Wakes(usize),
}

#[derive(Clone, Copy, Debug)]
enum End {
    Miner(usize),
    Pool(usize),
}

#[derive(Clone, Copy, Debug)]
struct Wire {
    end: End,
    latency_ms: u64,
}

/// What a run has seen, for telling that the seeds together try what they should.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) steps: u64,
    pub(crate) submitted: u64,
    pub(crate) accepted_by_pools: u64,
    pub(crate) stale_at_pools: u64,
    pub(crate) unanswered: u64,
    pub(crate) lost: u64,
    pub(crate) held: u64,
    pub(crate) failovers: u64,
    pub(crate) resumed: u64,
    pub(crate) miners_resumed: u64,
    pub(crate) renumbered: u64,
    pub(crate) candidates: u64,
    pub(crate) rejected: BTreeMap<&'static str, u64>,
}

pub(crate) struct World {
    rng: Rng,
    origin: Instant,
    now_ms: u64,
    seq: u64,
    queue: BTreeMap<(u64, u64), Event>,
    wires: BTreeMap<Conn, Wire>,
    next_conn: Conn,
    tip: [u8; 32],
    miners: Vec<Miner>,
    pools: Vec<Pool>,
    /// Until when a pool refuses connections.
    dead_until_ms: Vec<u64>,
    proxy: Proxy,
    layout: Layout,
    calm: bool,
    resting: bool,
    steps: u64,
}

const UNIX_START: u32 = 1_700_000_000;

/// The part of a run in which faults happen, and the one in which everything recovers.
const STORM_MS: u64 = 240_000;
const CALM_MS: u64 = 60_000;

/// Long enough for every verdict, or for giving it up.
const REST_MS: u64 = 45_000;

const TURN_MS: u64 = 400;

impl World {
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be had from anywhere else")]
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let Scenario { miners, pools, layout, fixed_layout, terms } = scenario::draw(&mut rng);
        let tip = scenario::random_hash(&mut rng);
        let (miner_count, pool_count) = (miners.len(), pools.len());
        let mut world = Self {
            origin: Instant::now(),
            now_ms: 0,
            seq: 0,
            queue: BTreeMap::new(),
            wires: BTreeMap::new(),
            next_conn: 1,
            tip,
            miners: miners
                .into_iter()
                .enumerate()
                .map(|(index, habits)| Miner::new(index, habits, rng.fork()))
                .collect(),
            pools: pools.into_iter().map(|settings| Pool::new(settings, tip, rng.fork())).collect(),
            dead_until_ms: vec![0; pool_count],
            proxy: Proxy::new(miner_count, pool_count, terms, fixed_layout),
            layout,
            calm: false,
            resting: false,
            steps: 0,
            rng,
        };
        for pool in 0..pool_count {
            world.after(0..3000, Event::LinkDials(pool));
            world.after(0..5000, Event::PoolTicks(pool));
        }
        for miner in 0..miner_count {
            world.after(0..8000, Event::MinerDials(miner));
            world.after(0..TURN_MS, Event::MinerTurns(miner));
        }
        world.after(0..4000, Event::AssumeLayout);
        world.after(5000..30_000, Event::Block);
        world.after(10_000..30_000, Event::Fault);
        world
    }

    /// A whole run: faults, recovery, rest, and the last sums.
    pub(crate) fn run(mut self) -> Seen {
        self.run_until(STORM_MS);
        self.calm = true;
        self.run_until(STORM_MS + CALM_MS);
        for (index, miner) in self.miners.iter().enumerate() {
            assert!(miner.is_mining(), "miner {index} has no work again after the faults");
        }
        self.resting = true;
        self.run_until(STORM_MS + CALM_MS + REST_MS);
        self.check_end();
        self.seen()
    }

    fn run_until(&mut self, end_ms: u64) {
        loop {
            let timer = self.proxy.next_timer().map(|at| self.ms_of(at));
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let next = [timer, event].into_iter().flatten().min().unwrap_or(u64::MAX);
            if next > end_ms {
                self.now_ms = end_ms;
                return;
            }
            let standing = next <= self.now_ms;
            self.now_ms = self.now_ms.max(next);
            self.steps += 1;
            assert!(!standing || self.steps < 5_000_000, "time stands still");
            if timer.is_some_and(|timer| timer <= self.now_ms) {
                self.proxy.timers(self.now());
            } else if let Some((_, event)) = self.queue.pop_first() {
                self.happen(event);
            }
            self.carry();
            self.proxy.check();
        }
    }

    /// The first millisecond that is not before `at`.
    fn ms_of(&self, at: Instant) -> u64 {
        let nanos = at.saturating_duration_since(self.origin).as_nanos();
        u64::try_from(nanos.div_ceil(1_000_000)).unwrap()
    }

    fn now(&self) -> Now {
        let seconds = u32::try_from(self.now_ms / 1000).unwrap();
        Now {
            instant: self.origin + Duration::from_millis(self.now_ms),
            unix: UnixTime(UNIX_START + seconds),
        }
    }

    fn after(&mut self, range: std::ops::Range<u64>, event: Event) {
        let delay = self.rng.u64(range);
        self.at(self.now_ms + delay, event);
    }

    fn at(&mut self, at_ms: u64, event: Event) {
        self.seq += 1;
        self.queue.insert((at_ms, self.seq), event);
    }

    fn happen(&mut self, event: Event) {
        let unix = self.now().unix.0;
        match event {
            Event::AssumeLayout => self.proxy.assume_layout(self.layout),
            Event::Block => self.block(),
            Event::BlockReaches(pool, tip) => {
                let said = self.pools[pool].block(tip, unix);
                self.pool_says(said);
            }
            Event::Fault => self.fault(),
            Event::LinkDials(pool) => self.link_dials(pool),
            Event::MinerDials(miner) => self.miner_dials(miner),
            Event::MinerHears(conn, line) => {
                if let Some(End::Miner(miner)) = self.end_of(conn) {
                    let said = self.miners[miner].hear(&line);
                    self.miner_says(conn, &said);
                }
            }
            Event::MinerTurns(miner) => self.miner_turns(miner),
            Event::PoolHears(conn, line) => {
                if let Some(End::Pool(pool)) = self.end_of(conn) {
                    let said = self.pools[pool].hear(conn, &line, unix);
                    self.pool_says(said.into_iter().map(|saying| (conn, saying)).collect());
                }
            }
            Event::PoolTicks(pool) => {
                let every = self.pools[pool].job_every_ms();
                self.after(every / 2..every * 2, Event::PoolTicks(pool));
                let said = self.pools[pool].tick(unix);
                self.pool_says(said);
            }
            Event::ProxyHearsMiner(conn, bytes) => {
                if let Some(End::Miner(miner)) = self.end_of(conn) {
                    self.proxy.miner_bytes(self.now(), miner, &bytes);
                }
            }
            Event::ProxyHearsPool(conn, line) => {
                if let Some(End::Pool(pool)) = self.end_of(conn) {
                    self.proxy.pool_line(self.now(), pool, &line);
                }
            }
            Event::Wakes(miner) => self.proxy.wake(self.now(), miner),
        }
    }

    fn end_of(&self, conn: Conn) -> Option<End> {
        self.wires.get(&conn).map(|wire| wire.end)
    }

    fn open(&mut self, end: End) -> Conn {
        self.next_conn += 1;
        let latency_ms = self.rng.u64(1..80);
        self.wires.insert(self.next_conn, Wire { end, latency_ms });
        self.next_conn
    }

    fn block(&mut self) {
        self.tip = scenario::random_hash(&mut self.rng);
        for pool in 0..self.pools.len() {
            self.after(0..2000, Event::BlockReaches(pool, self.tip));
        }
        self.after(15_000..60_000, Event::Block);
    }

    fn link_dials(&mut self, pool: usize) {
        if self.proxy.links[pool].conn().is_some() {
            return;
        }
        if self.now_ms < self.dead_until_ms[pool] {
            self.after(500..3000, Event::LinkDials(pool));
            return;
        }
        let conn = self.open(End::Pool(pool));
        self.pools[pool].connected(conn);
        self.proxy.link_up(self.now(), pool, conn);
    }

    fn miner_dials(&mut self, miner: usize) {
        if self.proxy.has_session(miner) {
            return;
        }
        let conn = self.open(End::Miner(miner));
        self.proxy.miner_connected(self.now(), miner, conn);
        let said = self.miners[miner].connected();
        self.miner_says(conn, &said);
    }

    fn miner_turns(&mut self, miner: usize) {
        self.after(TURN_MS / 2..TURN_MS * 2, Event::MinerTurns(miner));
        if self.resting {
            return;
        }
        let said = self.miners[miner].work();
        let conn = self.conn_of(miner);
        if let Some(conn) = conn {
            self.miner_says(conn, &said);
        }
    }

    fn conn_of(&self, miner: usize) -> Option<Conn> {
        let mut wires = self.wires.iter();
        wires
            .find(|(_, wire)| matches!(wire.end, End::Miner(m) if m == miner))
            .map(|(conn, _)| *conn)
    }

    /// Lines travel as bytes, cut anywhere.
    fn miner_says(&mut self, conn: Conn, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        let latency = self.wires[&conn].latency_ms;
        let mut bytes: Vec<u8> =
            lines.iter().flat_map(|line| [line, "\n"].concat().into_bytes()).collect();
        while !bytes.is_empty() {
            let cut = if self.rng.bool() { bytes.len() } else { self.rng.usize(1..=bytes.len()) };
            let rest = bytes.split_off(cut);
            self.at(self.now_ms + latency, Event::ProxyHearsMiner(conn, bytes));
            bytes = rest;
        }
    }

    fn pool_says(&mut self, said: Vec<(Conn, Saying)>) {
        for (conn, (delay, line)) in said {
            if let Some(wire) = self.wires.get(&conn) {
                let at = self.now_ms + delay + wire.latency_ms;
                self.at(at, Event::ProxyHearsPool(conn, line));
            }
        }
    }

    /// Carries what the proxy wants carried.
    fn carry(&mut self) {
        for outgoing in std::mem::take(&mut self.proxy.out) {
            match outgoing {
                Outgoing::ToMiner(conn, bytes) => {
                    self.carry_lines(conn, &bytes, Event::MinerHears);
                }
                Outgoing::ToPool(conn, bytes) => self.carry_lines(conn, &bytes, Event::PoolHears),
                Outgoing::CloseLink(pool) => self.cut_pool(pool),
                Outgoing::Wake => {
                    for miner in 0..self.miners.len() {
                        // Not at once: a session may see two changes as one.
                        self.after(0..150, Event::Wakes(miner));
                    }
                }
            }
        }
    }

    fn carry_lines(&mut self, conn: Conn, bytes: &[u8], event: fn(Conn, String) -> Event) {
        let Some(wire) = self.wires.get(&conn).copied() else { return };
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            self.at(self.now_ms + wire.latency_ms, event(conn, line.to_owned()));
        }
    }

    fn cut_pool(&mut self, pool: usize) {
        if let Some(conn) = self.proxy.links[pool].conn() {
            self.wires.remove(&conn);
            self.pools[pool].gone(conn);
            self.proxy.link_down(self.now(), pool);
        }
        self.after(100..4000, Event::LinkDials(pool));
    }

    fn cut_miner(&mut self, miner: usize) {
        if let Some(conn) = self.conn_of(miner) {
            self.wires.remove(&conn);
            self.miners[miner].gone();
            self.proxy.miner_gone(self.now(), miner);
        }
        self.after(100..5000, Event::MinerDials(miner));
    }

    fn fault(&mut self) {
        if self.calm {
            return;
        }
        self.after(2000..20_000, Event::Fault);
        let pool = self.rng.usize(..self.pools.len());
        let unix = self.now().unix.0;
        match self.rng.u8(..8) {
            0 => self.cut_pool(pool),
            1 => {
                self.pools[pool].forget_sessions();
                self.cut_pool(pool);
            }
            2 => {
                self.dead_until_ms[pool] = self.now_ms + self.rng.u64(3000..60_000);
                self.cut_pool(pool);
            }
            3 => {
                for pool in 0..self.pools.len() {
                    self.dead_until_ms[pool] = self.now_ms + self.rng.u64(1000..20_000);
                    self.cut_pool(pool);
                }
            }
            4 => self.pools[pool].swallow_verdict = true,
            5 => {
                let said = self.pools[pool].change_terms(unix);
                self.pool_says(said);
            }
            6 => {
                let miner = self.rng.usize(..self.miners.len());
                self.cut_miner(miner);
            }
            _ => {
                let said = self.pools[pool].tick(unix);
                self.pool_says(said);
            }
        }
        self.carry();
    }

    fn check_end(&self) {
        assert!(self.proxy.is_idle(), "a share is still on its way");
        for (index, miner) in self.miners.iter().enumerate() {
            assert_eq!(miner.waits_for_answers(), 0, "miner {index} waits for an answer");
            let counts = &miner.counts;
            let ended = counts.answered_true + counts.answered_false + counts.cut_off;
            assert_eq!(counts.submitted, ended, "miner {index}: {counts:?}");
        }
        let ledger = &self.proxy.ledger;
        for (hash, accepted) in &ledger.verdicts {
            let by_pool = self.pools.iter().any(|pool| pool.has_accepted(hash));
            assert_eq!(by_pool, *accepted, "a verdict was given to another share");
        }
        let verdicts = ledger.pool_accepted + ledger.pool_rejected.values().sum::<u64>();
        let judged: u64 =
            self.pools.iter().map(|pool| pool.counts.accepted + pool.counts.refused).sum();
        let accepted: u64 = self.pools.iter().map(|pool| pool.counts.accepted).sum();
        // A verdict that was lost on its way was still given.
        let most = verdicts + ledger.unanswered + ledger.candidates;
        assert!((verdicts..=most).contains(&judged), "pools judged {judged}: {ledger:?}");
        assert!(accepted >= ledger.pool_accepted, "pools accepted {accepted}: {ledger:?}");
        assert!(
            accepted <= ledger.pool_accepted + ledger.unanswered + ledger.candidates,
            "pools accepted {accepted}: {ledger:?}"
        );
    }

    fn seen(&self) -> Seen {
        let ledger = &self.proxy.ledger;
        Seen {
            steps: self.steps,
            submitted: self.miners.iter().map(|miner| miner.counts.submitted).sum(),
            accepted_by_pools: ledger.pool_accepted,
            stale_at_pools: ledger.pool_rejected.values().sum(),
            unanswered: ledger.unanswered,
            lost: ledger.lost,
            held: self.proxy.held_shares,
            failovers: self.proxy.failovers,
            resumed: self.pools.iter().map(|pool| pool.counts.resumed).sum(),
            miners_resumed: self.miners.iter().map(|miner| miner.counts.resumed).sum(),
            renumbered: self.miners.iter().map(|miner| miner.counts.renumbered).sum(),
            candidates: ledger.candidates,
            rejected: ledger.rejected.clone(),
        }
    }
}
