//! Events of the proxy itself: its listeners, its configuration, its end.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tracing::{error, info, warn};

use super::super::audit::ConfigChange;
use super::super::reasons::{ConfigResult, DrainCause};
use super::super::{Metrics, TraceRef};
use super::AUDIT;
use super::seconds;

/// Something happened to the proxy itself.
pub enum ProcessEvent<'a> {
    /// An allow-list cannot be read or is invalid; the last good one holds.
    AllowListRefused { path: &'a Path, problems: &'a [String] },
    /// An allow-list holds from now on.
    AllowListTaken { path: &'a Path, pools: usize },
    /// Miners that look at it will refuse the certificate: it ended at this Unix time.
    CertificateEnded { listener: &'a str, not_after: u64 },
    /// A listener's certificate and key cannot be served, although they were checked: a defect, to be reported. The port
    /// is shut, since it must not speak in the clear.
    CertificateUnusable { listener: &'a str, error: &'a dyn Display },
    /// A configuration is in use, `after` it began to be read.
    ConfigApplied {
        name: &'a str,
        hash: &'a str,
        sequence: Option<u64>,
        change: &'a ConfigChange,
        origin: &'a str,
        after: Duration,
        trace: TraceRef,
    },
    /// A configuration is invalid; the last good one stays.
    ConfigRefused { origin: &'a str, problems: &'a [String], trace: TraceRef },
    /// A snapshot of another name has the content that is in use already.
    ConfigAdopted { hash: &'a str, sequence: Option<u64>, origin: &'a str },
    /// A snapshot runs, and could not be kept for the next start.
    ConfigNotKept { path: &'a Path, error: &'a io::Error },
    /// Every miner left, or the time is up.
    Drained { after: Duration, miners_left: usize },
    /// The proxy lets its miners go and stops within `timeout`.
    Draining { cause: DrainCause, miners: usize, timeout: Duration },
    /// A listener accepts miners.
    ListenerBound { listener: &'a str, address: SocketAddr },
    /// A listener no longer accepts miners.
    ListenerClosed { listener: &'a str, address: SocketAddr, miners: usize },
    /// A listener could not be opened.
    ListenerFailed { listener: &'a str, address: SocketAddr, error: &'a io::Error },
    /// The stream to the operator is up.
    StreamOpened { address: &'a str },
    /// It was lost, or could not be had.
    StreamLost { address: &'a str, error: &'a str, retry_in: Duration },
}

// === impl ProcessEvent ===

impl ProcessEvent<'_> {
    pub(super) fn observe(&self, metrics: &Metrics) {
        match *self {
            Self::AllowListRefused { path, problems } => {
                allow_list_refused(path, problems);
            }
            Self::AllowListTaken { path, pools } => {
                info!(target: AUDIT, path = %path.display(), pools, "allow-list holds");
            }
            Self::CertificateEnded { listener, not_after } => {
                warn!(listener, not_after, remedy = RENEW, "the listener's certificate has ended");
            }
            Self::CertificateUnusable { listener, error } => {
                error!(listener, %error, "certificate cannot be served: the listener takes no miners");
            }
            Self::ConfigApplied { name, hash, sequence: _, change: _, origin, after, trace } => {
                metrics.config_apply.inc([ConfigResult::Applied.label()]);
                let _in_trace = trace.enter();
                let after_seconds = seconds(after);
                info!(name, hash, origin, after_seconds, "configuration applied");
            }
            Self::ConfigRefused { origin, problems, trace } => {
                metrics.config_apply.inc([ConfigResult::Refused.label()]);
                let _in_trace = trace.enter();
                config_refused(origin, problems);
            }
            Self::ConfigAdopted { hash, sequence, origin } => {
                info!(
                    hash,
                    sequence, origin, "configuration in use already: its new name is taken over"
                );
            }
            Self::ConfigNotKept { path, error } => not_kept(path, error),
            Self::Drained { after, miners_left } if miners_left > 0 => {
                let after_seconds = seconds(after);
                let remedy = "raise spec.drain.timeout if these miners should have had more time";
                warn!(after_seconds, miners_left, remedy, "drain timed out");
            }
            Self::Drained { after, miners_left: _ } => {
                info!(after_seconds = seconds(after), "drained");
            }
            Self::Draining { cause, miners, timeout } => {
                let timeout_seconds = seconds(timeout);
                info!(%cause, miners, timeout_seconds, "draining: a second signal stops at once");
            }
            Self::ListenerBound { listener, address } => {
                info!(listener, %address, "listening for miners");
            }
            Self::ListenerClosed { listener, address, miners } => {
                info!(listener, %address, miners, "listener closed");
            }
            Self::ListenerFailed { listener, address, error } => {
                metrics.listener_failures.inc([listener]);
                let remedy = listen_remedy(error);
                error!(listener, %address, %error, remedy, "cannot listen for miners");
            }
            Self::StreamOpened { address } => {
                info!(address, "the operator's stream is up");
            }
            Self::StreamLost { address, error, retry_in } => {
                let retry = seconds(retry_in);
                warn!(
                    address,
                    error,
                    retry_in_seconds = retry,
                    "no stream to the operator: what runs, runs on"
                );
            }
        }
    }
}

const RENEW: &str =
    "renew what spec.listeners[].tls.secretRef names; it is taken up without a restart";

/// One line each, so that none is lost to a collector's limit on the length of a line.
fn config_refused(origin: &str, problems: &[String]) {
    for problem in problems {
        error!(origin, problem, "configuration refused: the last good one stays");
    }
}

fn allow_list_refused(path: &Path, problems: &[String]) {
    for problem in problems {
        error!(
            target: AUDIT, path = %path.display(), problem,
            "allow-list refused: the last good one holds"
        );
    }
}

fn not_kept(path: &Path, error: &io::Error) {
    let remedy = "give --state a directory that can be written to; until then a restart begins from the mounted snapshot";
    warn!(path = %path.display(), %error, remedy, "cannot keep the last known good configuration");
}

/// What to do about an address that cannot be listened on.
pub(crate) fn listen_remedy(error: &io::Error) -> &'static str {
    loka_ops::admin::listen_remedy(error, "give --bind an address that this machine has")
}
