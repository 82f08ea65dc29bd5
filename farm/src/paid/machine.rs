//! A machine of the experiment: firmware with a list of pools, driven by events alone.
//!
//! It differs from [`crate::miner`] in what it is for: it emits tickets at given moments instead of
//! hashing all the time, fails over between addresses as cgminer does, and powers down without
//! work. A day of it costs what its tickets and jobs cost, under paused time or on a real clock.

mod bench;
mod failback;
mod power;
mod session;
mod traits;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::book::{Book, Place};
use super::plan::PoolId;
use super::tickets::{MachineId, TicketClock};
use crate::judge::Difficulty;
use crate::miner::dial::Dial;
use crate::miner::target::Target;

use self::bench::Bench;
use self::session::{End, Memory};
pub use self::traits::Kind;

/// Where a machine may mine, and as whom.
#[derive(Clone, Debug)]
pub struct Server<D> {
    pub dial: D,
    /// In `mining.authorize`.
    pub user: String,
}

/// What all machines of a farm share.
#[derive(Clone, Debug)]
pub struct Farm {
    pub seed: u64,
    /// Between two tickets of the middle hashrate.
    pub pause: Duration,
    /// Of the tickets: the pools'.
    pub difficulty: Difficulty,
    pub start: Instant,
    pub book: Arc<Book>,
    /// Refusals that somebody should look at while it is time.
    pub refusals: mpsc::Sender<Refusal>,
    /// Which pool is to be mined on; of interest where there are several servers.
    pub preferred: watch::Receiver<PoolId>,
    pub stop: CancellationToken,
}

/// A share that was refused: what a pool would need to know to say whether it would have paid it.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub place: Place,
    pub at: Instant,
    pub header: [u8; 80],
    pub coinbase: Vec<u8>,
}

/// One machine.
pub struct Machine<D> {
    farm: Farm,
    kind: Kind,
    /// One, or one for each pool in their order.
    servers: Vec<Server<D>>,
    bench: Bench,
    memory: Memory,
    dice: fastrand::Rng,
}

/// TCP gives up no earlier.
const DIAL_WITHIN: Duration = Duration::from_secs(30);

/// A machine whose connection breaks tries again within this, and then waits its time.
const FIRST_RETRY_MAX: Duration = Duration::from_secs(1);

// === impl Machine ===

impl<D: Dial> Machine<D> {
    #[must_use]
    pub fn new(id: MachineId, farm: Farm, servers: Vec<Server<D>>) -> Self {
        let kind = Kind::of(id);
        let clock = TicketClock::new(id, farm.seed, farm.pause);
        let target = Target::of_difficulty(&farm.difficulty.to_string()).unwrap_or(Target::MAX);
        let bench = Bench::new(clock, kind, target, &farm);
        let dice = fastrand::Rng::with_seed(id.seed(farm.seed).rotate_left(32));
        Self { farm, kind, servers, bench, memory: Memory::default(), dice }
    }

    /// Emits tickets until the farm stops.
    pub async fn run(mut self) {
        let stop = self.farm.stop.clone();
        // When it stops, nothing is left to do but to forget everything.
        stop.run_until_cancelled(self.live()).await;
    }

    async fn live(&mut self) {
        let mut place = self.preferred();
        let mut failures = 0;
        loop {
            let end = self.visit(place).await;
            self.bench.work_gone(Instant::now());
            match end {
                End::Moved => {
                    failures = 0;
                    place = self.preferred();
                }
                End::Wait(wait) => {
                    self.bench.meanwhile(sleep(wait)).await;
                    place = self.preferred();
                }
                End::Lost { had_work } => {
                    failures = if had_work { 1 } else { failures + 1 };
                    place = (place + 1) % self.servers.len();
                    let wait = self.pause_after(failures);
                    self.bench.meanwhile(sleep(wait)).await;
                }
            }
        }
    }

    /// As long as there are servers that were not tried yet it goes on at once.
    fn pause_after(&mut self, failures: usize) -> Duration {
        let all = self.servers.len();
        if failures < all {
            return Duration::ZERO;
        }
        if failures == 1 {
            return FIRST_RETRY_MAX.mul_f64(self.dice.f64());
        }
        if failures.is_multiple_of(all) { self.kind.retry() } else { Duration::ZERO }
    }

    /// One connection, from the dial to its end.
    async fn visit(&mut self, place: usize) -> End {
        let Some(server) = self.servers.get(place).cloned() else {
            return End::Lost { had_work: false };
        };
        let dialled = self.bench.meanwhile(timeout(DIAL_WITHIN, server.dial.dial())).await;
        let Ok(Ok(stream)) = dialled else { return End::Lost { had_work: false } };
        self.converse(stream, &server, place).await
    }

    /// The place of the server that is to be used if it can be.
    fn preferred(&self) -> usize {
        let wanted = self.farm.preferred.borrow().index();
        if wanted < self.servers.len() { wanted } else { 0 }
    }
}
