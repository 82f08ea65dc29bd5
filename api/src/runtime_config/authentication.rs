//! Whom a listener lets in.

use serde::{Deserialize, Serialize};

use super::Endpoint;
use crate::secrets::Secret;

pub use crate::stratum_proxy::OnHookFailure;

/// Who decides whom a listener lets in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Authentication {
    /// A list of hashed passwords.
    List {
        /// One entry on each line.
        entries: Secret,
    },
    /// The pool that a miner would mine on.
    Pool,
    /// A web hook.
    Webhook(Webhook),
}

/// A web hook that is asked for each login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Begins with `/`.
    pub path: String,
    /// Absent: in the clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<WebhookTls>,
    /// What it knows us by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// For one answer.
    pub timeout_ms: u64,
    /// How long a yes holds.
    pub allow_for_ms: u64,
    /// How long a no holds.
    pub refuse_for_ms: u64,
    /// How long a yes holds while the hook does not answer.
    pub stale_for_ms: u64,
    /// What becomes of those that nothing is known of then.
    pub on_failure: OnHookFailure,
}

/// TLS towards a web hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookTls {
    /// Absent: the public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<Secret>,
}
