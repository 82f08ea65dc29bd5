//! Whose side something is on that went wrong, and what is done about it: one function for each set of reasons, and nothing
//! else decides it. How long it takes until something is tried again is `policy::backoff`'s.

use loka_ops::labels;
use loka_stratum::share::Reject;

use super::reasons::{
    CloseReason, LoginRefusal, Offence, PoolDownReason, RefuseReason, SuspectReason, TlsFailure,
};

labels! {
    /// Whose side it is on: who can do something about it.
    Blame {
        /// The miner, or whoever set it up.
        Miner => "miner",
        /// Whatever is between us and them, names and load balancers included.
        Network => "network",
        /// Whoever runs the proxy: its documents, its limits, what it was told to do.
        Operator => "operator",
        /// The pool.
        Pool => "pool",
        /// The proxy itself.
        Us => "us",
    }
}

labels! {
    /// What is done about it.
    Action {
        /// The connection is ended.
        Close => "close",
        /// The next pool is mined on, and this one tried rarely.
        FailOver => "fail_over",
        /// Nothing: it is over, or it is answered and that is all.
        Ignore => "ignore",
        /// It is tried again, at first at once; another pool is mined on meanwhile.
        Retry => "retry",
    }
}

/// Both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whose side.
    pub blame: Blame,
    /// What is done.
    pub action: Action,
}

const fn is(blame: Blame, action: Action) -> Finding {
    Finding { blame, action }
}

// === impl CloseReason ===

impl CloseReason {
    /// Why a session of a miner ended.
    pub const fn finding(self) -> Finding {
        match self {
            Self::Banned
            | Self::HandshakeTimeout
            | Self::Http
            | Self::Idle
            | Self::LineTooLong
            | Self::LoginsRefused
            | Self::NotStratum
            | Self::SlowReader
            | Self::TlsOnPlainPort
            | Self::TooManyMalformed
            | Self::TooManySubmits => is(Blame::Miner, Action::Close),
            Self::MinerLeft => is(Blame::Miner, Action::Ignore),
            Self::ConnectionLost => is(Blame::Network, Action::Ignore),
            Self::ProxyHeaderForbidden => is(Blame::Network, Action::Close),
            Self::ConfigChanged
            | Self::Drained
            | Self::Kicked
            | Self::ListenerRemoved
            | Self::LoginRevoked
            | Self::Stopped => is(Blame::Operator, Action::Close),
            Self::LayoutChanged | Self::NoPool => is(Blame::Pool, Action::Close),
            // Its miner has come back, and needs the place.
            Self::Superseded => is(Blame::Network, Action::Close),
            Self::ExtranonceExhausted => is(Blame::Us, Action::Close),
        }
    }
}

// === impl RefuseReason ===

impl RefuseReason {
    /// Why a connection did not become a session.
    pub const fn finding(self) -> Finding {
        match self {
            Self::AddressConnections
            | Self::AddressConnects
            | Self::AddressHandshakes
            | Self::Banned
            | Self::Handshakes => is(Blame::Miner, Action::Close),
            Self::Disconnected => is(Blame::Network, Action::Ignore),
            Self::ProxyHeaderLate
            | Self::ProxyHeaderMalformed
            | Self::ProxyHeaderMissing
            | Self::ProxyHeaderTooLong
            | Self::ProxyUntrusted => is(Blame::Network, Action::Close),
            Self::AcceptFailed
            | Self::ConnectionLimit
            | Self::Descriptors
            | Self::Draining
            | Self::Memory => is(Blame::Operator, Action::Close),
            Self::NoPool => is(Blame::Pool, Action::Close),
        }
    }
}

// === impl TlsFailure ===

impl TlsFailure {
    /// Why a TLS handshake with a miner came to nothing.
    pub const fn finding(self) -> Finding {
        match self {
            Self::CertificateRefused => is(Blame::Operator, Action::Close),
            Self::Disconnected => is(Blame::Network, Action::Ignore),
            Self::Incompatible | Self::Malformed | Self::NotTls | Self::TimedOut => {
                is(Blame::Miner, Action::Close)
            }
            Self::Stopped => is(Blame::Operator, Action::Close),
        }
    }
}

// === impl Offence ===

impl Offence {
    /// What no miner does.
    pub const fn finding(self) -> Finding {
        match self {
            Self::InvalidShares
            | Self::LineTooLong
            | Self::Logins
            | Self::Malformed
            | Self::NotStratum => is(Blame::Miner, Action::Close),
        }
    }
}

// === impl LoginRefusal ===

impl LoginRefusal {
    /// Why somebody may not mine under a name. The connection stays.
    pub const fn finding(self) -> Finding {
        match self {
            Self::Busy => is(Blame::Us, Action::Retry),
            Self::HookFailed => is(Blame::Operator, Action::Retry),
            Self::Hook | Self::Password | Self::Pool | Self::Unknown => {
                is(Blame::Miner, Action::Ignore)
            }
        }
    }
}

// === impl PoolDownReason ===

impl PoolDownReason {
    /// Why a pool is no longer used.
    pub const fn finding(self) -> Finding {
        match self {
            Self::ConfigChanged | Self::Stopped => is(Blame::Operator, Action::Close),
            Self::ConnectFailed | Self::ConnectTimeout | Self::SocksFailed => {
                is(Blame::Network, Action::Retry)
            }
            Self::Disconnected
            | Self::JobSilence
            | Self::Moved
            | Self::Reconnect
            | Self::SubmitTimeout => is(Blame::Pool, Action::Retry),
            Self::SocksRefused => is(Blame::Operator, Action::Retry),
            Self::FirstJobTimeout
            | Self::HandshakeTimeout
            | Self::Misbehaved
            | Self::TlsClosed
            | Self::TlsDates
            | Self::TlsIncompatible => is(Blame::Pool, Action::FailOver),
            Self::TlsBroken => is(Blame::Network, Action::FailOver),
            Self::LoginRefused
            | Self::NotAllowed
            | Self::SocksLogin
            | Self::TlsAuthority
            | Self::TlsClientCertificate
            | Self::TlsName
            | Self::TlsNotSpoken
            | Self::TlsOnly
            | Self::TlsPin => is(Blame::Operator, Action::FailOver),
        }
    }
}

// === impl SuspectReason ===

impl SuspectReason {
    /// Why a pool that is connected is not mined on while another can be.
    pub const fn finding(self) -> Finding {
        match self {
            Self::BlockLag | Self::JobSilence | Self::Refusals | Self::SubmitStall => {
                is(Blame::Pool, Action::FailOver)
            }
        }
    }
}

/// Why a share was refused by our own validation. It is answered, and the connection goes on.
pub const fn of_share(reject: Reject) -> Finding {
    let blame = match reject {
        Reject::Malformed
        | Reject::NotSubscribed
        | Reject::Unauthorized
        | Reject::UnknownJob
        | Reject::Extranonce2Size
        | Reject::NTimeOutOfRange
        | Reject::VersionBits
        | Reject::LowDifficulty
        | Reject::Duplicate => Blame::Miner,
        Reject::Stale => Blame::Network,
        Reject::NoPool | Reject::PoolLost => Blame::Pool,
        Reject::RateLimited => Blame::Us,
    };
    is(blame, Action::Ignore)
}

/// A reason, by the name of its set and its label, and what was found.
pub(crate) type Row = (&'static str, &'static str, Finding);

/// All of them, for the documentation.
pub(crate) fn all() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    rows.extend(CloseReason::ALL.iter().map(|r| ("session ended", r.label(), r.finding())));
    rows.extend(RefuseReason::ALL.iter().map(|r| ("miner refused", r.label(), r.finding())));
    rows.extend(TlsFailure::ALL.iter().map(|r| ("no TLS with a miner", r.label(), r.finding())));
    rows.extend(Offence::ALL.iter().map(|r| ("offence", r.label(), r.finding())));
    rows.extend(LoginRefusal::ALL.iter().map(|r| ("login refused", r.label(), r.finding())));
    rows.extend(Reject::ALL.iter().map(|r| ("share refused", r.label(), of_share(*r))));
    rows.extend(PoolDownReason::ALL.iter().map(|r| ("pool down", r.label(), r.finding())));
    rows.extend(SuspectReason::ALL.iter().map(|r| ("pool suspected", r.label(), r.finding())));
    rows
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_a_side_and_an_action_and_is_told_once() {
        let rows = all();
        let unique: BTreeSet<_> = rows.iter().map(|(set, reason, _)| (set, reason)).collect();
        assert_eq!(unique.len(), rows.len());
        for blame in Blame::ALL {
            assert!(
                rows.iter().any(|(_, _, found)| found.blame == *blame),
                "{blame} is never said"
            );
        }
        for action in Action::ALL {
            assert!(
                rows.iter().any(|(_, _, found)| found.action == *action),
                "{action} is never done"
            );
        }
    }

    /// What a pool or we did must never count towards a ban.
    #[test]
    fn a_miner_is_blamed_for_what_it_did_alone() {
        let blamed: Vec<_> = Reject::ALL
            .iter()
            .filter(|reject| of_share(**reject).blame != Blame::Miner)
            .map(|reject| reject.label())
            .collect();
        let mut blamed = blamed;
        blamed.sort_unstable();
        assert_eq!(blamed, ["no_pool", "pool_lost", "rate_limited", "stale"]);
        for reason in RefuseReason::ALL.iter().filter(|r| r.finding().blame == Blame::Miner) {
            let label = reason.label();
            assert!(label.starts_with("address_") || ["banned", "handshakes"].contains(&label));
        }
    }
}
