//! `StratumPool`: a pool and the account that is paid there. Its own resource, since the right to
//! change it is the right to redirect hashrate. The account stands in the document, to be reviewed;
//! only the password is a Secret.

mod terms;
mod transport;

pub use terms::{Health, PoolTimeouts, ReconnectPolicy, SuggestDifficulty, Verify};
pub use transport::{CaSecretRef, ClientCertificateRef, PoolProxy, PoolTls, ProxyCredentialsRef};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    conditions::Condition,
    names,
    reserved::Reserved,
    rules::{object_name, only, reserved, rules},
    stratum_proxy::{Protocol, VersionRolling},
    values::{HOST_PORT_PATTERN, POOL_SCHEME_PATTERN},
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
#[schemars(extend("x-kubernetes-validations" = rules([(
    "!has(self.tls) || !self.endpoints.exists(e, e.url.startsWith('stratum+tcp://'))",
    "tls is given, and an endpoint is in the clear; write stratum+ssl:// for every endpoint, or \
     remove tls",
), (
    "!has(self.maxLogins) || (has(self.workerName) && self.workerName.contains('{'))",
    "maxLogins means nothing while all work goes under one login; remove it, or write {worker}, \
     {name} or {listener} into workerName",
)])))]
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

    /// What the pool shows the work under: the login is `account.workerName`. `{worker}` in it
    /// stands for what follows the first dot in the name that a miner authorizes with (without a
    /// dot: that name), `{name}` for the whole name and `{listener}` for the miner's listener; each
    /// name is then a login of its own. Absent: the name of the StratumProxy. Empty: the login is
    /// the account alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.matches('^([A-Za-z0-9._:@-]|[{](worker|name|listener)[}])*$')",
        "must be letters, digits and . _ : @ -, and {worker}, {name} or {listener}; write it like \
         farm-east or {worker}",
    )])))]
    pub worker_name: Option<String>,

    /// With a workerName that has `{worker}`, `{name}` or `{listener}` in it: how many logins are
    /// made on one connection, 1 to 256. Work beyond them goes under the name of the StratumProxy.
    /// Absent: 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub max_logins: Option<i32>,

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

    /// What is looked at in each of the pool's jobs before it is mined on. Absent: nothing beyond
    /// its form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Verify")]
    pub verify: Option<Verify>,

    /// When the pool is taken for dead although it is connected.
    #[serde(default)]
    pub health: Health,

    /// Whether the pool is told, with mining.suggest_difficulty, the difficulty that the measured
    /// hashrate asks for. Default Enabled.
    #[serde(default)]
    pub suggest_difficulty: SuggestDifficulty,

    /// Where the pool's client.reconnect may lead. SameHost: to another port of the same host;
    /// SubDomain: also to a name below it; Never: nowhere. Default SubDomain.
    #[serde(default)]
    pub reconnect: ReconnectPolicy,

    /// The protocol that the pool speaks. Only StratumV1 so far. Absent: StratumV1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = only(
        "StratumV1", "pools are spoken to in Stratum V1 only"
    )))]
    #[schemars(with = "Protocol")]
    pub protocol: Option<Protocol>,

    /// What the certificate of a stratum+ssl:// endpoint is checked by. Absent: it must be for the
    /// endpoint's host, by a public authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<PoolTls>,

    /// By way of whom the pool is reached. Absent: it is connected to directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<PoolProxy>,

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
    /// Where the pool listens: `stratum+tcp://HOST:PORT`, or with TLS `stratum+ssl://HOST:PORT`
    /// (`stratum+tls://` is the same), with the host as a name, an IPv4 address or an IPv6 address
    /// in brackets.
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
        "self.matches('^{POOL_SCHEME_PATTERN}{HOST_PORT_PATTERN}$') && isURL(self) && \
         int(url(self).getPort()) >= 1 && int(url(self).getPort()) <= 65535"
    );
    rules([(
        &shape,
        "must be stratum+tcp://HOST:PORT or stratum+ssl://HOST:PORT with a port from 1 to 65535 \
         and nothing after it; write it like stratum+tcp://pool.example.com:3333",
    )])
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

/// A key of a Secret that a StratumPool refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretUse<'a> {
    /// The field that refers, as in `spec.passwordSecretRef`.
    pub field: &'static str,
    /// Name of the Secret, in the namespace of the StratumPool.
    pub name: &'a str,
    /// The key in its data.
    pub key: &'a str,
}

impl StratumPoolSpec {
    /// Every key of a Secret that it refers to.
    #[must_use]
    pub fn secrets(&self) -> Vec<SecretUse<'_>> {
        let mut all = Vec::new();
        if let Some(SecretKeyRef { name, key }) = &self.password_secret_ref {
            all.push(SecretUse { field: "spec.passwordSecretRef", name, key });
        }
        let tls = self.tls.as_ref();
        if let Some(CaSecretRef { name, key }) = tls.and_then(|tls| tls.ca_secret_ref.as_ref()) {
            all.push(SecretUse { field: "spec.tls.caSecretRef", name, key });
        }
        let certificate = tls.and_then(|tls| tls.client_certificate_secret_ref.as_ref());
        if let Some(ClientCertificateRef { name }) = certificate {
            let field = "spec.tls.clientCertificateSecretRef";
            let keys = [names::TLS_CERTIFICATE_KEY, names::TLS_PRIVATE_KEY_KEY];
            all.extend(keys.map(|key| SecretUse { field, name, key }));
        }
        let credentials = self.proxy.as_ref().and_then(|it| it.credentials_secret_ref.as_ref());
        if let Some(ProxyCredentialsRef { name }) = credentials {
            let field = "spec.proxy.credentialsSecretRef";
            let keys = [names::USERNAME_KEY, names::PASSWORD_KEY];
            all.extend(keys.map(|key| SecretUse { field, name, key }));
        }
        all
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
