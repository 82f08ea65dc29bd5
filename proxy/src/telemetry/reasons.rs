//! The closed sets of reasons that events carry and metrics are labelled with.
//!
//! Each reason has one label, in snake case, and is never made of a peer's text: a label set that a
//! peer could widen would let it fill the memory of whoever scrapes us. What the peer said is a log
//! field.

use loka_api::allow_list::NotAllowed;
use loka_ops::labels;

mod entrance;

pub use self::entrance::{HookAnswer, LoginRefusal, TlsFailure};

labels! {
    /// Why a connection did not become a session.
    RefuseReason {
        /// The socket could not be taken over from the operating system.
        AcceptFailed => "accept_failed",
        /// Its address has as many connections as the limits allow.
        AddressConnections => "address_connections",
        /// Its address connects more often than the limits allow.
        AddressConnects => "address_connects",
        /// Its address has as many handshakes under way as the limits allow.
        AddressHandshakes => "address_handshakes",
        /// Its address is banned.
        Banned => "banned",
        /// The listener has as many miners as its limits allow.
        ConnectionLimit => "connection_limit",
        /// Nearly as many descriptors are open as there may be.
        Descriptors => "descriptors",
        /// It ended before the load balancer's header did.
        Disconnected => "disconnected",
        /// The proxy is on its way out.
        Draining => "draining",
        /// The listener has as many handshakes under way as its limits allow.
        Handshakes => "handshakes",
        /// The memory budget is nearly used up.
        Memory => "memory",
        /// No pool, and `onNoPool` says to let miners go.
        NoPool => "no_pool",
        /// The load balancer's header did not come in time.
        ProxyHeaderLate => "proxy_header_late",
        /// It is not as the PROXY protocol has it.
        ProxyHeaderMalformed => "proxy_header_malformed",
        /// What came is no header.
        ProxyHeaderMissing => "proxy_header_missing",
        /// It is longer than any that is taken.
        ProxyHeaderTooLong => "proxy_header_too_long",
        /// It comes from no address whose headers are believed.
        ProxyUntrusted => "proxy_untrusted",
    }
}

labels! {
    /// What no miner does.
    Offence {
        /// Many invalid shares, and no valid one between them.
        InvalidShares => "invalid_shares",
        /// A line longer than the limit.
        LineTooLong => "line_too_long",
        /// Login after login that is refused.
        Logins => "logins",
        /// Line after line that is not Stratum.
        Malformed => "malformed",
        /// The first bytes are something else.
        NotStratum => "not_stratum",
    }
}

labels! {
    /// Why a session ended.
    CloseReason {
        /// Its address was banned for what it did.
        Banned => "banned",
        /// A change of configuration that this connection cannot follow.
        ConfigChanged => "config_changed",
        /// The connection broke.
        ConnectionLost => "connection_lost",
        /// Let go during a drain.
        Drained => "drained",
        /// Every extranonce id of the layout is taken.
        ExtranonceExhausted => "extranonce_exhausted",
        /// Subscribe and authorize did not come in time.
        HandshakeTimeout => "handshake_timeout",
        /// The first bytes are a request of HTTP.
        Http => "http",
        /// No line for longer than the idle timeout.
        Idle => "idle",
        /// Whoever runs the proxy has let it go.
        Kicked => "kicked",
        /// The route's pools need another split of the extranonce, which only a new subscribe can bring.
        LayoutChanged => "layout_changed",
        /// A line longer than the limit.
        LineTooLong => "line_too_long",
        /// The listener is no longer in the document.
        ListenerRemoved => "listener_removed",
        /// What let the miner in is no longer in the listener's list.
        LoginRevoked => "login_revoked",
        /// Every login that was tried was refused, many times.
        LoginsRefused => "logins_refused",
        /// The miner closed the connection.
        MinerLeft => "miner_left",
        /// No pool, and `onNoPool` says to let miners go.
        NoPool => "no_pool",
        /// The first byte is not Stratum.
        NotStratum => "not_stratum",
        /// The first bytes are a header of the PROXY protocol, which the listener does not take.
        ProxyHeaderForbidden => "proxy_header_forbidden",
        /// The miner does not read what it is sent.
        SlowReader => "slow_reader",
        /// The proxy stopped without a drain.
        Stopped => "stopped",
        /// Its miner has come back on another connection.
        Superseded => "superseded",
        /// The first byte is a TLS handshake and the listener is plain.
        TlsOnPlainPort => "tls_on_plain_port",
        /// Too many lines that are not Stratum.
        TooManyMalformed => "too_many_malformed",
        /// Far more submits than the limits allow.
        TooManySubmits => "too_many_submits",
    }
}

labels! {
    /// What the allow-list does not have.
    RefusedPool {
        /// The account, at this address.
        Account => "account",
        /// The address.
        Address => "address",
    }
}

labels! {
    /// Why a pool is no longer used.
    PoolDownReason {
        /// The document no longer names it, or names it differently.
        ConfigChanged => "config_changed",
        /// Name not found, refused, or unreachable.
        ConnectFailed => "connect_failed",
        /// No connection within the connect timeout.
        ConnectTimeout => "connect_timeout",
        /// The connection ended.
        Disconnected => "disconnected",
        /// No job within its timeout after the login.
        FirstJobTimeout => "first_job_timeout",
        /// No reply to configure, subscribe or authorize in time.
        HandshakeTimeout => "handshake_timeout",
        /// Connected, and no new job for longer than the silence timeout.
        JobSilence => "job_silence",
        /// The pool does not know the account or the password.
        LoginRefused => "login_refused",
        /// It broke the protocol or a bound.
        Misbehaved => "misbehaved",
        /// Its name stands for another address, which is gone to.
        Moved => "moved",
        /// The allow-list does not have it, or not its account.
        NotAllowed => "not_allowed",
        /// It asked us to reconnect.
        Reconnect => "reconnect",
        /// Its SOCKS5 server is not there, says nothing, or is none.
        SocksFailed => "socks_failed",
        /// Its SOCKS5 server does not know our login, or wants one.
        SocksLogin => "socks_login",
        /// Its SOCKS5 server has not connected us to it.
        SocksRefused => "socks_refused",
        /// The proxy stops.
        Stopped => "stopped",
        /// Submits stayed without a verdict for longer than their timeout.
        SubmitTimeout => "submit_timeout",
        /// No authority that is trusted stands behind its certificate.
        TlsAuthority => "tls_authority",
        /// It broke TLS, or somebody between us did.
        TlsBroken => "tls_broken",
        /// It wants a certificate of ours, or another one.
        TlsClientCertificate => "tls_client_certificate",
        /// It ended the TLS handshake, or said nothing.
        TlsClosed => "tls_closed",
        /// Its certificate is over, or not begun; or our clock is wrong.
        TlsDates => "tls_dates",
        /// It speaks no version of TLS, or no cipher, that we do.
        TlsIncompatible => "tls_incompatible",
        /// Its certificate is for another name.
        TlsName => "tls_name",
        /// It speaks something else than TLS where TLS is expected.
        TlsNotSpoken => "tls_not_spoken",
        /// It speaks TLS where it is spoken to in the clear.
        TlsOnly => "tls_only",
        /// Its certificate has none of the pins.
        TlsPin => "tls_pin",
    }
}

labels! {
    /// Why a route took another pool.
    SwitchCause {
        /// Another pool has left the block that the pool in use is on.
        BlockLag => "block_lag",
        /// The document changed.
        ConfigChanged => "config_changed",
        /// A better pool is healthy again.
        FailBack => "fail_back",
        /// The pool in use was lost.
        Failover => "failover",
        /// There was none before.
        FirstPool => "first_pool",
        /// The pool in use sends no jobs.
        JobSilence => "job_silence",
        /// A pool with a weight shares the hashrate again.
        Joined => "joined",
        /// The pool that is pinned is healthy.
        Pinned => "pinned",
        /// The pool in use refuses most shares.
        Refusals => "refusals",
        /// A change that was made in steps failed at a gate.
        RolledBack => "rolled_back",
        /// The pool in use may not be mined on at this hour.
        Schedule => "schedule",
        /// The pool in use owes verdicts for too long.
        SubmitStall => "submit_stall",
    }
}

labels! {
    /// How a change of the pool that was made in steps has ended.
    RolloutEnd {
        /// The new pool refused too many shares; back to the old one.
        Acceptance => "acceptance",
        /// All hashrate has moved.
        Done => "done",
        /// The new pool's job became too old; back to the old one.
        JobAge => "job_age",
        /// The new pool took too long to answer shares; back to the old one.
        Latency => "latency",
        /// The new pool was lost, or suspected of something; back to the old one.
        Unsound => "unsound",
    }
}

labels! {
    /// Why a pool that is connected is not mined on while another can be.
    SuspectReason {
        /// Another pool has left its block for a new one.
        BlockLag => "block_lag",
        /// It sends no jobs, and another pool does.
        JobSilence => "job_silence",
        /// It refuses more than half of the shares.
        Refusals => "refusals",
        /// It owes verdicts for too long.
        SubmitStall => "submit_stall",
    }
}

labels! {
    /// What a pool said to a share.
    Verdict {
        /// Credited.
        Accepted => "accepted",
        /// Refused.
        Rejected => "rejected",
        /// Nothing, until the connection ended or the timeout passed.
        Unanswered => "unanswered",
    }
}

labels! {
    /// Whether a job takes the worth of those before it.
    Clean {
        /// Earlier jobs are worth nothing.
        Clean => "clean",
        /// Earlier jobs still count.
        Continue => "continue",
    }
}

labels! {
    /// Whether a pool's `client.reconnect` was followed.
    Obeyed {
        /// It asks for somewhere else, which nobody has allowed.
        No => "no",
        /// Same host, or a sub-domain of it.
        Yes => "yes",
    }
}

labels! {
    /// Why a share goes under a pool's plain login although the pool is told names.
    UnnamedReason {
        /// The pool has not answered yet.
        Asked => "asked",
        /// The pool refused the name.
        Refused => "refused",
        /// There are as many logins as the document allows.
        TooMany => "too_many",
    }
}

labels! {
    /// What happens to miners while a route has no pool.
    NoPoolAction {
        /// They are let go to their own failover.
        Close => "close",
        /// They stay connected and are told.
        Hold => "hold",
    }
}

labels! {
    /// Who asked for the drain.
    DrainCause {
        /// Somebody by hand.
        Hand => "hand",
        /// The document.
        Requested => "requested",
        /// SIGTERM or SIGINT.
        Signal => "signal",
    }
}

labels! {
    /// What can be done by hand.
    AdminAct {
        /// An address is refused for a time.
        Ban => "ban",
        /// The proxy lets its miners go, and ends.
        Drain => "drain",
        /// A listener lets its miners go, and takes no others.
        DrainListener => "drain_listener",
        /// A session, or those of a worker, let their miner go.
        Kick => "kick",
        /// More is logged, or less, for a time.
        LogLevel => "log_level",
        /// As much is logged as before.
        LogLevelBack => "log_level_back",
        /// An address is let in again.
        Pardon => "pardon",
        /// A route mines on one pool before all others.
        Pin => "pin",
        /// A listener that was drained takes miners again.
        Resume => "resume",
        /// A route mines as its configuration says.
        Unpin => "unpin",
    }
}

labels! {
    /// What became of an act.
    ActResult {
        /// As asked.
        Done => "done",
        /// Nothing was changed.
        Refused => "refused",
    }
}

labels! {
    /// Why somebody was not let in to the admin API.
    AdminDenied {
        /// From loopback, by a name that is not of loopback: a browser that was led there.
        ForeignHost => "foreign_host",
        /// A page of somewhere else asks.
        ForeignOrigin => "foreign_origin",
        /// No token, and not from loopback.
        NoToken => "no_token",
        /// A token, and the proxy has none that it could be.
        NoTokenFile => "no_token_file",
        /// The file of the token cannot be read, or holds none that is long enough.
        TokenFile => "token_file",
        /// Too many wrong ones from this address.
        TooMany => "too_many",
        /// Another token than ours.
        WrongToken => "wrong_token",
    }
}

labels! {
    /// What became of a changed document.
    ConfigResult {
        /// In use.
        Applied => "applied",
        /// Invalid: the last good one stays.
        Refused => "refused",
    }
}

labels! {
    /// What memory is for.
    MemoryKind {
        /// Miners, their buffers and the shares that are remembered of them.
        Sessions => "sessions",
        /// Jobs that shares may still come for.
        Jobs => "jobs",
        /// Shares that wait for a pool, or for its verdict.
        Queues => "queues",
        /// What is remembered of miners, workers and addresses, and the rows of the ledger.
        Tables => "tables",
        /// Records of the audit log that wait.
        Audit => "audit",
    }
}

labels! {
    /// What became of a record of the audit log.
    AuditResult {
        /// It is in the file.
        Written => "written",
        /// There were too many alike, and it is told as a number.
        Summarised => "summarised",
        /// It could not be written for too long.
        Lost => "lost",
    }
}

labels! {
    /// Where a configuration came from.
    ConfigSource {
        /// The documents that the process was started with.
        Files => "files",
        /// The last known good snapshot of an earlier run.
        LastGood => "last_good",
        /// The mounted snapshot.
        Mounted => "mounted",
        /// The operator's stream.
        Stream => "stream",
    }
}

labels! {
    /// State of a pool as seen by a route.
    PoolState {
        /// In use, or ready to be used.
        Up => "up",
        /// On its way: connecting, logging in, waiting for a first job.
        Connecting => "connecting",
        /// Lost; tried again after a delay.
        Down => "down",
        /// Connected, and it leaves too few extranonce2 bytes for the route's layout.
        Unfit => "unfit",
    }
}

// === impl PoolDownReason ===

impl PoolDownReason {
    /// What whoever runs the proxy can do about it.
    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::ConnectFailed | Self::ConnectTimeout => {
                "check the endpoint's host and port, DNS, and that egress to it is allowed"
            }
            Self::HandshakeTimeout | Self::FirstJobTimeout => {
                "check that the endpoint speaks Stratum V1 on this port, and whether it wants TLS there (stratum+ssl://)"
            }
            Self::NotAllowed => "compare the StratumPool with the allow-list",
            Self::LoginRefused => {
                "correct the account or the password; it is tried again meanwhile"
            }
            Self::Misbehaved => "report it to the pool, with this line",
            Self::SocksFailed => {
                "check spec.proxy.socks5 of the StratumPool, and that egress to it is allowed"
            }
            Self::SocksLogin => "correct the Secret of spec.proxy.credentialsSecretRef",
            Self::SocksRefused => {
                "check the pool's address, and what the SOCKS5 server lets us connect to"
            }
            Self::TlsAuthority => {
                "put the authority of the pool's certificate into the Secret of spec.tls.caSecretRef, or pin a self-signed one in spec.tls.pins"
            }
            Self::TlsBroken => {
                "report it to the pool; if it lasts, look at who is between you and the pool"
            }
            Self::TlsClientCertificate => {
                "give the certificate that the pool knows in the Secret of spec.tls.clientCertificateSecretRef"
            }
            Self::TlsClosed | Self::TlsNotSpoken => {
                "check that the endpoint's port is the pool's TLS port; in the clear it is stratum+tcp://"
            }
            Self::TlsDates => {
                "tell the pool that its certificate is out of date, and compare this machine's clock"
            }
            Self::TlsIncompatible => {
                "lower spec.tls.minVersion, if the pool is to be trusted with less"
            }
            Self::TlsName => {
                "use the host that the certificate is for, or name that in spec.tls.serverName"
            }
            Self::TlsOnly => "write the endpoint as stratum+ssl://",
            Self::TlsPin => {
                "ask the pool for the fingerprint of its certificate, and put that into spec.tls.pins; do not pin what you have not asked for"
            }
            Self::ConfigChanged
            | Self::Disconnected
            | Self::JobSilence
            | Self::Moved
            | Self::Reconnect
            | Self::Stopped
            | Self::SubmitTimeout => "none needed unless it lasts",
        }
    }

    /// Whether it is about how the pool is reached, which the documents say: whoever wrote them can do something.
    pub(crate) const fn is_of_the_way(self) -> bool {
        matches!(
            self,
            Self::SocksFailed
                | Self::SocksLogin
                | Self::SocksRefused
                | Self::TlsAuthority
                | Self::TlsBroken
                | Self::TlsClientCertificate
                | Self::TlsClosed
                | Self::TlsDates
                | Self::TlsIncompatible
                | Self::TlsName
                | Self::TlsNotSpoken
                | Self::TlsOnly
                | Self::TlsPin
        )
    }
}

// === impl AdminDenied ===

impl AdminDenied {
    /// What whoever asks can do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::ForeignHost => "ask for it as localhost, 127.0.0.1 or [::1], or give the token",
            Self::ForeignOrigin => {
                "ask from a terminal (stratum-proxy ctl), not from a page of another site"
            }
            Self::NoToken => {
                "give the token of --admin-token-file as `Authorization: Bearer …`, or ask on loopback"
            }
            Self::NoTokenFile => {
                "start the proxy with --admin-token-file FILE, or ask on loopback without a token"
            }
            Self::TokenFile => {
                "give --admin-token-file a file that the proxy can read, with one token of 16 or more characters"
            }
            Self::TooMany => "wait a minute, and give the token of --admin-token-file",
            Self::WrongToken => "give the token that is in the file of --admin-token-file",
        }
    }
}

// === impl RefusedPool ===

impl From<NotAllowed> for RefusedPool {
    fn from(reason: NotAllowed) -> Self {
        match reason {
            NotAllowed::Account => Self::Account,
            NotAllowed::Address => Self::Address,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn check(labels: &[&'static str]) {
        let unique: BTreeSet<_> = labels.iter().collect();
        assert_eq!(unique.len(), labels.len(), "{labels:?}");
        for label in labels {
            assert!(label.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{label}");
        }
    }

    #[test]
    fn labels_are_unique_and_in_snake_case() {
        check(&AdminAct::ALL.iter().map(|r| r.label()).collect::<Vec<_>>());
        check(&AdminDenied::ALL.iter().map(|r| r.label()).collect::<Vec<_>>());
        check(&CloseReason::ALL.iter().map(|r| r.label()).collect::<Vec<_>>());
        check(&PoolDownReason::ALL.iter().map(|r| r.label()).collect::<Vec<_>>());
        check(&RefuseReason::ALL.iter().map(|r| r.label()).collect::<Vec<_>>());
        check(&Offence::ALL.iter().map(|r| r.label()).collect::<Vec<_>>());
        check(&TlsFailure::ALL.iter().map(|r| r.label()).collect::<Vec<_>>());
        check(&SwitchCause::ALL.iter().map(|r| r.label()).collect::<Vec<_>>());
    }
}
