//! The rendered config: what a proxy runs, complete and without references, units resolved. It is
//! also the snapshot that an operator pushes, so it only grows: unknown fields are ignored, and a
//! field that is added later has a default. Owns the hash that names a config.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::secrets::Secret;

mod authentication;
mod firmware;
mod pool;
mod protection;
mod route;
mod rule;

pub use authentication::{Authentication, OnHookFailure, Webhook, WebhookTls};
pub use firmware::FirmwareProfile;
pub use pool::{
    ClientCertificate, Endpoint, Health, Payout, Pool, PoolTimeouts, PoolTls, ReconnectPolicy,
    Socks5, Socks5Login, SuggestDifficulty, Window, WorkerNames, pool_of,
};
pub use protection::{Ban, ProxyProtocol};
pub use route::{ExtranonceLayout, Mode, OnNoPool, Rollout, RolloutStep, Route};
pub use rule::Rule;

pub use crate::stratum_proxy::{NoPoolPolicy, SetExtranonce, TlsVersion, VersionRolling};

/// The highest shape of this document that is understood. A proxy refuses a higher one; a writer
/// names the lowest that can run the config, [`RuntimeConfig::schema_needed`], so that an older
/// proxy goes on with what it understands.
pub const SCHEMA: u32 = SCHEMA_LOGINS;

/// What every proxy understands.
const SCHEMA_FIRST: u32 = 1;

/// With TLS towards miners: a proxy that ignored it would serve them in the clear.
const SCHEMA_TLS: u32 = 2;

/// With anything that says where work goes beyond the order of pools, or what a pool or a firmware
/// is told: a proxy that ignored it would mine elsewhere than it is meant to.
const SCHEMA_FLEET: u32 = 3;

/// With TLS or SOCKS towards a pool: a proxy that ignored it would send the login in the clear. With
/// limits for single addresses, bans, or a load balancer's word for where miners are from: it would
/// let in whom it is to refuse, or take every header for garbage.
const SCHEMA_PROTECTION: u32 = 4;

/// With logins that are checked, or limits for single names: a proxy that ignored them would let in whom
/// it is to refuse.
const SCHEMA_LOGINS: u32 = 5;

/// Bytes of the hash that are kept: enough to tell the configs of one farm apart.
const HASH_BYTES: usize = 6;

/// All that a proxy process runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeConfig {
    /// [`Self::schema_needed`].
    pub schema: u32,
    /// `namespace/name` of the StratumProxy.
    pub name: String,
    /// Ports that miners connect to.
    pub listeners: Vec<Listener>,
    /// Where the work goes.
    pub routes: Vec<Route>,
    /// Which miners take another route than their listener's. The first that matches decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// What miners' firmware can take. Tried before the profiles that the proxy has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub firmware: Vec<FirmwareProfile>,
    /// What happens at the end.
    pub drain: Drain,
    /// Logs and traces.
    pub observability: Observability,
}

/// A port that miners connect to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Name, unique.
    pub name: String,
    /// TCP port, unique.
    pub port: u16,
    /// Name of one of the routes.
    pub route: String,
    /// How hard shares are.
    pub difficulty: DifficultyRange,
    /// What a connection may ask.
    pub limits: Limits,
    /// TLS towards miners. Absent: in the clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
    /// Whose word is taken for where a connection comes from. Absent: its own address is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Who decides whom it lets in. Absent: whoever connects may mine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
}

/// TLS towards miners. The certificate is no secret, but comes out of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerTls {
    /// The chain, the listener's own certificate first.
    pub certificate_pem: Secret,
    /// The private key of the first certificate.
    pub key_pem: Secret,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
}

/// How hard the shares of a listener's miners are. Plain decimal text: no suffix, no exponent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DifficultyRange {
    /// Where a miner begins.
    pub initial: String,
    /// The least.
    pub min: String,
    /// The most.
    pub max: String,
    /// The time between two shares that is aimed at.
    pub share_interval_ms: u64,
}

/// What a connection may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Connections of the listener at once.
    pub max_connections: u32,
    /// The longest line.
    pub max_line_bytes: u32,
    /// Until authorised.
    pub handshake_timeout_ms: u64,
    /// Without a message.
    pub idle_timeout_ms: u64,
    /// Submits of a connection, on average.
    pub submits_per_second: u32,
    /// Submits of a connection at once.
    pub submit_burst: u32,
    /// Connections of one address at once. Absent: no bound of its own, as below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections_per_address: Option<u32>,
    /// New connections of one address, on average and at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connects_per_minute_per_address: Option<u32>,
    /// Connections without a complete handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_handshakes: Option<u32>,
    /// The same of one address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_handshakes_per_address: Option<u32>,
    /// Connections of one name at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections_per_worker: Option<u32>,
    /// Submits of one name, on average and at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submits_per_minute_per_worker: Option<u32>,
    /// Absent: no address is banned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ban: Option<Ban>,
    /// Ranges of addresses that are never banned and have no limit for one address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exempt: Vec<String>,
}

/// What happens at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// How long miners and shares in flight are waited for at most.
    pub timeout_ms: u64,
}

/// Logs and traces.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observability {
    /// As log filters write it: `info`. Absent: what the process was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_level: Option<String>,
    /// From `0` to `1`. Absent: what the process was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing_sampling_ratio: Option<String>,
}

// === impl RuntimeConfig ===

impl RuntimeConfig {
    /// The lowest schema that can run this config.
    #[must_use]
    pub fn schema_needed(&self) -> u32 {
        if self.listeners.iter().any(Listener::is_by_name) {
            return SCHEMA_LOGINS;
        }
        let mut pools = self.routes.iter().flat_map(|route| &route.pools);
        if self.listeners.iter().any(Listener::is_protected)
            || pools.any(Pool::is_reached_otherwise)
        {
            return SCHEMA_PROTECTION;
        }
        let has_rules = !self.rules.is_empty() || !self.firmware.is_empty();
        if has_rules || self.routes.iter().any(Route::is_beyond_the_order) {
            return SCHEMA_FLEET;
        }
        match self.listeners.iter().any(|listener| listener.tls.is_some()) {
            true => SCHEMA_TLS,
            false => SCHEMA_FIRST,
        }
    }
}

// === impl Listener ===

impl Listener {
    /// Whether it looks at whom it lets in, or how much one name does.
    fn is_by_name(&self) -> bool {
        let limits = &self.limits;
        self.authentication.is_some()
            || limits.max_connections_per_worker.is_some()
            || limits.submits_per_minute_per_worker.is_some()
    }

    /// Whether it asks for more than bounds of each connection and of all together.
    fn is_protected(&self) -> bool {
        let Limits {
            max_connections: _,
            max_line_bytes: _,
            handshake_timeout_ms: _,
            idle_timeout_ms: _,
            submits_per_second: _,
            submit_burst: _,
            max_connections_per_address,
            connects_per_minute_per_address,
            max_handshakes,
            max_handshakes_per_address,
            // Of a higher schema.
            max_connections_per_worker: _,
            submits_per_minute_per_worker: _,
            ban,
            // Without any of the others it exempts from nothing.
            exempt: _,
        } = &self.limits;
        let numbers = [
            max_connections_per_address,
            connects_per_minute_per_address,
            max_handshakes,
            max_handshakes_per_address,
        ];
        self.proxy_protocol.is_some() || ban.is_some() || numbers.iter().any(|it| it.is_some())
    }
}

/// Whether a field need not be written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Names a config by its content: [`hash_of_json`] of its [`json`]. Fields are written in the order
/// of the types, so equal configs have equal hashes.
#[must_use]
pub fn hash(config: &RuntimeConfig) -> String {
    hash_of_json(json(config).as_bytes())
}

/// A config as it is hashed and sent. It holds passwords.
#[must_use]
pub fn json(config: &RuntimeConfig) -> String {
    // Maps with keys that are no texts could fail; there are none in these types.
    serde_json::to_string(config).unwrap_or_default()
}

/// The first bytes of the SHA-256, in hex.
#[must_use]
pub fn hash_of_json(json: &[u8]) -> String {
    Sha256::digest(json).iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
