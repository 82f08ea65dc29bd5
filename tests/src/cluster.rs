//! A real Kubernetes for tests: an API server on loopback, or a cluster of machines in name spaces of their own.
//!
//! Everything that runs is the real thing, built by `cargo xtask tools` and named by environment variables
//! (docs/testing-on-kubernetes.md). This module owns how they are found, started, reached and ended. What is proven with
//! them is the tests' own matter (tests/k8s).

use std::env;
use std::fmt::Display;
use std::panic::Location;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

mod api_server;
mod collector;
mod commands;
mod files;
mod image;
mod machines;
mod node;
mod pki;
mod shared;
mod supervised;

pub use self::api_server::ApiServer;
pub use self::collector::Collector;
pub use self::commands::Kubeconfig;
pub use self::image::Image;
pub use self::machines::Machines;
pub use self::node::{Cluster, Namespace};
pub use self::shared::{Exclusive, Shared};

/// Between two looks at something that cannot be waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What a machine may lack, by the variable that names it, and what provides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asset {
    /// Directory with etcd, kube-apiserver and kubectl.
    KubeBin,
    /// Directory with kube-controller-manager, kube-scheduler, kubelet, kube-proxy, helm and coredns.
    NodeBin,
    /// Root of an unpacked file system with containerd, runc, nft and the CNI plugins; `/` where they are installed.
    NodeRoot,
    /// The OpenTelemetry Collector.
    Otelcol,
    /// Directory of the run that `tests/tools/fabric.sh` has made: this process is in the cluster's network.
    Fabric,
}

/// Looks at something until it is as it should be, and returns what it found.
///
/// # Panics
/// When it is not `within` that time; with what the last look said.
#[track_caller]
pub fn eventually<T, E: Display, L: AsyncFnMut() -> Result<T, E>>(
    what: &str,
    within: Duration,
    mut look: L,
) -> impl Future<Output = T> {
    let place = Location::caller();
    async move {
        let deadline = Instant::now() + within;
        loop {
            match look().await {
                Ok(found) => return found,
                Err(last) if Instant::now() >= deadline => {
                    panic!("{place}: not within {within:?}: {what}; last seen: {last}")
                }
                Err(_) => sleep(LOOK_AGAIN).await,
            }
        }
    }
}

// === impl Asset ===

impl Asset {
    fn variable(self) -> &'static str {
        match self {
            Self::KubeBin => "LOKA_KUBE_BIN",
            Self::NodeBin => "LOKA_NODE_BIN",
            Self::NodeRoot => "LOKA_NODE_ROOT",
            Self::Otelcol => "LOKA_OTELCOL",
            Self::Fabric => "LOKA_FABRIC",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Fabric => "`cargo xtask test --only node`, or begin with tests/tools/fabric.sh",
            Self::KubeBin | Self::NodeBin | Self::NodeRoot | Self::Otelcol => {
                "`cargo xtask test` sets it, or `eval \"$(cargo xtask tools --print)\"`"
            }
        }
    }

    fn find(self) -> Option<PathBuf> {
        env::var_os(self.variable()).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// # Panics
    /// When it is not there: for those who have asked before.
    fn path(self) -> PathBuf {
        self.find().unwrap_or_else(|| panic!("{} is not set; {}", self.variable(), self.remedy()))
    }
}

/// Whether all of these are there. If not, says so in the way that `cargo xtask test` counts.
#[expect(clippy::print_stdout, reason = "the way that `cargo xtask test` counts")]
fn are_there(assets: &[Asset]) -> bool {
    let missing = assets.iter().find(|asset| asset.find().is_none());
    if let Some(missing) = missing {
        // libtest names the thread of a test after it.
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test on Kubernetes");
        println!("SKIPPED: {test}: {} is not set; {}", missing.variable(), missing.remedy());
    }
    missing.is_none()
}
