//! The command line. It owns words, defaults and the form of values; what they do is done elsewhere.

mod values;

pub use values::{
    CollectorUrl, ImageName, LeaseDuration, ObjectName, OperatorName, PodIp, ValueError, Watched,
};

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use loka_ops::log::{LogFormat, LogSettings};

use self::values::NamespaceList;

/// Lines of these texts are not wrapped again below this width.
const HELP_WIDTH: usize = 100;

const EXAMPLES: &str = "\
Examples:
  stratum-operator run
      In a pod of the chart, whose environment gives everything.

  stratum-operator run --namespace default --pod-name here --pod-ip 127.0.0.1 \\
      --proxy-image registry.example/stratum-proxy:0.1.0
      On this machine, against the cluster of the current kubeconfig.

  curl -s localhost:9090/readyz; curl -s localhost:9090/metrics
      Look at a running operator.

Signals:
  SIGTERM, SIGINT  end the streams, give the Lease up, and stop; a second one stops at once

Exit codes:
  0  stopped as asked
  1  the operator could not run, or lost the Lease while it led; start it again
  2  wrong usage
  3  stopped by a second signal";

const RUN_HELP: &str = "\
Replicas of one operator elect a leader by a Lease of the operator's name. The leader alone writes
and serves configurations; the others keep their caches warm and send proxies on to it.

Traces go out over OTLP/gRPC if OTEL_EXPORTER_OTLP_ENDPOINT is set (http://HOST:4317). Heeded are:
  OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER,
  OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, OTEL_EXPORTER_OTLP_HEADERS, OTEL_BSP_*
Without a sampler every reconcile is kept.";

/// Operator of Loka Stratum: runs the proxies that StratumProxy resources describe, and pushes
/// their configurations to them without a restart.
#[derive(Debug, Parser)]
#[command(name = "stratum-operator", version, after_help = EXAMPLES, max_term_width = HELP_WIDTH)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator
    #[command(after_help = RUN_HELP)]
    Run(Box<RunArgs>),
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
    /// `docs/operator-metrics.md`.
    Metrics,
}

/// Arguments of `run`.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// Namespace of the operator: of its Service, its Lease and its certificates
    #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE")]
    pub namespace: ObjectName,

    /// Name of this pod, unique among the replicas
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    pub pod_name: ObjectName,

    /// Address of this pod, under which proxies reach its control stream
    #[arg(long, value_name = "IP", env = "POD_IP")]
    pub pod_ip: PodIp,

    /// Name of the operator: of its Service, and of the Lease that its replicas compete for
    #[arg(long, value_name = "NAME", env = "STRATUM_OPERATOR_NAME")]
    #[arg(default_value = "stratum-operator")]
    pub name: OperatorName,

    /// Namespace to look after; several by commas, or give it several times [default: all]
    #[arg(long = "watch-namespace", value_name = "NAMESPACE")]
    #[arg(env = "STRATUM_OPERATOR_WATCH_NAMESPACE")]
    watch_namespaces: Vec<NamespaceList>,

    /// Address of the control stream, which proxies connect to
    #[arg(long, value_name = "ADDR", env = "STRATUM_OPERATOR_CONTROL")]
    #[arg(default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8443)))]
    pub control: SocketAddr,

    /// Address of /livez, /readyz and /metrics; port 0 takes a free one
    #[arg(long, value_name = "ADDR", env = "STRATUM_OPERATOR_ADMIN")]
    #[arg(default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9090)))]
    pub admin: SocketAddr,

    /// Image that proxies run, unless their StratumProxy names one
    #[arg(long, value_name = "IMAGE", env = "STRATUM_OPERATOR_PROXY_IMAGE")]
    pub proxy_image: ImageName,

    /// When nodes pull that image
    #[arg(long, value_name = "POLICY", env = "STRATUM_OPERATOR_PROXY_IMAGE_PULL_POLICY")]
    #[arg(default_value = "IfNotPresent")]
    pub proxy_image_pull_policy: PullPolicy,

    /// OTLP/gRPC endpoint that proxies send their traces to [default: no traces]
    #[arg(long, value_name = "URL", env = "STRATUM_OPERATOR_PROXY_OTLP_ENDPOINT")]
    pub proxy_otlp_endpoint: Option<CollectorUrl>,

    /// ConfigMap with the allow-list of pools and accounts, in the namespace of each StratumProxy
    #[arg(long, value_name = "NAME", env = "STRATUM_OPERATOR_PROXY_ALLOW_LIST")]
    pub proxy_allow_list: Option<ObjectName>,

    /// How long a leader that is silent keeps the Lease: 5s to 5m, the same for all replicas
    #[arg(long, value_name = "DURATION", env = "STRATUM_OPERATOR_LEASE_DURATION")]
    #[arg(default_value = "15s")]
    pub lease_duration: LeaseDuration,

    /// Form of log lines, which go to standard error [default: human on a terminal, else json]
    #[arg(long, value_name = "FORMAT", env = "STRATUM_OPERATOR_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Level, or directives such as info,loka_operator=debug [default: info]
    #[arg(long, value_name = "LEVEL", env = "STRATUM_OPERATOR_LOG_LEVEL")]
    pub log_level: Option<String>,
}

/// When a node pulls an image, in the words of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    /// Before each start.
    Always,
    /// When the node does not have it.
    IfNotPresent,
    /// Not at all: it must be there.
    Never,
}

/// How the process ends; the numbers are promised in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Stopped as asked.
    Done = 0,
    /// The operator could not run, or lost the Lease.
    Failed = 1,
    /// Wrong usage. Also clap's own.
    Usage = 2,
    /// Stopped by a second signal.
    CutShort = 3,
}

// === impl RunArgs ===

impl RunArgs {
    /// How to log.
    pub fn log(&self) -> LogSettings {
        LogSettings { format: self.log_format, filter: self.log_level.clone() }
    }

    /// The namespaces to look after.
    pub fn watched(&self) -> Watched {
        Watched::from_iter(self.watch_namespaces.iter().flat_map(NamespaceList::names))
    }
}

// === impl PullPolicy ===

impl PullPolicy {
    /// As `imagePullPolicy` spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
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
