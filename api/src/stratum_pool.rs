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
    /// Addresses of the pool, in the order in which they are tried.
    #[schemars(length(min = 1, max = 8))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.all(e, self.exists_one(f, f.url == e.url))",
        "an endpoint stands twice in the list; name each URL once",
    )])))]
    pub endpoints: Vec<Endpoint>,

    /// The account at the pool that is paid: a user name or an address, without a worker.
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

    /// How long the pool may take.
    #[serde(default)]
    pub timeouts: PoolTimeouts,

    /// Whether the pool is asked for version rolling.
    #[serde(default)]
    pub version_rolling: VersionRolling,

    /// The protocol that the pool speaks. Only StratumV1 so far.
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
    /// `stratum+tcp://HOST:PORT`.
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
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = object_name("Secret")))]
    pub name: String,

    /// Key in its data.
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
    /// To accept a connection.
    #[schemars(extend("x-kubernetes-validations" = duration("100ms", "5m", "5s")))]
    pub connect: DurationText,

    /// To answer subscribe and authorize.
    #[schemars(extend("x-kubernetes-validations" = duration("100ms", "5m", "10s")))]
    pub handshake: DurationText,

    /// To send the first job.
    #[schemars(extend("x-kubernetes-validations" = duration("100ms", "30m", "30s")))]
    pub first_job: DurationText,

    /// To send the next job. A pool that is silent for longer is taken for dead.
    #[schemars(extend("x-kubernetes-validations" = duration("1s", "24h", "10m")))]
    pub job_silence: DurationText,

    /// To answer a share.
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
