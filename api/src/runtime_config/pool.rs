//! Pools. Every default of a field that came later means what was done before it, and is not
//! written.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::secrets::Secret;

use super::{TlsVersion, VersionRolling, is_default};

pub use crate::stratum_pool::{ReconnectPolicy, SuggestDifficulty};

const MINUTES_PER_DAY: u16 = 24 * 60;
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;
const DAYS_PER_WEEK: u64 = 7;

const DAY_NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The first day of Unix time was a Thursday: three days after a Monday.
const EPOCH_AFTER_MONDAY: u64 = 3;

/// One address of a pool, with the login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// Unique in the route: the StratumPool's name, and `name/2`, `name/3` for its further
    /// endpoints.
    pub name: String,
    /// The priority in the route. The order of the list says it already.
    pub priority: i32,
    /// Where it is.
    pub endpoint: Endpoint,
    /// The whole login: the account, or `account.workerName`.
    pub user: String,
    /// The account that is paid.
    pub account: String,
    /// The password of the login.
    pub password: Secret,
    /// How long it may take.
    pub timeouts: PoolTimeouts,
    /// Whether it is asked for version rolling.
    pub version_rolling: VersionRolling,
    /// The part of the hashrate among the StratumPools of its priority: all of them have one, or
    /// none. The endpoints of one StratumPool share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// When it may be mined on. Empty: always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<Window>,
    /// How miners' names reach it. Absent: all work goes under `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_names: Option<WorkerNames>,
    /// What its coinbase must pay. Absent: that is not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payout: Option<Payout>,
    /// When it is taken for dead.
    #[serde(default, skip_serializing_if = "is_default")]
    pub health: Health,
    /// Whether it is told the difficulty that the measured hashrate asks for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub suggest_difficulty: SuggestDifficulty,
    /// Where its `client.reconnect` may lead.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reconnect: ReconnectPolicy,
    /// TLS. Absent: in the clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<PoolTls>,
    /// The SOCKS5 server that it is reached by. Absent: directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socks5: Option<Socks5>,
}

/// Host and port of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// TLS towards a pool. Certificates are no secrets, but come out of Secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolTls {
    /// The name that the pool's certificate must be for. Absent: the host that is connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The authorities, in PEM. Absent: the public ones, unless there are pins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<Secret>,
    /// What the pool is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// The SHA-256 of certificates or of their public keys, 64 digits in lower case: the pool's
    /// must be one of them. Without authorities of our own that is all that is looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<String>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
}

/// What a pool is shown of us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificate {
    /// The chain, our own certificate first.
    pub certificate_pem: Secret,
    /// The private key of the first certificate.
    pub key_pem: Secret,
}

/// A SOCKS5 server by which a pool is reached. It resolves the pool's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Socks5 {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The login there. Absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Socks5Login>,
}

/// A login at a SOCKS5 server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Socks5Login {
    /// Who.
    pub username: Secret,
    /// The password.
    pub password: Secret,
}

/// How long a pool may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolTimeouts {
    /// To accept a connection.
    pub connect_ms: u64,
    /// To answer subscribe and authorize.
    pub handshake_ms: u64,
    /// To send the first job.
    pub first_job_ms: u64,
    /// To send the next job.
    pub job_silence_ms: u64,
    /// To answer a share.
    pub submit_ms: u64,
}

/// Every week, on these days, from one minute of the day to another. UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// The days on which it begins: bit 0 is Monday, bit 6 is Sunday.
    pub days: u8,
    /// The first minute of the day, 0 to 1439.
    pub from_minute: u16,
    /// The minute with which it is over, 1 to 1440. Not above `from_minute`: on the next day.
    pub to_minute: u16,
}

/// How miners' names reach the pool. Absent: all work goes under the pool's one login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerNames {
    /// What follows the account and a dot in a login, with `{worker}`, `{name}` and `{listener}`
    /// in it.
    pub template: String,
    /// Logins at once on one connection, the plain one not counted. Work beyond goes under that.
    pub logins_max: u16,
}

/// What the pool's coinbase must pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payout {
    /// As the document has it, for messages.
    pub address: String,
    /// The output script of that address, in hex.
    pub script_hex: String,
    /// The least part of the coinbase's value that goes there.
    pub min_percent: u8,
}

/// When a pool that is connected is taken for dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// A share unanswered for so long. Absent: by what the pool has taken so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submit_stall_ms: Option<u64>,
    /// Mining on a block that another pool has left so long ago.
    #[serde(default = "block_lag_ms")]
    pub block_lag_ms: u64,
}

const fn block_lag_ms() -> u64 {
    5_000
}

/// The StratumPool that a [`Pool`] of this name is an endpoint of.
#[must_use]
pub fn pool_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(pool, _)| pool)
}

// === impl Window ===

impl Window {
    /// Whether a moment of Unix time falls into it.
    #[must_use]
    pub const fn contains(&self, unix_seconds: u64) -> bool {
        let day = unix_seconds / SECONDS_PER_DAY;
        let today = (day + EPOCH_AFTER_MONDAY) % DAYS_PER_WEEK;
        let yesterday = (day + EPOCH_AFTER_MONDAY + DAYS_PER_WEEK - 1) % DAYS_PER_WEEK;
        let seconds = unix_seconds % SECONDS_PER_DAY;
        let (from, to) = (self.from_minute as u64 * 60, self.to_minute as u64 * 60);
        if from < to {
            return self.begins_on(today) && from <= seconds && seconds < to;
        }
        (self.begins_on(today) && from <= seconds) || (self.begins_on(yesterday) && seconds < to)
    }

    const fn begins_on(&self, day: u64) -> bool {
        self.days >> day & 1 == 1
    }

    /// Whether its numbers are ones that a document can ask for.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.days > 0
            && self.days < 1 << DAYS_PER_WEEK
            && self.from_minute < MINUTES_PER_DAY
            && self.to_minute > 0
            && self.to_minute <= MINUTES_PER_DAY
            && self.from_minute != self.to_minute
    }

    /// The days on which it begins, for people: `Mon-Fri, Sun`.
    #[must_use]
    pub fn day_names(&self) -> String {
        let names: Vec<_> = DAY_NAMES.iter().zip(0..).collect();
        let runs = names.chunk_by(|(_, a), (_, b)| self.begins_on(*a) == self.begins_on(*b));
        let runs = runs.filter_map(|run| match run {
            [(name, day)] => self.begins_on(*day).then(|| (*name).to_string()),
            [(first, day), .., (last, _)] => {
                self.begins_on(*day).then(|| format!("{first}-{last}"))
            }
            [] => None,
        });
        runs.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { days: _, from_minute, to_minute } = *self;
        let over_night = if to_minute <= from_minute { " (next day)" } else { "" };
        let [from, to] =
            [from_minute, to_minute].map(|it| format!("{:02}:{:02}", it / 60, it % 60));
        write!(f, "{} {from} to {to}{over_night}", self.day_names())
    }
}

// === impl Health ===

impl Default for Health {
    fn default() -> Self {
        Self { submit_stall_ms: None, block_lag_ms: block_lag_ms() }
    }
}

// === impl Pool ===

impl Pool {
    /// Whether it may be mined on at a moment of Unix time.
    #[must_use]
    pub fn is_scheduled(&self, unix_seconds: u64) -> bool {
        self.schedule.is_empty() || self.schedule.iter().any(|it| it.contains(unix_seconds))
    }

    /// Whether it is not to be spoken to as by a proxy that does not know TLS and SOCKS: that would
    /// send the login in the clear, or past the server that it is to go by.
    pub(super) const fn is_reached_otherwise(&self) -> bool {
        self.tls.is_some() || self.socks5.is_some()
    }

    /// Whether it needs more than one login, mined on whenever it is healthy.
    pub(super) fn is_beyond_the_order(&self) -> bool {
        let Self {
            name: _,
            priority: _,
            endpoint: _,
            user: _,
            account: _,
            password: _,
            timeouts: _,
            version_rolling: _,
            weight,
            schedule,
            worker_names,
            payout,
            health,
            suggest_difficulty,
            reconnect,
            tls: _,
            socks5: _,
        } = self;
        weight.is_some()
            || !schedule.is_empty()
            || worker_names.is_some()
            || payout.is_some()
            || !is_default(health)
            || !is_default(suggest_difficulty)
            || !is_default(reconnect)
    }
}
