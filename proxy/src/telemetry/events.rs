//! What happens, as values. [`Telemetry::emit`](super::Telemetry::emit) hands each to the one match
//! of its group, which logs it and counts it; nothing else in the proxy logs or counts.
//!
//! Fields are borrowed and small, so that an event costs nothing to build. Worker names, addresses
//! and what peers say are log fields, cut to a length (see `said`); they never become labels.
//! Passwords are in no event.

mod admin;
mod audit;
mod audited;
mod ledger;
mod miner;
mod pool;
mod process;
mod route;

pub use admin::AdminEvent;
pub use audit::AuditEvent;
pub use ledger::LedgerEvent;
pub use miner::MinerEvent;
pub use pool::PoolEvent;
pub use process::ProcessEvent;
pub(crate) use process::listen_remedy;
pub use route::RouteEvent;

use std::time::Duration;

use super::Metrics;

/// The target of log lines that an audit keeps: whatever may change whom the hash goes to, and every block.
const AUDIT: &str = "audit";

const MICROSECONDS: f64 = 1_000_000.0;

/// Something happened.
pub enum Event<'a> {
    /// At the admin API.
    Admin(AdminEvent<'a>),
    /// To the audit log itself.
    Audit(AuditEvent<'a>),
    /// To the ledger's file.
    Ledger(LedgerEvent<'a>),
    /// To a miner's connection.
    Miner(MinerEvent<'a>),
    /// To a pool's connection.
    Pool(PoolEvent<'a>),
    /// To the proxy itself: listeners, configuration, drain.
    Process(ProcessEvent<'a>),
    /// To a route: which pool it uses.
    Route(RouteEvent<'a>),
}

// === impl Event ===

impl Event<'_> {
    /// Whether it happens so often that only a log for debugging holds it.
    pub(super) fn is_routine(&self) -> bool {
        match self {
            Self::Pool(event) => event.is_routine(),
            Self::Admin(_)
            | Self::Audit(_)
            | Self::Ledger(_)
            | Self::Miner(_)
            | Self::Process(_)
            | Self::Route(_) => false,
        }
    }

    pub(super) fn observe(&self, metrics: &Metrics) {
        match self {
            Self::Admin(event) => event.observe(metrics),
            Self::Audit(event) => event.observe(metrics),
            Self::Ledger(event) => event.observe(metrics),
            Self::Miner(event) => event.observe(metrics),
            Self::Pool(event) => event.observe(metrics),
            Self::Process(event) => event.observe(metrics),
            Self::Route(event) => event.observe(metrics),
        }
    }
}

impl<'a> From<AdminEvent<'a>> for Event<'a> {
    fn from(event: AdminEvent<'a>) -> Self {
        Self::Admin(event)
    }
}

impl<'a> From<AuditEvent<'a>> for Event<'a> {
    fn from(event: AuditEvent<'a>) -> Self {
        Self::Audit(event)
    }
}

impl<'a> From<LedgerEvent<'a>> for Event<'a> {
    fn from(event: LedgerEvent<'a>) -> Self {
        Self::Ledger(event)
    }
}

impl<'a> From<MinerEvent<'a>> for Event<'a> {
    fn from(event: MinerEvent<'a>) -> Self {
        Self::Miner(event)
    }
}

impl<'a> From<PoolEvent<'a>> for Event<'a> {
    fn from(event: PoolEvent<'a>) -> Self {
        Self::Pool(event)
    }
}

impl<'a> From<ProcessEvent<'a>> for Event<'a> {
    fn from(event: ProcessEvent<'a>) -> Self {
        Self::Process(event)
    }
}

impl<'a> From<RouteEvent<'a>> for Event<'a> {
    fn from(event: RouteEvent<'a>) -> Self {
        Self::Route(event)
    }
}

/// A duration as a log field: to the microsecond, which is as exact as anybody reads.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * MICROSECONDS).round() / MICROSECONDS
}

#[cfg(test)]
mod tests;
