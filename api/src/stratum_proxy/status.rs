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

    /// Accepted, ResolvedRefs, Programmed, Available, Progressing and, in sum, Ready.
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

    /// Pods of the newest image and settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_replicas: Option<i32>,

    /// Selector of the pods, for autoscalers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,

    /// What a miner must be given, such as 192.0.2.10:3333; of several listeners each with its
    /// name: v1=192.0.2.10:3333,v1-b=192.0.2.10:3334.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,

    /// The accounts that are paid, in the order of the pools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<String>,

    /// The config that was rendered, and how far it got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigStatus>,

    /// The pools of all routes, each as most of the pods see it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"]
    ))]
    pub pools: Vec<PoolStatus>,

    /// Pools that are up, of all pools, such as 2/2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool_summary: Option<String>,
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

    /// How many pods are where.
    #[serde(default)]
    pub pods: ConfigPods,

    /// The config that a pod refused last. It is gone as soon as one is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rejected: Option<LastRejected>,
}

/// How many pods are where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigPods {
    /// Ready pods.
    pub total: i32,
    /// Ready pods that run the config.
    pub synced: i32,
    /// Ready pods that do not run it yet.
    pub pending: i32,
    /// Ready pods that refused it.
    pub rejected: i32,
}

/// A config that a pod refused.
// No field has a default: an empty text is no time, and an API server refuses a definition that says so.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastRejected {
    /// Hash of the config.
    pub hash: String,
    /// Name of the pod.
    pub pod: String,
    /// The field that the pod objects to. Empty: the config as a whole.
    pub field: String,
    /// What the pod says.
    pub message: String,
    /// When the operator heard of it.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
}

/// A pool, as the pods see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolStatus {
    /// Name of the StratumPool.
    pub name: String,

    /// Whether it takes work: Up if any pod gets work from it, Down if none does, Unknown if no pod
    /// has said.
    pub state: PoolState,

    /// Pods that get work from it.
    #[serde(default)]
    pub pods_up: i32,
}

/// Whether a pool takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PoolState {
    /// It does.
    Up,
    /// It does not.
    Down,
    /// No pod has said.
    Unknown,
}
