//! Simulated miners: the firmware of a [`Profile`] doing real SHA-256d work at a set hashrate.
//!
//! A miner runs over any stream, on tokio's clock alone: on real sockets it is a small load, under
//! paused time a deterministic one. It imports nothing of the proxy; what it sends and what it
//! cannot bear is data in [`crate::profile`].

pub mod counts;
pub mod dial;
mod drive;
pub(crate) mod hash;
pub(crate) mod hearing;
pub mod job;
mod lasting;
pub mod rack;
mod search;
mod session;
mod speech;
pub mod target;
pub mod ticket;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use self::counts::MinerCounts;
use self::dial::Dial;
use self::lasting::{Clock, Lasting, Pace};
use self::ticket::TicketSink;
use crate::profile::{NameRule, Profile};
use crate::trap::Trap;

/// How a miner is set up.
#[derive(Clone)]
pub struct MinerSetup {
    /// Its firmware.
    pub profile: &'static Profile,
    /// As the farm calls it; firmware may cut it.
    pub worker: String,
    /// Sent in `mining.authorize`.
    pub password: String,
    /// What it hashes.
    pub hashes_per_second: u64,
    /// Of its phase and its jitter.
    pub seed: u64,
    /// Seconds of the world at power-on.
    pub unix_base: u32,
    /// "host:port" as typed into the miner; where it dials is the [`Dial`]'s.
    pub pool_url: String,
    /// How often it looks at its clock.
    pub tick: Duration,
}

/// Why a miner cannot be set up so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("worker name of {bytes} bytes: {profile} holds {limit}; shorten it")]
pub struct SetupError {
    /// The firmware.
    pub profile: &'static str,
    /// Of the name.
    pub bytes: usize,
    /// That it holds.
    pub limit: usize,
}

/// A miner with its power off.
pub struct Miner<D> {
    setup: MinerSetup,
    dial: D,
    sink: Arc<dyn TicketSink>,
    lasting: Lasting,
    dice: fastrand::Rng,
    status: watch::Sender<MinerStatus>,
}

/// What can be read of a miner at any time.
#[derive(Debug, Clone)]
pub struct MinerStatus {
    /// As it authorises.
    pub worker: String,
    /// Its firmware.
    pub profile: &'static str,
    /// As set up.
    pub hashes_per_second: u64,
    /// What it does now.
    pub state: MinerState,
    /// As the server last wrote it.
    pub difficulty: Option<String>,
    /// Since power-on.
    pub counts: MinerCounts,
    /// The first few that sprung.
    pub traps: Vec<Trap>,
}

/// What a miner does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinerState {
    /// Trying to connect, or pausing before it.
    Dialing,
    /// Connected, not yet subscribed and authorised.
    Handshake,
    /// Hashing.
    Mining,
    /// Switched off, or not yet on.
    Off,
    /// Ready, without a job.
    Waiting,
}

/// How often a miner looks at its clock, unless told otherwise: short against a share, long
/// against a slice.
pub const TICK: Duration = Duration::from_millis(100);

// === impl Miner ===

impl<D: Dial> Miner<D> {
    /// Ready to [`run`](Self::run); its clock starts now.
    pub fn new(
        mut setup: MinerSetup,
        dial: D,
        sink: Arc<dyn TicketSink>,
    ) -> Result<Self, SetupError> {
        setup.worker = configured_name(setup.profile, setup.worker)?;
        let clock = Clock::new(setup.unix_base, Instant::now());
        let lasting = Lasting::new(setup.profile, Pace::new(setup.hashes_per_second), clock);
        let (status, _) = watch::channel(MinerStatus {
            worker: setup.worker.clone(),
            profile: setup.profile.name,
            hashes_per_second: setup.hashes_per_second,
            state: MinerState::Off,
            difficulty: None,
            counts: MinerCounts::default(),
            traps: Vec::new(),
        });
        let dice = fastrand::Rng::with_seed(setup.seed);
        Ok(Self { setup, dial, sink, lasting, dice, status })
    }

    /// Follows the miner.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<MinerStatus> {
        self.status.subscribe()
    }
}

/// The name as the firmware keeps it.
fn configured_name(profile: &'static Profile, mut name: String) -> Result<String, SetupError> {
    match profile.limits.worker {
        NameRule::Refused(limit) if name.len() > limit => {
            Err(SetupError { profile: profile.name, bytes: name.len(), limit })
        }
        NameRule::Refused(_) => Ok(name),
        NameRule::CutAt(limit) => {
            name.truncate(name.floor_char_boundary(limit));
            Ok(name)
        }
    }
}

// === impl MinerSetup ===

impl fmt::Debug for MinerSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MinerSetup")
            .field("profile", &self.profile.name)
            .field("worker", &self.worker)
            .field("hashes_per_second", &self.hashes_per_second)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

// === impl MinerStatus ===

impl MinerStatus {
    /// The sum of many miners' counts.
    #[must_use]
    pub fn totals<'a>(miners: impl IntoIterator<Item = &'a Self>) -> MinerCounts {
        let zero = MinerCounts::default();
        miners.into_iter().fold(zero, |sum, miner| sum.plus(miner.counts))
    }

    fn update(&mut self, state: MinerState, difficulty: Option<&str>, lasting: &Lasting) {
        self.state = state;
        if self.difficulty.as_deref() != difficulty {
            self.difficulty = difficulty.map(str::to_owned);
        }
        self.counts = lasting.counts;
        if self.traps.len() != lasting.traps.len() {
            self.traps.clone_from(&lasting.traps);
        }
    }
}

// === impl MinerState ===

impl MinerState {
    /// In words.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Dialing => "dialing",
            Self::Handshake => "handshake",
            Self::Mining => "mining",
            Self::Off => "off",
            Self::Waiting => "waiting",
        }
    }
}

#[cfg(test)]
mod tests;
