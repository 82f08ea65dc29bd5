//! What the operator observed. Never a rate or a count of shares: those are metrics.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::Condition;

/// What the operator observed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StratumProxyStatus {
    /// The generation that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Accepted, ResolvedRefs, Programmed, Available and, in sum, Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["type"]
    ))]
    pub conditions: Vec<Condition>,

    /// Pods that exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,

    /// Pods that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,

    /// Selector of the pods, for autoscalers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,

    /// What a miner must be given, such as 192.0.2.10:3333.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,

    /// The accounts that are paid, in the order of the pools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<String>,

    /// The config that was rendered, and how far it got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigStatus>,
}

/// The config that was rendered, and how far it got.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigStatus {
    /// Rises with each config that differs.
    #[serde(default)]
    pub sequence: i64,

    /// Hash of the rendered config.
    #[serde(default)]
    pub hash: String,

    /// The generation that it was rendered from.
    #[serde(default)]
    pub generation: i64,

    /// Ready pods that run it, of all ready pods, such as 3/3.
    #[serde(default)]
    pub summary: String,
}
