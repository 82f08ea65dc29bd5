//! The command line of `loka-practice`.

use std::net::SocketAddr;
use std::time::Duration;

use loka_farm::duration;

/// Miners at most: each is a task and a share of the machine.
const MINERS_MAX: u16 = 2_000;

const EXAMPLES: &str = "\
Examples:
  loka-practice pool --listen 0.0.0.0:3333 --page 0.0.0.0:8080
  loka-practice mine --url farm.example.com:3333 --miners 300
  loka-practice mine --url farm.example.com:3333 --until-accepted 1 --for 2m

`pool` prints its counts whenever they changed, and once more at the end. `mine` ends with exit code 1 if
--until-accepted was not reached.";

/// A practice pool that hands out real jobs and judges every share, or practice miners of real firmware that do real
/// SHA-256d work.
#[derive(Debug, clap::Parser)]
#[command(name = "loka-practice", version, after_help = EXAMPLES, max_term_width = 110)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Which end of the farm.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// A pool that judges every share, until SIGTERM or SIGINT
    Pool(PoolArgs),
    /// Miners at an address, until SIGTERM or SIGINT or what the options say
    Mine(MineArgs),
}

/// Of the pool.
#[derive(Debug, clap::Args)]
pub(super) struct PoolArgs {
    /// Where miners and proxies connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3333")]
    pub(super) listen: SocketAddr,

    /// Serve the counts as JSON over HTTP, at any path
    #[arg(long, value_name = "ADDR")]
    pub(super) page: Option<SocketAddr>,

    /// Name of the pool: in the coinbase and in the counts
    #[arg(long, value_name = "NAME", default_value = "practice")]
    pub(super) name: String,

    /// Difficulty of every share; 0.00001 is about 43,000 hashes
    #[arg(long, value_name = "NUMBER", default_value = "0.00001")]
    pub(super) difficulty: String,

    /// Least time between two lines of counts
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration::parse)]
    pub(super) interval: Duration,
}

/// Of the miners.
#[derive(Debug, clap::Args)]
pub(super) struct MineArgs {
    /// What they are pointed at: HOST:PORT, with or without stratum+tcp://
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) url: String,

    /// How many, each firmware in turn
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=i64::from(MINERS_MAX)))]
    pub(super) miners: u16,

    /// Hashes a second of each
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(super) rate: u64,

    /// The workers are called NAME.FIRMWARE and a number
    #[arg(long, value_name = "NAME", default_value = "practice")]
    pub(super) account: String,

    /// How long to mine: 90s, 5m [default: until a signal]
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    pub(super) duration: Option<Duration>,

    /// End well as soon as this many shares were accepted, and badly otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) until_accepted: Option<u64>,

    /// Least time between two lines of counts
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration::parse)]
    pub(super) interval: Duration,
}
