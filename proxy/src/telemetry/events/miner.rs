//! Events of miners' connections.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use loka_ops::said::Said;
use tracing::{debug, info, trace, warn};

use super::super::blame::Finding;
use super::super::reasons::{
    CloseReason, HookAnswer, LoginRefusal, Offence, RefuseReason, TlsFailure,
};
use super::super::{Metrics, TraceRef};
use super::{AUDIT, seconds};

/// Something happened to a miner's connection.
pub enum MinerEvent<'a> {
    /// The operating system did not let us accept a connection.
    AcceptFailed { listener: &'a str, error: &'a io::Error },
    /// The peer's address has done too often what no miner does, and is refused for so long.
    Banned { listener: &'a str, peer: SocketAddr, offence: Offence, lasts: Duration },
    /// A share meets the network's target. The ledger counts it.
    BlockFound {
        listener: &'a str,
        route: &'a str,
        pool: &'a str,
        worker: &'a str,
        hash: &'a dyn Display,
    },
    /// The session ended; `after` is how long it lasted.
    Closed {
        listener: &'a str,
        peer: SocketAddr,
        reason: CloseReason,
        after: Duration,
        trace: TraceRef,
    },
    /// The pool's coinbase is longer than the miner's software can hold, as far as is known; said once per miner.
    CoinbaseTooLong { listener: &'a str, peer: SocketAddr, class: &'a str, len: usize, max: usize },
    /// A connection was accepted.
    Connected { listener: &'a str, peer: SocketAddr },
    /// The difficulty asked of the miner changed.
    DifficultyChanged { listener: &'a str, peer: SocketAddr, difficulty: &'a dyn Display },
    /// The miner is subscribed and authorized; `after` counts from its connection.
    HandshakeDone {
        listener: &'a str,
        peer: SocketAddr,
        worker: &'a str,
        user_agent: &'a str,
        after: Duration,
        trace: TraceRef,
    },
    /// A listener's web hook was asked for a login; `detail` is why it failed.
    HookAsked { listener: &'a str, result: HookAnswer, detail: Option<&'a dyn Display> },
    /// A job was written to one miner, `after` it was read from the pool.
    JobDelivered { after: Duration },
    /// The miner may mine under this name.
    LoggedIn { listener: &'a str, peer: SocketAddr, worker: &'a str },
    /// The miner may not mine under this name.
    LoginRefused { listener: &'a str, peer: SocketAddr, worker: &'a str, reason: LoginRefusal },
    /// The miner sent something that is not Stratum; it was told what and why.
    Malformed { listener: &'a str, peer: SocketAddr, what: &'a str },
    /// The connection did not become a session.
    Refused { listener: &'a str, peer: SocketAddr, reason: RefuseReason },
    /// The miner was told another extranonce, since a pool leaves no room for the one that it had.
    Renumbered { listener: &'a str, peer: SocketAddr },
    /// The miner came back and has its former session again.
    Resumed { listener: &'a str, peer: SocketAddr },
    /// A share was refused. The ledger counts it; this is only for those who search the log.
    ShareRefused {
        listener: &'a str,
        peer: SocketAddr,
        worker: &'a str,
        reason: &'static str,
        trace: TraceRef,
    },
    /// The connection never came to Stratum; `detail` is what TLS says of it.
    TlsFailed { listener: &'a str, peer: SocketAddr, reason: TlsFailure, detail: &'a str },
}

// === impl MinerEvent ===

impl MinerEvent<'_> {
    pub(super) fn observe(&self, metrics: &Metrics) {
        match *self {
            Self::AcceptFailed { listener, error } => accept_failed(metrics, listener, error),
            Self::Banned { listener, peer, offence, lasts } => {
                banned(metrics, (listener, peer), offence, lasts);
            }
            Self::BlockFound { listener, route, pool, worker, hash } => {
                block_found(metrics, (listener, route, pool), worker, hash);
            }
            Self::Closed { listener, peer, reason, after, trace } => {
                metrics.miner_closed.inc([listener, reason.label()]);
                let _in_trace = trace.enter();
                closed(metrics, (listener, peer), reason, after);
            }
            Self::CoinbaseTooLong { listener, peer, class, len, max } => {
                coinbase_too_long(metrics, (listener, peer), class, (len, max));
            }
            Self::Connected { listener, peer } => {
                metrics.miner_connections.inc([listener]);
                debug!(listener, %peer, "miner connected");
            }
            Self::DifficultyChanged { listener, peer, difficulty } => {
                metrics.miner_difficulty_changes.inc([listener]);
                debug!(listener, %peer, %difficulty, "difficulty changed");
            }
            Self::HandshakeDone { listener, peer, worker, user_agent, after, trace } => {
                metrics.miner_handshake.observe([listener], after);
                let (worker, user_agent) = (Said(worker), Said(user_agent));
                let _in_trace = trace.enter();
                info!(listener, %peer, %worker, %user_agent, "miner subscribed and authorized");
            }
            Self::HookAsked { listener, result, detail } => {
                hook_asked(metrics, listener, result, detail)
            }
            Self::JobDelivered { after } => {
                metrics.job_delivery.observe(after.as_secs_f64());
                trace!(after_seconds = seconds(after), "job delivered");
            }
            Self::LoggedIn { listener, peer, worker } => {
                metrics.miner_logins.inc([listener]);
                debug!(target: AUDIT, listener, %peer, worker = %Said(worker), "worker logged in");
            }
            Self::LoginRefused { listener, peer, worker, reason } => {
                login_refused(metrics, (listener, peer), worker, reason);
            }
            Self::Malformed { listener, peer, what } => malformed(metrics, listener, peer, what),
            Self::Refused { listener, peer, reason } => refused(metrics, (listener, peer), reason),
            Self::Renumbered { listener, peer } => {
                metrics.miner_renumbered.inc([listener]);
                debug!(listener, %peer, "miner was told another extranonce");
            }
            Self::Resumed { listener, peer } => {
                metrics.miner_resumed.inc([listener]);
                debug!(listener, %peer, "miner has its session back");
            }
            Self::ShareRefused { listener, peer, worker, reason, trace } => {
                let _in_trace = trace.enter();
                debug!(listener, %peer, worker = %Said(worker), reason, "share refused");
            }
            Self::TlsFailed { listener, peer, reason: TlsFailure::Disconnected, detail } => {
                metrics.miner_tls_failed.inc([listener, TlsFailure::Disconnected.label()]);
                // Whoever looks whether the port is open does just this, every few seconds.
                debug!(listener, %peer, detail = %Said(detail), "gone before TLS");
            }
            Self::TlsFailed { listener, peer, reason, detail } => {
                tls_failed(metrics, (listener, peer), reason, detail);
            }
        }
    }
}

fn malformed(metrics: &Metrics, listener: &str, peer: SocketAddr, what: &str) {
    metrics.miner_malformed.inc([listener]);
    if let Some(unlogged) = metrics.miner_log.admit() {
        let what = Said(what);
        warn!(listener, %peer, %what, unlogged, "miner sent something that is not Stratum");
    }
}

fn accept_failed(metrics: &Metrics, listener: &str, error: &io::Error) {
    metrics.miner_accept_failures.inc([listener]);
    if let Some(unlogged) = metrics.miner_log.admit() {
        let remedy = refusal_remedy(RefuseReason::AcceptFailed);
        warn!(listener, %error, unlogged, remedy, "cannot accept a miner");
    }
}

/// Once for each ban; whom it keeps out is not logged again.
fn banned(
    metrics: &Metrics,
    (listener, peer): (&str, SocketAddr),
    reason: Offence,
    lasts: Duration,
) {
    metrics.miner_bans.inc([listener, reason.label()]);
    if let Some(unlogged) = metrics.miner_log.admit() {
        let (address, for_seconds) = (peer.ip(), seconds(lasts));
        let remedy = BAN_REMEDY;
        warn!(target: AUDIT, listener, %address, %reason, for_seconds, unlogged, remedy, "address banned");
    }
}

/// What to do about a ban that hits the wrong ones.
const BAN_REMEDY: &str = "if miners of yours come from there, put the address into spec.listeners[].limits.exempt, or \
                          raise limits.ban.after";

/// With what to do where somebody has the wrong port: strangers can cause that at will, so such lines are rationed.
fn closed(
    metrics: &Metrics,
    (listener, peer): (&str, SocketAddr),
    reason: CloseReason,
    after: Duration,
) {
    let (after_seconds, Finding { blame, action }) = (seconds(after), reason.finding());
    let Some(remedy) = close_remedy(reason) else {
        info!(listener, %peer, %reason, %blame, %action, after_seconds, "miner gone");
        return;
    };
    if let Some(unlogged) = metrics.miner_log.admit() {
        warn!(
            listener, %peer, %reason, %blame, %action, after_seconds, unlogged, remedy,
            "miner gone"
        );
    }
}

fn refused(metrics: &Metrics, (listener, peer): (&str, SocketAddr), reason: RefuseReason) {
    metrics.miner_refused.inc([listener, reason.label()]);
    if matches!(reason, RefuseReason::Banned | RefuseReason::Disconnected | RefuseReason::Draining)
    {
        // A ban was told when it began; load balancers look whether the port is open, every few seconds.
        debug!(listener, %peer, %reason, "miner refused");
    } else if let Some(unlogged) = metrics.miner_log.admit() {
        let (remedy, Finding { blame, action }) = (refusal_remedy(reason), reason.finding());
        warn!(listener, %peer, %reason, %blame, %action, unlogged, remedy, "miner refused");
    }
}

fn hook_asked(metrics: &Metrics, listener: &str, result: HookAnswer, detail: Option<&dyn Display>) {
    metrics.login_hook.inc([listener, result.label()]);
    let Some(detail) = detail else { return };
    if let Some(unlogged) = metrics.miner_log.admit() {
        let detail = detail.to_string();
        let (detail, remedy) = (Said(&detail), HOOK_REMEDY);
        warn!(listener, %detail, unlogged, remedy, "the web hook for logins fails");
    }
}

/// What to do about a hook that fails.
const HOOK_REMEDY: &str = "look at the hook, and at spec.listeners[].authentication.webhook; until it answers, staleFor and \
                           onFailure say who is let in";

fn login_refused(
    metrics: &Metrics,
    (listener, peer): (&str, SocketAddr),
    worker: &str,
    reason: LoginRefusal,
) {
    metrics.miner_logins_refused.inc([listener, reason.label()]);
    if let Some(unlogged) = metrics.miner_log.admit() {
        let (worker, remedy) = (Said(worker), login_remedy(reason));
        warn!(target: AUDIT, listener, %peer, %worker, %reason, unlogged, remedy, "login refused");
    }
}

const fn login_remedy(reason: LoginRefusal) -> &'static str {
    match reason {
        LoginRefusal::Busy => {
            "none needed: the miner tries again; fewer rounds in the list's hashes make logins faster"
        }
        LoginRefusal::Hook => "see why the hook refuses it",
        LoginRefusal::HookFailed => HOOK_REMEDY,
        LoginRefusal::Password => "set the miner's password, or its entry in the listener's list",
        LoginRefusal::Pool => "see at the pool why it refuses the miner's login and password",
        LoginRefusal::Unknown => "add an entry for the name to the listener's list",
    }
}

/// A warning, because nothing that is logged is rarer and many read no more than those.
fn block_found(
    metrics: &Metrics,
    (listener, route, pool): (&str, &str, &str),
    worker: &str,
    hash: &dyn Display,
) {
    if let Some(unlogged) = metrics.block_log.admit() {
        let worker = Said(worker);
        warn!(target: AUDIT, listener, route, pool, %worker, %hash, unlogged, "BLOCK FOUND, on its way to the pool");
    }
}

fn coinbase_too_long(
    metrics: &Metrics,
    (listener, peer): (&str, SocketAddr),
    firmware: &str,
    (coinbase_bytes, bytes_max): (usize, usize),
) {
    metrics.miner_coinbase_too_long.inc([listener, firmware]);
    if let Some(unlogged) = metrics.miner_log.admit() {
        let remedy = COINBASE_REMEDY;
        warn!(
            listener, %peer, firmware, coinbase_bytes, bytes_max, unlogged, remedy,
            "coinbase is longer than the miner's software is known to hold"
        );
    }
}

/// What to do about a coinbase that is too long for a miner.
const COINBASE_REMEDY: &str = "if its shares are refused, choose another pool for it, or raise coinbaseBytesMax in a \
                               firmware profile of your own";

fn tls_failed(
    metrics: &Metrics,
    (listener, peer): (&str, SocketAddr),
    reason: TlsFailure,
    detail: &str,
) {
    metrics.miner_tls_failed.inc([listener, reason.label()]);
    if let Some(unlogged) = metrics.miner_log.admit() {
        let (detail, remedy) = (Said(detail), tls_remedy(reason));
        let Finding { blame, action } = reason.finding();
        warn!(listener, %peer, %reason, %blame, %action, %detail, unlogged, remedy, "no TLS with a miner");
    }
}

const fn refusal_remedy(reason: RefuseReason) -> &'static str {
    match reason {
        RefuseReason::AcceptFailed => "raise the limit of open files (ulimit -n) of the proxy",
        RefuseReason::AddressConnections => {
            "raise spec.listeners[].limits.maxConnectionsPerAddress, or put the address into limits.exempt"
        }
        RefuseReason::AddressConnects => {
            "raise spec.listeners[].limits.connectsPerMinutePerAddress, or put the address into limits.exempt"
        }
        RefuseReason::AddressHandshakes => {
            "raise spec.listeners[].limits.maxHandshakesPerAddress, or put the address into limits.exempt"
        }
        RefuseReason::Banned => BAN_REMEDY,
        RefuseReason::ConnectionLimit => {
            "raise spec.listeners[].limits.maxConnections, or run another replica"
        }
        RefuseReason::Descriptors => {
            "raise the limit of open files (ulimit -n) of the proxy, or run another replica"
        }
        RefuseReason::Memory => "raise --memory-budget or the pod's limit, or run another replica",
        RefuseReason::Disconnected => "look at the load balancer, or at who scans the port",
        RefuseReason::Handshakes => {
            "raise spec.listeners[].limits.maxHandshakes, or look who connects and does not log in"
        }
        RefuseReason::Draining => "none needed: the miner goes to another replica",
        RefuseReason::NoPool => {
            "see the pool's own log lines; onNoPool: Hold keeps miners connected"
        }
        RefuseReason::ProxyHeaderLate
        | RefuseReason::ProxyHeaderMalformed
        | RefuseReason::ProxyHeaderMissing
        | RefuseReason::ProxyHeaderTooLong => {
            "let the load balancer send the PROXY protocol, version 1 or 2, or remove spec.listeners[].proxyProtocol"
        }
        RefuseReason::ProxyUntrusted => {
            "point the miner to the load balancer; if this is the load balancer, put its address into \
             spec.listeners[].proxyProtocol.from"
        }
    }
}

/// What to do about a connection that came to the wrong port.
const fn close_remedy(reason: CloseReason) -> Option<&'static str> {
    match reason {
        CloseReason::Http => Some(
            "this port speaks Stratum: probe the port by TCP only; metrics and health are at the admin address",
        ),
        CloseReason::NotStratum => Some("look at the miner, or at who scans the port"),
        CloseReason::ProxyHeaderForbidden => Some(
            "set spec.listeners[].proxyProtocol to mode Required with the load balancer's addresses, or let it send no header",
        ),
        CloseReason::TlsOnPlainPort => {
            Some("set the miner to stratum+tcp://, or point it to a listener with tls")
        }
        CloseReason::Banned
        | CloseReason::ConfigChanged
        | CloseReason::ConnectionLost
        | CloseReason::Drained
        | CloseReason::ExtranonceExhausted
        | CloseReason::HandshakeTimeout
        | CloseReason::Idle
        | CloseReason::Kicked
        | CloseReason::LayoutChanged
        | CloseReason::LineTooLong
        | CloseReason::ListenerRemoved
        | CloseReason::LoginRevoked
        | CloseReason::LoginsRefused
        | CloseReason::MinerLeft
        | CloseReason::NoPool
        | CloseReason::SlowReader
        | CloseReason::Stopped
        | CloseReason::Superseded
        | CloseReason::TooManyMalformed
        | CloseReason::TooManySubmits => None,
    }
}

const fn tls_remedy(reason: TlsFailure) -> &'static str {
    match reason {
        TlsFailure::CertificateRefused => {
            "let the miner trust the issuer, or give the listener a certificate that it trusts, for the name that it dials"
        }
        TlsFailure::Disconnected | TlsFailure::Malformed => {
            "look at the miner, or at who scans the port"
        }
        TlsFailure::Incompatible => {
            "lower spec.listeners[].tls.minVersion, or bring the miner's firmware up to date"
        }
        TlsFailure::NotTls => {
            "set the miner to TLS (often stratum+ssl://), or point it to a listener without tls"
        }
        TlsFailure::Stopped => "none needed: the miner goes to another listener or replica",
        TlsFailure::TimedOut => {
            "look at the network; spec.listeners[].limits.handshakeTimeout is the limit"
        }
    }
}
