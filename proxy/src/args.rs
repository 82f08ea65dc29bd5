//! The command line. It owns words and defaults; what they do is done elsewhere.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{ArgGroup, Parser, Subcommand, ValueEnum};
use loka_api::runtime_config::SCHEMA;
use loka_ops::environment::Environment;
use loka_ops::log::{LogFormat, LogSettings};
use tokio_rustls::rustls::pki_types::ServerName;

use crate::audit::{AuditSettings, AuditTo};
use crate::config::Inputs;
use crate::room::{self, RoomLimits};

pub mod ctl;

pub use self::ctl::{ADMIN_API, CtlArgs, CtlCommand};

/// Lines of these texts are not wrapped again below this width.
const HELP_WIDTH: usize = 100;

const EXAMPLES: &str = "\
Examples:
  stratum-proxy check -f farm.yaml
      Say what the document means, or what is wrong with it.

  stratum-proxy run -f farm.yaml
      Run it. A changed file is applied; no miner is disconnected that need not be.

  STRATUM_SECRET_POOL_A_PASSWORD=x stratum-proxy run -f proxy.yaml -f pools/
      The same from several files. The environment gives the key `password` of the Secret `pool-a`.

  stratum-proxy run --snapshot /etc/stratum/snapshot --state /var/lib/stratum
      As a pod of the operator, which gives these flags, and more, itself.

  curl -s localhost:9090/status; curl -s localhost:9090/metrics
      Look at a running proxy.

  stratum-proxy ctl sessions; stratum-proxy ctl kick 42
      Look at its miners, and act.

Signals:
  SIGTERM, SIGINT  drain and stop; a second one stops at once
  SIGHUP           read the files now instead of within a second

Exit codes:
  0  done: the documents are valid, or the proxy stopped as asked
  1  the documents are invalid, or the proxy could not run
  2  wrong usage, or a file cannot be read
  3  stopped by a second signal, before the drain was over";

const SECRETS_HELP: &str = "\
Secrets are looked for in this order, and the first place that has the key wins:
  1. the environment: STRATUM_SECRET_<SECRET>_<KEY>, in upper case,
     with _ for whatever is neither letter nor digit
  2. --secrets-dir: DIR/<secret>/<key>, as Kubernetes mounts them
  3. documents of kind Secret among the files";

const HASH_HELP: &str = "\
The password is one line of standard input. What is printed stands behind a worker's name, or a
pattern of names, on a line of the Secret that spec.listeners[].authentication.list refers to:

  stratum-proxy hash-password < password.txt
      prints $pbkdf2-sha256$i=100000,l=32$...$..., for a line such as
      acme-mining.* $pbkdf2-sha256$i=100000,l=32$...$...";

const RUN_HELP: &str = "\
Secrets are looked for in this order, and the first place that has the key wins:
  1. the environment: STRATUM_SECRET_<SECRET>_<KEY>, in upper case,
     with _ for whatever is neither letter nor digit
  2. --secrets-dir: DIR/<secret>/<key>, as Kubernetes mounts them
  3. documents of kind Secret among the files

With --snapshot the process starts from the newest valid one of DIR/snapshot.json and the last
known good one of --state, and stays up while there is none: /readyz says why. It then follows the
file, and the operator's stream if --control is given. It never needs the operator to mine.

Traces go out over OTLP/gRPC if OTEL_EXPORTER_OTLP_ENDPOINT is set (http://HOST:4317). Heeded are:
  OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER,
  OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, OTEL_EXPORTER_OTLP_HEADERS, OTEL_BSP_*
Without a sampler, spec.observability.tracing.samplingRatio of the document counts, and without
that, 1 % of connections and shares are kept. Refused and slow shares always are.";

/// Stratum mining proxy: many miners over few pool connections, with failover that no miner
/// notices.
///
/// It takes the same StratumProxy and StratumPool documents as a cluster does.
#[derive(Debug, Parser)]
#[command(name = "stratum-proxy", version, after_help = EXAMPLES, max_term_width = HELP_WIDTH)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy that the documents describe
    #[command(after_help = RUN_HELP)]
    Run(Box<RunArgs>),
    /// Say what the documents mean, or everything that is wrong with them
    #[command(after_help = SECRETS_HELP)]
    Check(CheckArgs),
    /// Make the hash of a password, for an entry of a listener's list of logins
    #[command(after_help = HASH_HELP)]
    HashPassword(HashArgs),
    /// See a running proxy's miners, and act on it by hand
    #[command(after_help = ctl::CTL_HELP)]
    Ctl(CtlArgs),
    /// Print the version
    Version,
    /// Print a generated document
    #[command(hide = true)]
    Docs {
        /// Which one.
        document: Document,
    },
}

/// Documents that are generated from the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// `docs/metrics.md`.
    Metrics,
}

/// Where the documents are.
#[derive(Clone, Debug, clap::Args)]
pub struct InputArgs {
    /// File of YAML or JSON documents, or directory of such files; may be given several times
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Directory of Secrets, as `DIR/<secret>/<key>`
    #[arg(long, value_name = "DIR", env = "STRATUM_SECRETS_DIR")]
    pub secrets_dir: Option<PathBuf>,

    /// The StratumProxy to take, if the documents hold several
    #[arg(long, value_name = "NAME", env = "STRATUM_PROXY_NAME")]
    pub proxy: Option<String>,
}

/// How the configuration reaches a pod of the operator.
#[derive(Clone, Debug, clap::Args)]
pub struct SnapshotArgs {
    /// Directory that the operator's snapshot is mounted at; instead of documents
    #[arg(long, value_name = "DIR", env = "STRATUM_SNAPSHOT_DIR", requires = "state")]
    #[arg(conflicts_with_all = ["secrets_dir", "proxy"])]
    pub snapshot: Option<PathBuf>,

    /// The operator's control stream; without it only the mounted snapshot is followed
    #[arg(long, value_name = "HOST:PORT", env = "STRATUM_CONTROL")]
    #[arg(requires_all = ["snapshot", "control_ca", "control_token"])]
    pub control: Option<ControlAddress>,

    /// Certificates that the operator's is checked against (PEM); read anew at each connection
    #[arg(long, value_name = "FILE", env = "STRATUM_CONTROL_CA", requires = "control")]
    pub control_ca: Option<PathBuf>,

    /// Token that proves which pod this is; read anew at each connection
    #[arg(long, value_name = "FILE", env = "STRATUM_CONTROL_TOKEN", requires = "control")]
    pub control_token: Option<PathBuf>,

    /// Name that the operator's certificate must have [default: the host of --control]
    #[arg(long, value_name = "NAME", env = "STRATUM_CONTROL_NAME", requires = "control")]
    #[arg(value_parser = server_name)]
    pub control_name: Option<String>,

    /// Understand snapshots up to this schema only, as an older version would
    #[arg(long, value_name = "N", env = "STRATUM_SCHEMA_MAX", hide = true)]
    #[arg(default_value_t = SCHEMA, value_parser = clap::value_parser!(u32).range(..=i64::from(SCHEMA)))]
    pub schema_max: u32,
}

/// What may be mined on, whatever the documents say.
#[derive(Clone, Debug, clap::Args)]
pub struct LimitArgs {
    /// List of the pools and accounts that may be mined to; all else is refused [default: none is]
    #[arg(long, value_name = "FILE", env = "STRATUM_ALLOW_LIST")]
    pub allow_list: Option<PathBuf>,
}

/// What is written of who did what.
#[derive(Clone, Debug, clap::Args)]
pub struct AuditArgs {
    /// Audit log, as lines of JSON: a file, `-` for standard output, or `off`. Logins, refusals, bans,
    /// changes of the configuration and who is paid by them, pools' redirections, blocks
    #[arg(long, value_name = "FILE", env = "STRATUM_AUDIT", default_value = "off")]
    pub audit: String,

    /// Size at which the audit log's file is begun anew; the former one becomes FILE.1
    #[arg(long, value_name = "BYTES", env = "STRATUM_AUDIT_MAX_BYTES", default_value_t = 64 << 20)]
    #[arg(value_parser = clap::value_parser!(u64).range(4096..))]
    pub audit_max_bytes: u64,

    /// Former files of the audit log that are kept
    #[arg(long, value_name = "N", env = "STRATUM_AUDIT_FILES", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub audit_files: u32,
}

/// How much memory the process may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryBudget {
    /// What its control group says.
    Auto,
    /// So many bytes.
    Bytes(u64),
    /// No budget.
    Off,
}

/// Host and port, as `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlAddress {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Arguments of `run`.
#[derive(Clone, Debug, clap::Args)]
#[command(group(ArgGroup::new("source").args(["files", "snapshot"]).required(true)))]
pub struct RunArgs {
    /// Where the documents are.
    #[command(flatten)]
    pub input: InputArgs,

    /// Where they are in a pod.
    #[command(flatten)]
    pub pod: SnapshotArgs,

    /// What may be mined on.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Directory for what the next start goes on from, of this process alone: the ledger, and the
    /// last known good snapshot, which holds passwords [default: the ledger begins anew]
    #[arg(long, value_name = "DIR", env = "STRATUM_STATE_DIR")]
    pub state: Option<PathBuf>,

    /// What is written of who did what.
    #[command(flatten)]
    pub audit: AuditArgs,

    /// Address of /livez, /readyz, /metrics, /ledger and /status; port 0 takes a free one
    #[arg(long, value_name = "ADDR", env = "STRATUM_ADMIN")]
    #[arg(default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)))]
    pub admin: SocketAddr,

    /// Address of the admin API, which shows miners and acts (stratum-proxy ctl)
    /// [default: 127.0.0.1:9091, if that is free]
    #[arg(long, value_name = "ADDR", env = "STRATUM_ADMIN_API")]
    pub admin_api: Option<SocketAddr>,

    /// File of the token, 16 characters or more, that lets in to the admin API from elsewhere than
    /// loopback; read at each use [default: nobody is let in from elsewhere]
    #[arg(long, value_name = "FILE", env = "STRATUM_ADMIN_TOKEN_FILE")]
    pub admin_token_file: Option<PathBuf>,

    /// Address that listeners listen on; their ports are in the document
    #[arg(long, value_name = "IP", env = "STRATUM_BIND")]
    #[arg(default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    pub bind: IpAddr,

    /// Form of log lines, which go to standard error [default: human on a terminal, else json]
    #[arg(long, value_name = "FORMAT", env = "STRATUM_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Level, or directives such as info,loka_proxy=debug; wins over the document [default: info]
    #[arg(long, value_name = "LEVEL", env = "STRATUM_LOG_LEVEL")]
    pub log_level: Option<String>,

    /// Memory that the process may have, in bytes; near it new miners are refused. `auto`: nine tenths
    /// of the limit of its control group (version 2), if it has one; `off`: as much as there is
    #[arg(long, value_name = "BYTES", env = "STRATUM_MEMORY_BUDGET", default_value = "auto")]
    #[arg(value_parser = memory_budget)]
    pub memory_budget: MemoryBudget,

    /// Threads that miners are served on [default: one per core]
    #[arg(long, value_name = "N", env = "STRATUM_THREADS")]
    pub threads: Option<NonZeroUsize>,
}

/// Arguments of `check`.
#[derive(Clone, Debug, clap::Args)]
#[command(group(ArgGroup::new("source").args(["files"]).required(true)))]
pub struct CheckArgs {
    /// Where the documents are.
    #[command(flatten)]
    pub input: InputArgs,

    /// What may be mined on.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Form of the answer
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

/// Arguments of `hash-password`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct HashArgs {
    /// Rounds of PBKDF2: each login of a new name costs as many
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1000..=1_000_000))]
    pub iterations: u32,
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Tables.
    Text,
    /// One JSON object.
    Json,
}

/// How the process ends; the numbers are promised in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done as asked.
    Done = 0,
    /// The documents are invalid, or the proxy could not run.
    Failed = 1,
    /// Wrong usage, or a file cannot be read. Also clap's own.
    Usage = 2,
    /// Stopped before the drain was over.
    CutShort = 3,
}

// === impl InputArgs ===

impl From<InputArgs> for Inputs {
    fn from(args: InputArgs) -> Self {
        let InputArgs { files, secrets_dir, proxy } = args;
        Self { files, secrets_dir, proxy }
    }
}

// === impl AuditArgs ===

impl AuditArgs {
    /// How the audit log is kept, by the pod of this environment.
    pub fn settings(&self, environment: &Environment) -> AuditSettings {
        let Self { audit, audit_max_bytes, audit_files } = self;
        let to = match audit.as_str() {
            "off" | "" => AuditTo::Off,
            "-" => AuditTo::Stdout,
            path => AuditTo::File(path.into()),
        };
        let pod = environment.string("POD_NAME").or_else(|| environment.string("HOSTNAME"));
        let pod = pod.map(str::to_owned);
        AuditSettings { to, bytes_max: *audit_max_bytes, files: *audit_files, pod }
    }
}

// === impl ControlAddress ===

impl FromStr for ControlAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const REMEDY: &str = "write HOST:PORT, such as stratum-operator.stratum.svc:8443";
        let (host, port) = text.rsplit_once(':').ok_or(REMEDY)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(REMEDY)?;
        // The certificate is checked against it unless another name is given.
        server_name(bare).map_err(|_| REMEDY)?;
        Ok(Self { host: bare.to_owned(), port })
    }
}

fn memory_budget(text: &str) -> Result<MemoryBudget, String> {
    // Less than this no proxy can do with: a typing error, such as a number of MiB.
    const LEAST: u64 = 16 << 20;
    match text {
        "auto" => Ok(MemoryBudget::Auto),
        "off" => Ok(MemoryBudget::Off),
        number => match number.parse() {
            Ok(bytes) if bytes >= LEAST => Ok(MemoryBudget::Bytes(bytes)),
            Ok(_) | Err(_) => Err(format!(
                "give auto, off, or a number of bytes from {LEAST} on, such as 536870912"
            )),
        },
    }
}

/// What can stand in a certificate.
fn server_name(text: &str) -> Result<String, &'static str> {
    let name = ServerName::try_from(text.to_owned());
    name.map(|_| text.to_owned())
        .map_err(|_| "give a host name, such as stratum-operator.stratum.svc, or an address")
}

// === impl RunArgs ===

impl RunArgs {
    /// How much room there is. Blocking.
    pub fn room(&self) -> RoomLimits {
        RoomLimits {
            memory: match self.memory_budget {
                MemoryBudget::Auto => room::budget(),
                MemoryBudget::Bytes(bytes) => Some(bytes),
                MemoryBudget::Off => None,
            },
        }
    }

    /// How to log.
    pub fn log(&self) -> LogSettings {
        LogSettings { format: self.log_format, filter: self.log_level.clone() }
    }
}

// === impl Exit ===

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests;
