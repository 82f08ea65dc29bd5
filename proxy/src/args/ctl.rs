//! The command line of `stratum-proxy ctl`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{ArgGroup, Subcommand};

/// Where the admin API listens if nothing else is said.
pub const ADMIN_API: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9091);

pub(super) const CTL_HELP: &str = "\
Examples:
  stratum-proxy ctl sessions --worker acme.rig7
  stratum-proxy ctl kick 42
  stratum-proxy ctl ban 192.0.2.7 --for 1h
  stratum-proxy ctl pin main backup
  stratum-proxy ctl drain v1
  stratum-proxy ctl log-level debug --for 10m
  kubectl exec POD -- /stratum-proxy ctl status

On the machine of the proxy nothing else is needed. From elsewhere the proxy must have been given
--admin-api with an address that is reached, and --admin-token-file; give the same token here.

Exit codes:
  0  done
  1  the proxy refused it; what and why is said
  2  wrong usage, or the proxy is not reached";

/// Arguments of `ctl`.
#[derive(Clone, Debug, clap::Args)]
pub struct CtlArgs {
    /// The admin API of the proxy
    #[arg(long, value_name = "ADDR", env = "STRATUM_ADMIN_API", global = true)]
    #[arg(default_value_t = ADMIN_API)]
    pub api: SocketAddr,

    /// File of the token that the proxy was given; not needed on its machine
    #[arg(long, value_name = "FILE", env = "STRATUM_ADMIN_TOKEN_FILE", global = true)]
    pub token_file: Option<PathBuf>,

    /// Answer as JSON
    #[arg(long, global = true)]
    pub json: bool,

    /// What to see or to do.
    #[command(subcommand)]
    pub command: CtlCommand,
}

/// What to see or to do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum CtlCommand {
    /// How listeners, routes and pools are
    Status,
    /// Miners that are connected
    Sessions {
        /// Of this listener only
        #[arg(long, value_name = "NAME")]
        listener: Option<String>,
        /// Of this worker only
        #[arg(long, value_name = "NAME")]
        worker: Option<String>,
        /// From this address only
        #[arg(long, value_name = "IP")]
        address: Option<IpAddr>,
        /// Those that came after this one: the next page
        #[arg(long, value_name = "ID")]
        after: Option<u64>,
        /// So many at most, up to 1000 [default: 100]
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// One miner that is connected
    Session {
        /// As `sessions` shows it
        id: u64,
    },
    /// One worker: its connections and its shares on them
    Worker {
        /// As `sessions` shows it
        name: String,
    },
    /// Let a miner go, once its shares in flight are answered; it may come back at once
    #[command(group(ArgGroup::new("whom").args(["id", "worker"]).required(true)))]
    Kick {
        /// As `sessions` shows it
        id: Option<u64>,
        /// All connections of this worker
        #[arg(long, value_name = "NAME")]
        worker: Option<String>,
    },
    /// Refuse an address for a time, and let its miners go
    Ban {
        /// The address; of IPv6, its 64 bits are meant
        address: IpAddr,
        /// How long, such as 10m or 24h
        #[arg(long = "for", value_name = "TIME")]
        lasts: String,
        /// At this listener only
        #[arg(long, value_name = "NAME")]
        listener: Option<String>,
    },
    /// Let an address in again
    Unban {
        /// The address
        address: IpAddr,
    },
    /// Addresses that are refused now
    Bans,
    /// Mine on one pool of a route before all others, until it is unpinned
    Pin {
        /// Name of the route
        route: String,
        /// Name of one of its pools
        pool: String,
    },
    /// Mine on a route's pools as the document says
    Unpin {
        /// Name of the route
        route: String,
    },
    /// Let miners go: those of a listener, or all, and then the proxy ends as by SIGTERM
    #[command(group(ArgGroup::new("what").args(["listener", "all"]).required(true)))]
    Drain {
        /// Name of the listener, which takes no miners until it is resumed
        listener: Option<String>,
        /// The whole proxy
        #[arg(long)]
        all: bool,
    },
    /// Take miners again at a listener that was drained
    Resume {
        /// Name of the listener
        listener: String,
    },
    /// How much is logged; with a level, log so for a time
    LogLevel {
        /// error, warn, info, debug or trace, or directives such as info,loka_proxy=debug
        level: Option<String>,
        /// How long, such as 10m
        #[arg(long = "for", value_name = "TIME", default_value = "10m")]
        lasts: String,
        /// Log as before, now
        #[arg(long, conflicts_with = "level")]
        reset: bool,
    },
}
