//! What can be seen and done by hand, as values. The app does it; the API and its client speak of it.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::telemetry::reasons::AdminAct;

/// Sessions of one answer at most.
pub const PAGE_MAX: usize = 1000;

/// And where nothing is said.
pub const PAGE_DEFAULT: usize = 100;

/// Shortest and longest time of a ban.
pub const BAN_FOR: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(30 * 86_400));

/// The same of a log level by hand: debug is not to stay on for ever.
pub const LOG_LEVEL_FOR: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(86_400));

/// A result that is waited for.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who can be asked, and told, by hand.
pub trait Acting: Send + Sync + 'static {
    /// Sessions that are up, in the order in which they came.
    fn sessions(&self, wanted: &SessionsWanted) -> Sessions;
    /// One session.
    fn session(&self, id: u64) -> Option<Session>;
    /// Bans that hold, by listener and address.
    fn bans(&self) -> Vec<Ban>;
    /// How much is logged.
    fn log_level(&self) -> Option<LogLevel>;
    /// Does it, or says why not. It is done when the answer is there, but for what miners take their time for.
    fn act<'a>(&'a self, act: &'a Act) -> Pending<'a, Result<String, Refusal>>;
}

/// Which sessions are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionsWanted {
    /// Of this listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// Of this worker, letter by letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// From this address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// After this one, which was the last of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// So many at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A page of sessions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sessions {
    /// Of all pages.
    pub total: usize,
    /// Those of this page.
    pub sessions: Vec<Session>,
    /// What to ask `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A miner's connection.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Names it for as long as the process lives.
    pub id: u64,
    /// Where it came in.
    pub listener: String,
    /// Where it comes from.
    pub address: String,
    /// The first name that it authorized; absent before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// What its software calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The route that it works for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The pool that it works for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// What is asked of its shares.
    pub difficulty: f64,
    /// As its shares tell, in hashes per second.
    pub hashrate: f64,
    /// When it connected, in Unix seconds.
    pub since: u64,
    /// When its last valid share came, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_share: Option<u64>,
    /// Its shares, as the ledger has them in sum.
    pub shares: Shares,
}

/// Shares of a connection, or of all that a worker has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shares {
    /// Valid ones.
    pub accepted: u64,
    /// Of them, those that a pool is to credit.
    pub due: u64,
    /// Those that our validation refused.
    pub rejected: u64,
    /// Difficulty of the valid ones, summed.
    pub accepted_difficulty: f64,
}

/// A worker: all connections that it has.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Worker {
    /// Its name.
    pub name: String,
    /// Of its connections, in hashes per second.
    pub hashrate: f64,
    /// Of its connections.
    pub shares: Shares,
    /// At most as many as one page has.
    pub connections: Vec<Session>,
}

/// A ban that holds.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ban {
    /// Who keeps it.
    pub listener: String,
    /// The address; of IPv6, the range of 64 bits.
    pub address: String,
    /// How long it still holds.
    pub remaining_seconds: u64,
    /// `hand` or `offences`.
    pub by: String,
}

/// How much is logged.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLevel {
    /// A level, or directives.
    pub level: String,
    /// What it will be again, where it was set by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    /// When, by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_seconds: Option<u64>,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Lets nobody in from an address for so long, and lets those go that are there.
    Ban { address: IpAddr, lasts: Duration, listener: Option<String> },
    /// Makes what runs another than the configuration says.
    Change(Change),
    /// As SIGTERM does.
    Drain,
    /// Lets a miner go.
    Kick { session: u64 },
    /// Lets all miners of a name go.
    KickWorker { worker: String },
    /// Lets an address in again.
    Pardon { address: IpAddr },
}

/// What whoever applies configurations does, in turn with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Lets the miners of a listener go, and takes no others.
    DrainListener { listener: String },
    /// Logs more, or less.
    LogLevel { level: String, lasts: Duration },
    /// Logs as before.
    LogLevelBack,
    /// Mines on one pool before all others.
    Pin { route: String, pool: String },
    /// Takes miners again.
    Resume { listener: String },
    /// Mines as the configuration says.
    Unpin { route: String },
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Whose fault that is.
    #[serde(skip, default)]
    pub blame: Blame,
    /// What is wrong.
    pub error: String,
    /// What to do.
    pub remedy: String,
}

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blame {
    /// What was asked for cannot be.
    #[default]
    Asked,
    /// There is nothing of that name.
    Missing,
    /// The proxy is in no state for it.
    State,
}

// === impl Act ===

impl Act {
    /// What it is, for logs and metrics.
    pub const fn kind(&self) -> AdminAct {
        match self {
            Self::Ban { .. } => AdminAct::Ban,
            Self::Change(change) => change.kind(),
            Self::Drain => AdminAct::Drain,
            Self::Kick { .. } | Self::KickWorker { .. } => AdminAct::Kick,
            Self::Pardon { .. } => AdminAct::Pardon,
        }
    }

    /// What it is about, for logs; empty: the process.
    pub fn subject(&self) -> String {
        match self {
            Self::Ban { address, .. } | Self::Pardon { address } => address.to_string(),
            Self::Change(change) => change.subject(),
            Self::Drain => String::new(),
            Self::Kick { session } => format!("session {session}"),
            Self::KickWorker { worker } => format!("worker {worker}"),
        }
    }
}

// === impl Change ===

impl Change {
    const fn kind(&self) -> AdminAct {
        match self {
            Self::DrainListener { .. } => AdminAct::DrainListener,
            Self::LogLevel { .. } => AdminAct::LogLevel,
            Self::LogLevelBack => AdminAct::LogLevelBack,
            Self::Pin { .. } => AdminAct::Pin,
            Self::Resume { .. } => AdminAct::Resume,
            Self::Unpin { .. } => AdminAct::Unpin,
        }
    }

    fn subject(&self) -> String {
        match self {
            Self::DrainListener { listener } | Self::Resume { listener } => {
                format!("listener {listener}")
            }
            Self::LogLevel { .. } | Self::LogLevelBack => String::new(),
            Self::Pin { route, .. } | Self::Unpin { route } => format!("route {route}"),
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// What was asked for cannot be.
    pub fn asked(error: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { blame: Blame::Asked, error: error.into(), remedy: remedy.into() }
    }

    /// There is nothing of that name.
    pub fn missing(error: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { blame: Blame::Missing, error: error.into(), remedy: remedy.into() }
    }

    /// The proxy is in no state for it.
    pub fn state(error: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { blame: Blame::State, error: error.into(), remedy: remedy.into() }
    }

    /// The same words for whoever looks and for whoever acts.
    pub fn no_session(id: u64) -> Self {
        let remedy = "GET /v1/sessions (stratum-proxy ctl sessions) shows those that are up";
        Self::missing(format!("there is no session {id}"), remedy)
    }

    /// Likewise.
    pub fn no_worker(name: &str) -> Self {
        let remedy = "GET /v1/sessions (stratum-proxy ctl sessions) shows the names of those that are connected";
        Self::missing(format!("no worker {name} is connected"), remedy)
    }

    /// There is none of this name among those that are known.
    pub fn unknown<'a>(
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        let error = format!("there is no {what} {name}");
        let remedy = match loka_api::nearest(known.clone(), name) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("name one of {}", known.collect::<Vec<_>>().join(", ")),
        };
        Self::missing(error, remedy)
    }
}

// === impl Shares ===

impl std::iter::Sum for Shares {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            accepted: sum.accepted + one.accepted,
            due: sum.due + one.due,
            rejected: sum.rejected + one.rejected,
            accepted_difficulty: sum.accepted_difficulty + one.accepted_difficulty,
        })
    }
}
