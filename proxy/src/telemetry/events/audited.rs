//! Which events are audited, and as what: one match for each group, so that a new event has to say it.
//!
//! Audited is what changes who is paid, who may mine and who may not, whatever somebody decided, and every block. What is
//! merely wrong is for the log.

use super::super::audit::{AuditEntry, AuditKind, AuditOutcome};
use super::super::reasons::{ActResult, Obeyed, RefuseReason, RolloutEnd, TlsFailure};
use super::{
    AdminEvent, AuditEvent, Event, LedgerEvent, MinerEvent, PoolEvent, ProcessEvent, RouteEvent,
};

// === impl Event ===

impl Event<'_> {
    pub(in super::super) fn audited(&self) -> Option<AuditEntry> {
        match self {
            Self::Admin(event) => event.audited(),
            Self::Audit(event) => event.audited(),
            Self::Ledger(event) => event.audited(),
            Self::Miner(event) => event.audited(),
            Self::Pool(event) => event.audited(),
            Self::Process(event) => event.audited(),
            Self::Route(event) => event.audited(),
        }
    }
}

fn entry(kind: AuditKind, outcome: AuditOutcome) -> AuditEntry {
    AuditEntry::new(kind, outcome)
}

// === impl AdminEvent ===

impl AdminEvent<'_> {
    fn audited(&self) -> Option<AuditEntry> {
        match *self {
            Self::Acted { who, from, act, on, result, detail } => {
                let outcome = match result {
                    ActResult::Done => AuditOutcome::Done,
                    ActResult::Refused => AuditOutcome::Refused,
                };
                let entry = entry(AuditKind::Admin, outcome).by(who).address(from).to(on);
                Some(entry.reason(act.label()).detail(detail))
            }
            // Whoever can reach the API can cause it at will: it has an allowance, as refused miners have.
            Self::Denied { from, reason } => {
                let entry = entry(AuditKind::AdminDenied, AuditOutcome::Refused).address(from);
                Some(entry.reason(reason.label()))
            }
            Self::LogLevelOver { level } => {
                Some(entry(AuditKind::Admin, AuditOutcome::Ended).reason("log_level").detail(level))
            }
        }
    }
}

// === impl AuditEvent ===

impl AuditEvent<'_> {
    /// What cannot be written need not be.
    const fn audited(&self) -> Option<AuditEntry> {
        match self {
            Self::NotWritten { .. } | Self::StillNotWritten | Self::WrittenAgain { .. } => None,
        }
    }
}

// === impl LedgerEvent ===

impl LedgerEvent<'_> {
    const fn audited(&self) -> Option<AuditEntry> {
        match self {
            Self::OfKilled { .. }
            | Self::Restored { .. }
            | Self::SetAside { .. }
            | Self::NotKept { .. }
            | Self::StillNotKept
            | Self::KeptAgain { .. } => None,
        }
    }
}

// === impl MinerEvent ===

impl MinerEvent<'_> {
    fn audited(&self) -> Option<AuditEntry> {
        match *self {
            Self::Banned { listener, peer, offence, lasts: _ } => {
                let entry = entry(AuditKind::Ban, AuditOutcome::Began);
                Some(entry.listener(listener).address(peer).reason(offence.label()))
            }
            Self::BlockFound { listener, route, pool, worker, hash } => {
                let entry = entry(AuditKind::Block, AuditOutcome::Found).listener(listener);
                Some(entry.pool(route, pool).worker(worker).hash(&hash.to_string()))
            }
            // Each name of a connection, the first included, whenever it comes.
            Self::LoggedIn { listener, peer, worker } => {
                let entry = entry(AuditKind::Login, AuditOutcome::Accepted).listener(listener);
                Some(entry.address(peer).worker(worker))
            }
            Self::LoginRefused { listener, peer, worker, reason } => {
                let entry = entry(AuditKind::Login, AuditOutcome::Refused).listener(listener);
                Some(entry.address(peer).worker(worker).reason(reason.label()))
            }
            // Load balancers look whether the port is open, every few seconds.
            Self::Refused { reason: RefuseReason::Disconnected, .. } => None,
            Self::Refused { listener, peer, reason } => {
                let entry = entry(AuditKind::Refusal, AuditOutcome::Refused).listener(listener);
                Some(entry.address(peer).reason(reason.label()))
            }
            Self::TlsFailed { reason: TlsFailure::Disconnected, .. } => None,
            Self::TlsFailed { listener, peer, reason, detail } => {
                let entry = entry(AuditKind::Refusal, AuditOutcome::Refused).listener(listener);
                Some(entry.address(peer).reason(reason.label()).detail(detail))
            }
            Self::AcceptFailed { .. }
            | Self::Closed { .. }
            | Self::CoinbaseTooLong { .. }
            | Self::Connected { .. }
            | Self::DifficultyChanged { .. }
            | Self::HookAsked { .. }
            | Self::JobDelivered { .. }
            | Self::HandshakeDone { .. }
            | Self::Malformed { .. }
            | Self::Renumbered { .. }
            | Self::Resumed { .. }
            | Self::ShareRefused { .. } => None,
        }
    }
}

// === impl PoolEvent ===

impl PoolEvent<'_> {
    fn audited(&self) -> Option<AuditEntry> {
        use AuditOutcome::{Accepted, Judged, Moved, Refused};
        match *self {
            Self::BlockJudged { route, pool, hash, verdict, outcome: _ } => {
                let entry = entry(AuditKind::Block, Judged).pool(route, pool);
                Some(entry.hash(hash).reason(verdict.label()))
            }
            Self::LoginRefused { route, pool, user, message } => {
                let entry = entry(AuditKind::PoolLogin, Refused).pool(route, pool);
                Some(entry.account(user).detail(message))
            }
            Self::Moved { route, pool, from, to } => {
                let entry = entry(AuditKind::PoolAddress, Moved).pool(route, pool);
                Some(entry.origin(&from.to_string()).to(&to.to_string()))
            }
            Self::NotAllowed { route, pool, endpoint, account, reason } => {
                let entry = entry(AuditKind::PoolRefused, Refused).pool(route, pool);
                Some(entry.account(account).to(endpoint).reason(reason.label()))
            }
            Self::NameRefused { route, pool, login, message } => {
                let entry = entry(AuditKind::PoolLogin, Refused).pool(route, pool);
                Some(entry.worker(login).detail(message))
            }
            Self::ReconnectAsked { route, pool, to, wait: _, obeyed } => {
                let outcome = match obeyed {
                    Obeyed::Yes => Accepted,
                    Obeyed::No => Refused,
                };
                Some(entry(AuditKind::PoolRedirect, outcome).pool(route, pool).to(to))
            }
            Self::Unverified { route, pool, detail } => {
                Some(entry(AuditKind::PoolPayout, Refused).pool(route, pool).detail(detail))
            }
            Self::Up { route, pool, after: _ } => {
                Some(entry(AuditKind::PoolLogin, Accepted).pool(route, pool))
            }
            Self::Back { .. }
            | Self::Connecting { .. }
            | Self::Down { .. }
            | Self::Dropped { .. }
            | Self::JobReceived { .. }
            | Self::Message { .. }
            | Self::Misbehaved { .. }
            | Self::StillUnverified { .. }
            | Self::Unnamed { .. }
            | Self::Suspected { .. }
            | Self::Verdict { .. } => None,
        }
    }
}

// === impl ProcessEvent ===

impl ProcessEvent<'_> {
    fn audited(&self) -> Option<AuditEntry> {
        use AuditOutcome::{Adopted, Applied, Began, Closed, Ended, Failed, Opened, Refused};
        match *self {
            Self::AllowListRefused { path, problems } => {
                let entry = entry(AuditKind::AllowList, Refused).problems(problems);
                Some(entry.origin(&path.to_string_lossy()))
            }
            Self::AllowListTaken { path, pools } => {
                let entry = entry(AuditKind::AllowList, Applied).count(pools as u64);
                Some(entry.origin(&path.to_string_lossy()))
            }
            Self::ConfigApplied { name: _, hash, sequence, origin, change, after: _, trace: _ } => {
                let entry = entry(AuditKind::Config, Applied).hash(hash).sequence(sequence);
                Some(entry.origin(origin).change(change))
            }
            Self::ConfigRefused { origin, problems, trace: _ } => {
                Some(entry(AuditKind::Config, Refused).origin(origin).problems(problems))
            }
            Self::ConfigAdopted { hash, sequence, origin } => {
                let entry = entry(AuditKind::Config, Adopted).hash(hash).sequence(sequence);
                Some(entry.origin(origin))
            }
            Self::Drained { after: _, miners_left } => {
                Some(entry(AuditKind::Drain, Ended).count(miners_left as u64))
            }
            Self::Draining { cause, miners, timeout: _ } => {
                let entry = entry(AuditKind::Drain, Began).count(miners as u64);
                Some(entry.reason(cause.label()))
            }
            Self::ListenerBound { listener, address } => {
                Some(entry(AuditKind::Listener, Opened).listener(listener).address(address))
            }
            Self::ListenerClosed { listener, address, miners: _ } => {
                Some(entry(AuditKind::Listener, Closed).listener(listener).address(address))
            }
            Self::ListenerFailed { listener, address, error } => {
                let entry = entry(AuditKind::Listener, Failed).listener(listener).address(address);
                Some(entry.detail(&error.to_string()))
            }
            Self::CertificateEnded { .. }
            | Self::CertificateUnusable { .. }
            | Self::ConfigNotKept { .. }
            | Self::StreamOpened { .. }
            | Self::StreamLost { .. } => None,
        }
    }
}

// === impl RouteEvent ===

impl RouteEvent<'_> {
    fn audited(&self) -> Option<AuditEntry> {
        use AuditOutcome::{Applied, Done, Moved, TakenBack};
        match *self {
            Self::NoPool { .. } => None,
            Self::RolloutStep { route, from, to, percent } => {
                let entry = entry(AuditKind::Route, Applied).route(route).origin(from).to(to);
                Some(entry.count(percent.into()))
            }
            Self::RolloutEnded { route, from, to, end } => {
                let outcome = match end {
                    RolloutEnd::Done => Done,
                    RolloutEnd::Acceptance
                    | RolloutEnd::JobAge
                    | RolloutEnd::Latency
                    | RolloutEnd::Unsound => TakenBack,
                };
                let entry = entry(AuditKind::Route, outcome).route(route).origin(from).to(to);
                Some(entry.reason(end.label()))
            }
            Self::Switched { route, from, to, cause } => {
                let entry = entry(AuditKind::Route, Moved).route(route).to(to);
                let entry = entry.reason(cause.label());
                Some(match from {
                    Some(from) => entry.origin(from),
                    None => entry,
                })
            }
        }
    }
}
