//! A faulty network in memory: named addresses, streams with seeded latency, jitter and chunking,
//! and faults on command.
//!
//! It runs under tokio's paused time without a task of its own: bytes carry the moment of their
//! arrival and readers sleep until then, so the same seed gives the same run. It knows nothing of
//! Stratum, models no bandwidth, and loses bytes only where a fault says so.

mod diary;
mod link;
mod listener;
mod pipe;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use self::diary::Diary;
use self::link::Link;
pub use self::link::StreamId;
pub use self::listener::NetListener;
pub use self::stream::NetStream;

/// Connections that wait to be accepted, for each listener; more are refused, as a full backlog
/// would. Large enough for a whole simulated farm to arrive at once.
const BACKLOG_MAX: usize = 16_384;
/// How many links are kept on the books before the closed ones are first struck off.
const LINKS_BEFORE_PRUNING: usize = 64;

/// What the wire between two addresses is like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Conditions {
    /// One way.
    pub latency: Duration,
    /// Added to each chunk, between nothing and this; chunks never overtake each other.
    pub jitter: Duration,
    pub chunking: Chunking,
}

/// How a write arrives at the other end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Chunking {
    /// As it was written.
    Whole,
    /// In pieces of a random length up to this, so that lines arrive in part.
    Pieces { bytes_max: usize },
}

/// The network; clones are the same network.
#[derive(Clone, Debug)]
pub struct Net {
    /// Everyone who listens, dials or causes a fault contends for this lock, each for a moment and
    /// never across an await. A link's lock is never taken before this one is released.
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    seed: u64,
    conditions: Conditions,
    exceptions: BTreeMap<String, Conditions>,
    listeners: BTreeMap<String, mpsc::Sender<NetStream>>,
    links: BTreeMap<StreamId, Weak<Mutex<Link>>>,
    prune_at: usize,
    links_made: u64,
    refused: BTreeSet<String>,
    partitions: BTreeMap<String, Instant>,
    diary: Arc<Diary>,
}

// === impl Conditions ===

impl Conditions {
    /// No latency and no chunking.
    pub const PERFECT: Self =
        Self { latency: Duration::ZERO, jitter: Duration::ZERO, chunking: Chunking::Whole };
    /// A farm's uplink on an ordinary day.
    pub const ORDINARY: Self = Self {
        latency: Duration::from_millis(20),
        jitter: Duration::from_millis(5),
        chunking: Chunking::Pieces { bytes_max: 1448 },
    };
}

// === impl Net ===

impl Net {
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        let state = State {
            seed,
            conditions,
            exceptions: BTreeMap::new(),
            listeners: BTreeMap::new(),
            links: BTreeMap::new(),
            prune_at: LINKS_BEFORE_PRUNING,
            links_made: 0,
            refused: BTreeSet::new(),
            partitions: BTreeMap::new(),
            diary: Arc::new(Diary::new(Instant::now())),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Starts to listen at a name such as `pool-a:3333`; it ends when the listener is dropped.
    pub fn listen(&self, name: &str) -> io::Result<NetListener> {
        let mut state = self.state();
        if state.listeners.get(name).is_some_and(|backlog| !backlog.is_closed()) {
            let message = format!("{name} is already listened at; drop the other listener first");
            return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
        }
        let (backlog, arrivals) = mpsc::channel(BACKLOG_MAX);
        state.listeners.insert(name.to_owned(), backlog);
        Ok(NetListener::new(arrivals))
    }

    /// Connects from nowhere in particular.
    pub async fn dial(&self, name: &str) -> io::Result<NetStream> {
        self.dial_from("", name).await
    }

    /// Connects; faults can name either end. It takes a round trip, and hangs while a partition
    /// lasts.
    pub async fn dial_from(&self, from: &str, name: &str) -> io::Result<NetStream> {
        let round_trip = self.state().conditions(from, name).latency * 2;
        sleep(round_trip).await;
        loop {
            // A binding of its own: the lock must not live into the sleep.
            let partition = self.state().partition_end(from, name);
            let Some(end) = partition else { break };
            sleep_until(end).await;
        }
        self.state().connect(from, name)
    }

    /// Gives one address conditions of its own, for links made from now on.
    pub fn set_conditions(&self, name: &str, conditions: Conditions) {
        self.state().exceptions.insert(name.to_owned(), conditions);
    }

    /// Resets every connection of the address, at both ends.
    pub fn cut(&self, name: &str) {
        self.each_link(|link| link.ends_at(name), Link::cut);
    }

    /// Resets one connection.
    pub fn cut_stream(&self, id: StreamId) {
        self.each_link(|link| link.id() == id, Link::cut);
    }

    /// From now on all bytes of the address's present connections vanish without a word, the
    /// closing ones too.
    pub fn half_open(&self, name: &str) {
        self.each_link(|link| link.ends_at(name), Link::half_open);
    }

    /// Delivers nothing to or from the address for a while; what was sent arrives afterwards, as
    /// TCP would retransmit it. Dials hang as long.
    pub fn partition(&self, name: &str, duration: Duration) {
        let end = Instant::now() + duration;
        self.state().partitions.insert(name.to_owned(), end);
        self.each_link(|link| link.ends_at(name), |link| link.hold_until(end));
    }

    /// Refuses new connections to or from the address until [`Self::admit`].
    pub fn refuse(&self, name: &str) {
        self.state().refused.insert(name.to_owned());
    }

    pub fn admit(&self, name: &str) {
        self.state().refused.remove(name);
    }

    /// The open connections of an address, oldest first.
    pub fn streams(&self, name: &str) -> Vec<StreamId> {
        let mut found = Vec::new();
        self.each_link(|link| link.is_open() && link.ends_at(name), |link| found.push(link.id()));
        found
    }

    /// A digest of everything that was read so far: when, on which connection, at which end and
    /// which bytes. Two runs of one seed on one thread have the same at the same moment.
    pub fn digest(&self) -> u64 {
        self.state().diary.digest()
    }

    fn each_link(&self, chosen: impl Fn(&Link) -> bool, mut act: impl FnMut(&mut Link)) {
        let links: Vec<_> = self.state().links.values().filter_map(Weak::upgrade).collect();
        for link in links {
            let mut link = link.lock().unwrap_or_else(PoisonError::into_inner);
            if chosen(&link) {
                act(&mut link);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    /// The exception of the dialled address goes before that of the dialling one.
    fn conditions(&self, from: &str, to: &str) -> Conditions {
        let exception = self.exceptions.get(to).or_else(|| self.exceptions.get(from));
        exception.copied().unwrap_or(self.conditions)
    }

    /// When the partition that stands between the two ends, if one does.
    fn partition_end(&mut self, from: &str, to: &str) -> Option<Instant> {
        let now = Instant::now();
        self.partitions.retain(|_, end| *end > now);
        [from, to].into_iter().filter_map(|name| self.partitions.get(name)).max().copied()
    }

    fn connect(&mut self, from: &str, to: &str) -> io::Result<NetStream> {
        let backlog = self.backlog(from, to)?;
        self.links_made += 1;
        let id = StreamId::new(self.links_made);
        // Neighbouring ids must not give neighbouring seeds: this is the golden ratio in 64 bits.
        let seed = self.seed ^ self.links_made.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let diary = Arc::clone(&self.diary);
        let link = Link::new(id, [from, to], self.conditions(from, to), seed, diary);
        let link = Arc::new(Mutex::new(link));
        let (near, far) = NetStream::pair(&link);
        backlog.try_send(far).map_err(|_| refusal(to, "its backlog is full"))?;
        self.links.insert(id, Arc::downgrade(&link));
        if self.links.len() >= self.prune_at {
            self.links.retain(|_, link| link.strong_count() > 0);
            self.prune_at = self.links.len() * 2 + LINKS_BEFORE_PRUNING;
        }
        Ok(near)
    }

    fn backlog(&self, from: &str, to: &str) -> io::Result<mpsc::Sender<NetStream>> {
        if self.refused.contains(to) || self.refused.contains(from) {
            return Err(refusal(to, "a fault refuses it"));
        }
        let backlog = self.listeners.get(to).filter(|backlog| !backlog.is_closed());
        backlog.cloned().ok_or_else(|| refusal(to, "nobody listens there"))
    }
}

fn refusal(name: &str, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, format!("{name} refused: {why}"))
}

#[cfg(test)]
mod tests;
