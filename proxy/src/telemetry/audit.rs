//! The audit log's records: of which kinds they are, what they hold, and the bounded queue between whoever does something
//! and the task that writes it down. What is audited is decided beside what is logged (`events/audited.rs`).
//!
//! Nobody waits for it, and nobody else's records make room for a crowd's: each rank has a part of the queue of its own. No
//! record holds a secret: what it is made of are events, and no event has one.

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use loka_ops::labels;
use loka_ops::said::cut;
use serde::Serialize;
use tokio::sync::Notify;

mod change;
mod queue;

pub use change::{Changed, ConfigChange};

use self::queue::Queue;

/// Of the shape of a record. It rises when a field changes its meaning; fields may come.
pub const VERSION: u32 = 1;

/// Texts of one record that are listed one by one, such as what is wrong with a configuration.
const PROBLEMS_MAX: usize = 16;

labels! {
    /// What a record is about.
    AuditKind {
        /// Somebody did something by the admin interface.
        Admin => "admin",
        /// Somebody was not let in to the admin interface.
        AdminDenied => "admin_denied",
        /// The list of pools and accounts that may be mined to.
        AllowList => "allow_list",
        /// An address that is refused for what it did.
        Ban => "ban",
        /// A share that meets the network's target.
        Block => "block",
        /// The configuration: who is paid, and what else it says.
        Config => "config",
        /// Miners are let go.
        Drain => "drain",
        /// A port that miners connect to.
        Listener => "listener",
        /// A miner's name.
        Login => "login",
        /// Records that could not be written.
        Lost => "lost",
        /// Where a pool's name leads to.
        PoolAddress => "pool_address",
        /// Our login at a pool.
        PoolLogin => "pool_login",
        /// Whom a pool's job pays.
        PoolPayout => "pool_payout",
        /// A pool asks us to connect elsewhere.
        PoolRedirect => "pool_redirect",
        /// A pool or account that the allow-list does not have.
        PoolRefused => "pool_refused",
        /// The process.
        Process => "process",
        /// A connection that did not become a session.
        Refusal => "refusal",
        /// Which pool the miners of a route work for.
        Route => "route",
        /// Records that were not written one by one, for there were too many alike.
        Summary => "summary",
    }
}

labels! {
    /// What came of it.
    AuditOutcome {
        /// As asked.
        Accepted => "accepted",
        /// It was in use already, under another name.
        Adopted => "adopted",
        /// In use.
        Applied => "applied",
        /// It began.
        Began => "began",
        /// No longer open.
        Closed => "closed",
        /// For as many as there are.
        Counted => "counted",
        /// It ended as it was to.
        Done => "done",
        /// It ended.
        Ended => "ended",
        /// It went wrong.
        Failed => "failed",
        /// On its way to the pool.
        Found => "found",
        /// The pool said what it thinks of it.
        Judged => "judged",
        /// Another.
        Moved => "moved",
        /// Open.
        Opened => "opened",
        /// Not as asked.
        Refused => "refused",
        /// Back to what was before.
        TakenBack => "taken_back",
    }
}

/// Whose records are given up first when there is no room: the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    /// What somebody decided.
    Act,
    /// What pools do, and work for them.
    Pool,
    /// What any miner can cause at will.
    Miner,
}

/// What happened, for the audit log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    kind: AuditKind,
    outcome: AuditOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<Box<str>>,
    /// Of the miner, or of whoever used the admin interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<Box<str>>,
    /// By what somebody was let in who did something by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Box<str>>,
    /// Of a closed set.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// In the words of whoever said it, cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Box<str>>,
    /// Where it comes from, or from where something moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Box<str>>,
    /// Of a configuration, or of a block.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Box<ConfigChange>>,
}

/// A record with its place in time and order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AuditRecord {
    pub(crate) at: SystemTime,
    /// From one on, without a gap among those that were let in: what is missing was lost.
    pub(crate) seq: u64,
    pub(crate) entry: AuditEntry,
}

/// How many records there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditCounts {
    /// In the file.
    pub written: u64,
    /// Told as a number only.
    pub summarised: u64,
    /// Neither.
    pub lost: u64,
    /// Not in the file yet: they wait, or are being written.
    pub queued: u64,
    /// What those take.
    pub queued_bytes: u64,
}

/// Where events leave what is to be audited.
#[derive(Debug, Default)]
pub struct AuditTap {
    /// Contended by whoever logs in, is refused or does something, for as long as it takes to push a record; never by a share.
    queue: Mutex<Queue>,
    woken: Notify,
}

// === impl AuditKind ===

impl AuditKind {
    pub(crate) const fn rank(self) -> Rank {
        match self {
            Self::Admin
            | Self::AllowList
            | Self::Config
            | Self::Drain
            | Self::Listener
            | Self::Lost
            | Self::Process
            | Self::Summary => Rank::Act,
            Self::Block
            | Self::PoolAddress
            | Self::PoolLogin
            | Self::PoolPayout
            | Self::PoolRedirect
            | Self::PoolRefused
            | Self::Route => Rank::Pool,
            Self::AdminDenied | Self::Ban | Self::Login | Self::Refusal => Rank::Miner,
        }
    }
}

// === impl AuditEntry ===

impl AuditEntry {
    pub(crate) fn new(kind: AuditKind, outcome: AuditOutcome) -> Self {
        Self {
            kind,
            outcome,
            listener: None,
            route: None,
            pool: None,
            account: None,
            worker: None,
            address: None,
            by: None,
            reason: None,
            detail: None,
            from: None,
            to: None,
            hash: None,
            sequence: None,
            count: None,
            problems: Vec::new(),
            change: None,
        }
    }

    pub(crate) fn kind(&self) -> AuditKind {
        self.kind
    }

    pub(crate) fn listener(self, name: &str) -> Self {
        Self { listener: Some(name.into()), ..self }
    }

    pub(crate) fn route(self, name: &str) -> Self {
        Self { route: Some(name.into()), ..self }
    }

    pub(crate) fn pool(self, route: &str, name: &str) -> Self {
        Self { pool: Some(name.into()), ..self.route(route) }
    }

    pub(crate) fn account(self, account: &str) -> Self {
        Self { account: Some(said(account)), ..self }
    }

    pub(crate) fn worker(self, name: &str) -> Self {
        Self { worker: Some(said(name)), ..self }
    }

    /// With its port, or without.
    pub(crate) fn address(self, address: impl Display) -> Self {
        Self { address: Some(address.to_string().into()), ..self }
    }

    pub(crate) fn by(self, who: &str) -> Self {
        Self { by: Some(said(who)), ..self }
    }

    pub(crate) fn reason(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    pub(crate) fn detail(self, text: &str) -> Self {
        Self { detail: Some(said(text)), ..self }
    }

    pub(crate) fn origin(self, text: &str) -> Self {
        Self { from: Some(said(text)), ..self }
    }

    pub(crate) fn to(self, text: &str) -> Self {
        Self { to: Some(said(text)), ..self }
    }

    pub(crate) fn hash(self, hash: &str) -> Self {
        Self { hash: Some(hash.into()), ..self }
    }

    pub(crate) fn sequence(self, sequence: Option<u64>) -> Self {
        Self { sequence, ..self }
    }

    pub(crate) fn count(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }

    pub(crate) fn problems(self, all: &[String]) -> Self {
        Self { problems: all.iter().take(PROBLEMS_MAX).map(|text| cut(text)).collect(), ..self }
    }

    pub(crate) fn change(self, change: &ConfigChange) -> Self {
        Self { change: Some(Box::new(change.clone())), ..self }
    }

    /// What it takes in the queue.
    fn bytes(&self) -> usize {
        let texts = [
            &self.listener,
            &self.route,
            &self.pool,
            &self.account,
            &self.worker,
            &self.address,
            &self.by,
            &self.detail,
            &self.from,
            &self.to,
            &self.hash,
        ];
        let texts: usize = texts.into_iter().flatten().map(|text| text.len()).sum();
        let problems: usize =
            self.problems.iter().map(|text| size_of::<String>() + text.len()).sum();
        let change = self.change.as_deref().map_or(0, ConfigChange::bytes);
        size_of::<AuditRecord>() + texts + problems + change
    }
}

/// As in a log line: a peer's text is cut, and forges nothing.
fn said(text: &str) -> Box<str> {
    cut(text).into()
}

// === impl AuditTap ===

impl AuditTap {
    /// Takes a record of what happens now. Never waits: what there is no room for is counted.
    pub(crate) fn record(&self, entry: AuditEntry) {
        self.lock().push(SystemTime::now(), entry);
        self.woken.notify_one();
    }

    /// Until there is something to write.
    pub(crate) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// The next records in order, at most so many; among them what was only counted until now.
    pub(crate) fn take(&self, records_max: usize) -> Vec<AuditRecord> {
        self.lock().take(SystemTime::now(), records_max)
    }

    /// So many are in the file.
    pub(crate) fn written(&self, records: usize) {
        self.lock().written(records);
    }

    /// How many there were.
    pub fn counts(&self) -> AuditCounts {
        self.lock().counts()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
