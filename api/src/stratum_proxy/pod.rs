//! What the operator is told about pods: image, placement, resources. What a pod *does* is
//! everything else in the spec, and reaches it without a restart.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::rules::{foreign_labels, object_name};

/// Entries of a map of texts.
const TEXTS_MAX: usize = 32;
/// Length of one value in a map of texts.
const TEXT_LENGTH_MAX: usize = 1024;

/// Where pods run and what they may use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Pod {
    /// Requests and limits of the proxy's container, as in any pod. Absent: it requests 100m of CPU
    /// and 64Mi of memory and has no limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Preserved>,

    /// Labels of the nodes that pods may run on, at most 32.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "texts")]
    pub node_selector: BTreeMap<String, String>,

    /// Taints of nodes that pods bear, at most 16.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub tolerations: Vec<Toleration>,

    /// The PriorityClass of the pods. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = object_name("PriorityClass")))]
    pub priority_class_name: Option<String>,

    /// More labels of the pods, at most 32.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "texts")]
    #[schemars(extend("x-kubernetes-validations" = foreign_labels()))]
    pub labels: BTreeMap<String, String>,

    /// Annotations of the pods, at most 32.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "texts")]
    pub annotations: BTreeMap<String, String>,

    /// How pods are spread, as in any pod, at most 8; one without labelSelector is about the pods of
    /// this StratumProxy. None: over nodes and zones, as far as possible.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub topology_spread_constraints: Vec<Preserved>,
}

/// A taint that pods bear.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Toleration {
    /// Key of the taint. Absent: every key, with operator Exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317))]
    pub key: Option<String>,

    /// Whether the value counts. Absent: Equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TolerationOperator")]
    pub operator: Option<TolerationOperator>,

    /// Value of the taint, with operator Equal. Absent: the empty text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,

    /// Effect of the taint. Absent: every effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TaintEffect")]
    pub effect: Option<TaintEffect>,

    /// With effect NoExecute: for how many seconds it is borne. Absent: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub toleration_seconds: Option<i64>,
}

/// Whether the value of a taint counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    /// Any value.
    Exists,
    /// The same value.
    Equal,
}

/// What a taint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// Nothing new is placed there.
    NoSchedule,
    /// Nothing new is placed there, if it can be helped.
    PreferNoSchedule,
    /// What runs there must leave.
    NoExecute,
}

/// When a node pulls the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImagePullPolicy {
    /// At each start of a container.
    Always,
    /// When the node has none of this name.
    IfNotPresent,
    /// Never: it is brought there by other means.
    Never,
}

/// A Secret with which nodes pull the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePullSecret {
    /// Name of the Secret, of type kubernetes.io/dockerconfigjson.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = object_name("Secret")))]
    pub name: String,
}

/// A part of a pod, in the shape that Kubernetes gives it: kept as it is, since its whole schema is
/// larger than ours. The operator reads it strictly and refuses what is not of that shape.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Preserved(pub Map<String, Value>);

impl ImagePullPolicy {
    /// As a container writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

impl TolerationOperator {
    /// As a pod writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exists => "Exists",
            Self::Equal => "Equal",
        }
    }
}

impl TaintEffect {
    /// As a pod writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

impl JsonSchema for Preserved {
    fn schema_name() -> Cow<'static, str> {
        "Preserved".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
    }
}

/// A bounded map of texts.
pub(super) fn texts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": TEXTS_MAX,
        "additionalProperties": { "type": "string", "maxLength": TEXT_LENGTH_MAX },
    })
}
