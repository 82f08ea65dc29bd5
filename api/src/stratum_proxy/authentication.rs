//! Whom a listener lets in: everybody, a list of hashed passwords, whom a web hook says, or whom the pool lets in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    rules::{duration, object_name, rules},
    values::{DurationText, WEB_URL_PATTERN},
};

/// Who decides whom a listener lets in. What the list or the hook refuses is answered with error 24 and
/// given no job; the connection stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules([
    (
        "(self.type == 'List') == has(self.list)",
        "list goes with type List and with no other; set type to List with a list, or remove it",
    ),
    (
        "(self.type == 'Webhook') == has(self.webhook)",
        "webhook goes with type Webhook and with no other; set type to Webhook with a webhook, or \
         remove it",
    ),
])))]
pub struct Authentication {
    /// Open: whoever connects may mine. List: whose name and password are in list. Webhook: whom
    /// webhook lets in. Pool: whom the pool lets in that the miner would mine on, asked with the
    /// miner's own password for the login that the pool's workerName makes of its name.
    pub r#type: AuthenticationType,

    /// Hashed passwords by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<LoginList>,

    /// A web hook that is asked for each login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AuthenticationType {
    /// Nobody.
    Open,
    /// A list.
    List,
    /// A web hook.
    Webhook,
    /// The pool.
    Pool,
}

/// Hashed passwords by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginList {
    /// The Secret with the list.
    pub secret_ref: LoginListSecretRef,
}

/// A key of a Secret with a list of logins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginListSecretRef {
    /// Name of the Secret, in the namespace of the StratumProxy.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = object_name("Secret")))]
    pub name: String,

    /// Key in its data: up to 4096 lines of a worker's name, a blank and the hash of its password, as
    /// `stratum-proxy hash-password` prints it. In a name `*` is any text and `?` any character; a
    /// name may stand there several times, and one right password is enough. Default logins.
    /// Outside a cluster the environment variable `STRATUM_SECRET_<NAME>_<KEY>` may stand in for
    /// the Secret.
    #[serde(default = "logins")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = key()))]
    pub key: String,
}

/// A web hook that is asked for each login: by POST, in JSON, with listener, worker, password, address
/// and userAgent. It answers with status 200 and {"allow": true} or {"allow": false}; whatever
/// else it does is a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Where it is: https:// or http://, a host, and if need be a port and a path.
    #[schemars(length(min = 8, max = 512))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        &format!("self.matches('{WEB_URL_PATTERN}')"),
        "is no address of a web hook; write it like https://auth.farm.example/miners",
    )])))]
    pub url: String,

    /// The Secret with the authorities that the hook's certificate must come from. Absent: the public
    /// ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<HookCaSecretRef>,

    /// The Secret with a token that the hook is shown, as a bearer's. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<HookTokenSecretRef>,

    /// How long the hook may take for an answer: a duration from 100ms to 10s. Default 2s.
    #[serde(default = "timeout")]
    #[schemars(extend("x-kubernetes-validations" = duration("100ms", "10s", "2s")))]
    pub timeout: DurationText,

    /// How long a yes holds for the same name, password and address: a duration from 1s to 24h.
    /// Default 10m.
    #[serde(default = "allow_for")]
    #[schemars(extend("x-kubernetes-validations" = duration("1s", "24h", "10m")))]
    pub allow_for: DurationText,

    /// How long a no holds: a duration from 1s to 1h. Default 30s.
    #[serde(default = "refuse_for")]
    #[schemars(extend("x-kubernetes-validations" = duration("1s", "1h", "30s")))]
    pub refuse_for: DurationText,

    /// How long a yes holds while the hook fails: a duration from 1s to 720h. Default 24h.
    #[serde(default = "stale_for")]
    #[schemars(extend("x-kubernetes-validations" = duration("1s", "720h", "24h")))]
    pub stale_for: DurationText,

    /// What becomes of those that nothing is known of while the hook fails. Allow lets them in: what
    /// they find is paid to the account of the route all the same, and a farm that comes back while
    /// its hook is down goes on mining. Refuse turns them away. Default Allow.
    #[serde(default)]
    pub on_failure: OnHookFailure,
}

/// What becomes of miners that nothing is known of while a hook fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum OnHookFailure {
    /// They mine.
    #[default]
    Allow,
    /// They are told to try again.
    Refuse,
}

/// A key of a Secret with certificates of authorities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookCaSecretRef {
    /// Name of the Secret, in the namespace of the StratumProxy.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = object_name("Secret")))]
    pub name: String,

    /// Key in its data: certificates in PEM. Default ca.crt.
    #[serde(default = "ca")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = key()))]
    pub key: String,
}

/// A key of a Secret with a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookTokenSecretRef {
    /// Name of the Secret, in the namespace of the StratumProxy.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = object_name("Secret")))]
    pub name: String,

    /// Key in its data. Default token.
    #[serde(default = "token")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = key()))]
    pub key: String,
}

// === impl Authentication ===

impl Authentication {
    /// The names of the Secrets that it refers to.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let list = self.list.as_ref().map(|list| list.secret_ref.name.as_str());
        let hook = self.webhook.as_ref();
        let ca = hook.and_then(|hook| Some(hook.ca_secret_ref.as_ref()?.name.as_str()));
        let token = hook.and_then(|hook| Some(hook.token_secret_ref.as_ref()?.name.as_str()));
        [list, ca, token].into_iter().flatten()
    }
}

fn key() -> serde_json::Value {
    rules([(
        "self.matches('^[A-Za-z0-9._-]+$')",
        "is not a key that a Secret can have; write letters, digits and . _ -",
    )])
}

fn logins() -> String {
    crate::names::LOGINS_KEY.to_owned()
}

fn ca() -> String {
    crate::names::CA_KEY.to_owned()
}

fn token() -> String {
    crate::names::TOKEN_KEY.to_owned()
}

fn timeout() -> DurationText {
    "2s".into()
}

fn allow_for() -> DurationText {
    "10m".into()
}

fn refuse_for() -> DurationText {
    "30s".into()
}

fn stale_for() -> DurationText {
    "24h".into()
}
