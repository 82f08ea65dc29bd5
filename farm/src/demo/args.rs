//! The command line of the demo.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use loka_farm::duration;

/// Miners at most: each is a task and a share of two cores.
const MINERS_MAX: u16 = 2_000;

const EXAMPLES: &str = "\
Examples:
  cargo xtask demo                          two minutes, 20 miners, two pools, one of which dies halfway
  cargo xtask demo --duration 10m --miners 100
  cargo xtask demo --listen 0.0.0.0:3333    a real miner may join: point it at this machine
  cargo xtask demo --pool stratum+tcp://pool.example.com:3333 --user account.worker
  cargo xtask demo --duration 20s --json    the summary as JSON on standard output

It ends with exit code 1 if the proxy's ledger does not equal the pools' and the miners' own counts, if less
than 98 % of the shares that meet their pool's target were credited, or if a miner lost its connection.";

/// A whole farm on this machine: practice pools that judge every share, simulated miners of real firmware that do real
/// SHA-256d work, and the proxy between them.
#[derive(Debug, clap::Parser)]
#[command(name = "loka-demo", version, after_help = EXAMPLES, max_term_width = 110)]
pub(super) struct Args {
    /// Simulated miners; each firmware in turn
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=i64::from(MINERS_MAX)))]
    pub(super) miners: u16,

    /// How long to mine: 90s, 5m
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration::parse)]
    pub(super) duration: Duration,

    /// Print the summary as one JSON object on standard output, progress on standard error
    #[arg(long)]
    pub(super) json: bool,

    /// Mine on this pool instead of the practice pools; nothing is checked or killed then
    #[arg(long, value_name = "URL", requires = "user")]
    pub(super) pool: Option<String>,

    /// Account at --pool, or account.worker
    #[arg(long, value_name = "NAME", requires = "pool")]
    pub(super) user: Option<String>,

    /// Password at --pool
    #[arg(long, value_name = "TEXT", default_value = "x")]
    pub(super) password: String,

    /// Address that miners connect to, so that a real miner may join [default: a free port on loopback]
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<SocketAddr>,

    /// Address of the page [default: a free port on loopback]
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(super) page: SocketAddr,

    /// The stratum-proxy binary
    #[arg(long, value_name = "PATH", default_value = "target/debug/stratum-proxy")]
    pub(super) proxy: PathBuf,

    /// Directory of the documents to run
    #[arg(long, value_name = "DIR", default_value = "deploy/samples")]
    pub(super) samples: PathBuf,
}

/// Where the work goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pools {
    /// Two embedded pools, of which the first dies halfway.
    Practice,
    /// The same, and their difficulty follows whoever joins.
    Adapting,
    /// Somebody else's pool.
    Real,
}

// === impl Args ===

impl Args {
    pub(super) fn pools(&self) -> Pools {
        match (&self.pool, &self.listen) {
            (Some(_), _) => Pools::Real,
            (None, Some(_)) => Pools::Adapting,
            (None, None) => Pools::Practice,
        }
    }
}
