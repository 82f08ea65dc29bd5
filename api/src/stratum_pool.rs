//! `StratumPool`: a pool and the account that is paid there. Its own resource, since the right to
//! change it is the right to redirect hashrate. The account stands in the document, to be reviewed;
//! only the password is a Secret.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    conditions::Condition,
    names,
    reserved::Reserved,
    rules::{duration, object_name, only, reserved, rules},
    stratum_proxy::{Protocol, VersionRolling},
    values::{DurationText, POOL_URL_PATTERN},
};

/// A pool and the account that is paid there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "crd", derive(kube::CustomResource))]
#[cfg_attr(
    feature = "crd",
    expect(clippy::duplicated_attributes, reason = "each column has the same few attributes")
)]
#[cfg_attr(
    feature = "crd",
    kube(
        group = "stratum.loka.dev",
        version = "v1alpha1",
        kind = "StratumPool",
        plural = "stratumpools",
        namespaced,
        status = "StratumPoolStatus",
        doc = "A pool and the account that is paid there.",
        shortname = "spool",
        category = "stratum",
        printcolumn(name = "Account", type_ = "string", json_path = ".spec.account"),
        printcolumn(name = "URL", type_ = "string", json_path = ".spec.endpoints[0].url"),
        printcolumn(
            name = "Available",
            type_ = "string",
            json_path = ".status.conditions[?(@.type==\"Available\")].status"
        ),
        printcolumn(
            name = "Reason",
            type_ = "string",
            priority = 1,
            json_path = ".status.conditions[?(@.type==\"Available\")].reason"
        ),
        printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
    )
)]
#[serde(rename_all = "camelCase")]
pub struct StratumPoolSpec {
    /// Addresses of the pool, 1 to 8, in the order in which they are tried.
    #[schemars(length(min = 1, max = 8))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.all(e, self.exists_one(f, f.url == e.url))",
        "an endpoint stands twice in the list; name each URL once",
    )])))]
    pub endpoints: Vec<Endpoint>,

    /// The account at the pool that is paid: a user name or an address, without a worker. It
    /// decides who gets the money: review every change of it.
    #[schemars(length(min = 1, max = 128))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.matches('^[!-~]+$')",
        "must be printable ASCII without spaces; write the account as the pool shows it",
    )])))]
    pub account: String,

    /// What the pool shows the work under: the login is `account.workerName`. Absent: the name of
    /// the StratumProxy. Empty: the login is the account alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.matches('^[A-Za-z0-9._:@-]*$')",
        "must be letters, digits and . _ : @ -; write it like farm-east",
    )])))]
    pub worker_name: Option<String>,

    /// The Secret that holds the password. Absent: the password is `x`, which pools that pay by
    /// account expect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeyRef>,

    /// How long the pool may take before the next endpoint or pool is tried.
    #[serde(default)]
    pub timeouts: PoolTimeouts,

    /// Whether the pool is asked for version rolling (BIP 310). Default Enabled.
    #[serde(default)]
    pub version_rolling: VersionRolling,

    /// The protocol that the pool speaks. Only StratumV1 so far. Absent: StratumV1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = only(
        "StratumV1", "pools are spoken to in Stratum V1 only"
    )))]
    #[schemars(with = "Protocol")]
    pub protocol: Option<Protocol>,

    /// Reserved: TLS towards the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = reserved(
        "TLS towards pools is not spoken yet"
    )))]
    pub tls: Option<Reserved>,

    /// Reserved: who may use this pool from another namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = reserved(
        "only StratumProxies of the same namespace may use a StratumPool"
    )))]
    pub allowed_namespaces: Option<Reserved>,
}

/// An address of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Where the pool listens: `stratum+tcp://HOST:PORT`, with the host as a name, an IPv4 address
    /// or an IPv6 address in brackets.
    #[schemars(length(min = 1, max = 280))]
    #[schemars(extend("x-kubernetes-validations" = url_rules()))]
    pub url: String,

    /// Reserved: where in the world the endpoint stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    #[schemars(extend("x-kubernetes-validations" = reserved(
        "endpoints are tried in their order, not by region"
    )))]
    pub region: Option<String>,
}

fn url_rules() -> serde_json::Value {
    let shape = format!(
        "self.startsWith('stratum+ssl://') || (self.matches('{POOL_URL_PATTERN}') && isURL(self) \
         && int(url(self).getPort()) >= 1 && int(url(self).getPort()) <= 65535)"
    );
    rules([
        (
            "!self.startsWith('stratum+ssl://')",
            "reserved: TLS towards pools is not spoken yet; use the pool's stratum+tcp:// address",
        ),
        (
            &shape,
            "must be stratum+tcp://HOST:PORT with a port from 1 to 65535 and nothing after it; \
             write it like stratum+tcp://pool.example.com:3333",
        ),
    ])
}

/// A key of a Secret in the namespace of the StratumPool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret, in the namespace of the StratumPool.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = object_name("Secret")))]
    pub name: String,

    /// Key in its data. Default password. Outside a cluster the environment variable
    /// `STRATUM_SECRET_<NAME>_<KEY>` may stand in for the Secret.
    #[serde(default = "default_key")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.matches('^[A-Za-z0-9._-]+$')",
        "is not a key that a Secret can have; write letters, digits and . _ -",
    )])))]
    pub key: String,
}

fn default_key() -> String {
    names::PASSWORD_KEY.to_owned()
}

/// How long the pool may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolTimeouts {
    /// How long the pool may take to accept a connection: a duration from 100ms to 5m. Default 5s.
    #[schemars(extend("x-kubernetes-validations" = duration("100ms", "5m", "5s")))]
    pub connect: DurationText,

    /// How long the pool may take to answer subscribe and authorize: a duration from 100ms to 5m.
    /// Default 10s.
    #[schemars(extend("x-kubernetes-validations" = duration("100ms", "5m", "10s")))]
    pub handshake: DurationText,

    /// How long the pool may take to send the first job: a duration from 100ms to 30m. Default 30s.
    #[schemars(extend("x-kubernetes-validations" = duration("100ms", "30m", "30s")))]
    pub first_job: DurationText,

    /// How long the pool may take to send the next job: a duration from 1s to 24h. Default 10m. A
    /// pool that sends none for longer is taken for dead.
    #[schemars(extend("x-kubernetes-validations" = duration("1s", "24h", "10m")))]
    pub job_silence: DurationText,

    /// How long the pool may take to answer a share: a duration from 100ms to 10m. Default 60s.
    #[schemars(extend("x-kubernetes-validations" = duration("100ms", "10m", "60s")))]
    pub submit: DurationText,
}

impl Default for PoolTimeouts {
    fn default() -> Self {
        Self {
            connect: "5s".into(),
            handshake: "10s".into(),
            first_job: "30s".into(),
            job_silence: "10m".into(),
            submit: "60s".into(),
        }
    }
}

/// Whether a pool is told the difficulty that the measured hashrate asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum SuggestDifficulty {
    /// With `mining.suggest_difficulty`.
    #[default]
    Enabled,
    /// Never.
    Disabled,
}

/// Where a pool's `client.reconnect` may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ReconnectPolicy {
    /// To another port of the same host.
    SameHost,
    /// To the same host, or a name below it.
    #[default]
    SubDomain,
    /// Nowhere.
    Never,
}

/// What the operator observed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StratumPoolStatus {
    /// The generation that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Accepted, ResolvedRefs and Available.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Vec<Condition>,

    /// How many StratumProxies use the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<i32>,
}
