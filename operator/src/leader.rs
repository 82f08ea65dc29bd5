//! Leader election by a Lease of `coordination.k8s.io/v1`, so that one replica writes at a time.
//!
//! It owns the Lease and nothing else: what only a leader may do asks [`Leadership::is_leader`]
//! before each write. That a Lease has expired is judged by how long this process has seen it
//! unchanged, by its own monotonic clock; the times in the Lease are for readers and are never
//! compared. A leader counts its time from before it asked for the renewal, and stops at two thirds
//! of the Lease; the others count theirs from after they saw it, and wait for all of it.

mod decide;
mod driver;
mod leadership;
mod record;
mod store;

pub use decide::Timing;
pub use leadership::{Leadership, Loss};

use std::net::SocketAddr;

use kube::Client;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::driver::Driver;
use self::record::Candidate;
use self::store::ApiLease;
use crate::telemetry::Telemetry;

/// What is competed for, and by whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Name of this pod, for readers: each start has an identity of its own.
    pub pod_name: String,
    /// Where proxies reach the control stream of this replica.
    pub control: SocketAddr,
    /// How long things take.
    pub timing: Timing,
}

/// Competes for the Lease from now on, until `stop`; a Lease that is held then is given up, so
/// nothing may be written any more when `stop` is cancelled. After a loss it does not compete again:
/// the process is to end.
pub fn start(
    client: Client,
    settings: Settings,
    telemetry: Telemetry,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> Leadership {
    let Settings { namespace, name, pod_name, control, timing } = settings;
    let store = ApiLease::new(client, &namespace, &name);
    let candidate = Candidate::new(&pod_name, control, timing.lease());
    let (driver, leadership) = Driver::new(store, candidate, timing, telemetry);
    tasks.spawn(driver.run(stop));
    leadership
}

#[cfg(test)]
mod tests;
