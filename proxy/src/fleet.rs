//! Routes: one task per route, which owns its pools, chooses those that are mined on and publishes the work.
//!
//! Sessions read what it publishes and never wait for it. A pool whose connection breaks keeps its jobs for a moment, in
//! case it resumes the session; one whose address or account changes is replaced by a new task first and left when that
//! one has a job. It knows no miner but by its seat.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use loka_api::runtime_config::Route;
use loka_stratum::downstream::NoPool;
use loka_stratum::types::{JobSerial, UnixTime, VersionMask};
use loka_stratum::work::{CleanEpoch, Work};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::policy::allow_list::AllowedPools;
use crate::policy::rollout::Sight;
use crate::seats::Seats;
use crate::telemetry::Telemetry;
use crate::telemetry::reasons::RolloutEnd;
use crate::transport::Dial;
use crate::upstream::PoolHandle;
use crate::workers::Tasks;

mod banks;
mod choice;
mod crowd;
mod crowd_staging;
mod dedicated;
mod judging;
mod pools;
mod publish;
mod route;
mod seating;
mod slot;
mod staging;

pub(crate) use self::crowd::Crowd;
pub(crate) use self::dedicated::{Dedicated, PrivateRoute, Who};
pub(crate) use self::route::RouteTask;
pub(crate) use self::slot::PoolView;

/// What a route offers at one moment.
#[derive(Clone, Debug)]
pub(crate) struct RouteState {
    pub(crate) name: Arc<str>,
    pub(crate) work: Work,
    pub(crate) seats: Arc<Seats>,
    /// Rises when seats were moved.
    pub(crate) seating: u64,
    /// Where shares go, by the pool that their job came from.
    pub(crate) pools: Arc<[Arc<PoolHandle>]>,
    pub(crate) no_pool: NoPool,
    pub(crate) version_mask: VersionMask,
}

/// A route for status pages; apart from [`RouteState`], so that a pool's troubles wake no session.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteView {
    /// Of the pools that are mined on, the one with the most hashrate.
    pub(crate) active: Option<Arc<str>>,
    pub(crate) epoch: CleanEpoch,
    pub(crate) pools: Vec<PoolView>,
    /// How much of the hashrate has moved, while a change is made in steps.
    pub(crate) rollout_percent: Option<u8>,
    /// Why the latest change was taken back, until the configuration changes.
    pub(crate) rolled_back: Option<RolloutEnd>,
    /// Of its miners, in difficulty per second.
    pub(crate) rate: f64,
    /// What is seen of what is mined on, while that is what the configuration wants.
    pub(crate) sight: Option<Sight>,
    /// By which all this is.
    pub(crate) config: Option<Arc<Route>>,
}

/// What a route's task publishes.
#[derive(Clone, Debug)]
pub(crate) struct RouteOutput {
    pub(crate) state: watch::Receiver<Arc<RouteState>>,
    pub(crate) view: watch::Receiver<Arc<RouteView>>,
    /// Of the routes of single miners that are of this one.
    pub(crate) crowd: Arc<Crowd>,
}

/// What a route's task is given.
pub(crate) struct RouteParts {
    pub(crate) config: watch::Receiver<Arc<Route>>,
    pub(crate) first_serial: JobSerial,
    pub(crate) seams: FleetSeams,
    pub(crate) role: Role,
    pub(crate) stop: CancellationToken,
}

/// Whose route it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The one of the configuration.
    Named,
    /// One miner's.
    Private,
}

/// What every route shares.
#[derive(Clone)]
pub(crate) struct FleetSeams {
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) clock: Clock,
    pub(crate) telemetry: Telemetry,
    pub(crate) tasks: Tasks,
    pub(crate) allowed: AllowedPools,
    pub(crate) random: fastrand::Rng,
    pub(crate) pool_ids: Arc<AtomicU32>,
    pub(crate) serials: Arc<AtomicU64>,
    /// Bytes of the jobs of all routes.
    pub(crate) jobs: Arc<AtomicUsize>,
}

/// Job serials that a route has for itself, from its first on: at one a second, half a year of them.
const SERIALS_OF_A_ROUTE: u64 = 1 << 24;

// === impl FleetSeams ===

impl FleetSeams {
    /// Where the serials of a process begin: they grow with time, so that none repeats what a miner may remember of an
    /// earlier run.
    pub(crate) fn first_serials(unix: UnixTime) -> Arc<AtomicU64> {
        Arc::new(AtomicU64::new(u64::from(unix.0) << 32))
    }

    /// The first serial of a new route. Routes do not share any: a miner that changes routes has shares for both.
    pub(crate) fn serials(&self) -> JobSerial {
        JobSerial(self.serials.fetch_add(SERIALS_OF_A_ROUTE, Ordering::Relaxed))
    }
}

// === impl RouteState ===

impl RouteState {
    /// Whether a session would see no difference.
    fn says_the_same_as(&self, other: &Self) -> bool {
        let lanes = |state: &Self| {
            let lanes = state.work.lanes.iter();
            lanes.map(|lane| (lane.id, lane.epoch, lane.job.serial)).collect::<Vec<_>>()
        };
        let pools = |state: &Self| state.pools.iter().map(|pool| pool.id).collect::<Vec<_>>();
        lanes(self) == lanes(other)
            && self.seating == other.seating
            && self.work.layout == other.work.layout
            && self.work.jobs.live_count() == other.work.jobs.live_count()
            && pools(self) == pools(other)
            && self.no_pool == other.no_pool
            && self.version_mask == other.version_mask
    }
}
