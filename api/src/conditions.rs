//! A condition, in the shape of `metav1.Condition` but without the Kubernetes crates, so that the
//! proxy can read a document with a status. Which conditions there are is the operator's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One observed aspect of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Aspect, in CamelCase.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub type_: String,

    /// Whether it holds.
    pub status: ConditionStatus,

    /// Why, in one word of CamelCase.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,

    /// Why, for a human.
    #[schemars(length(max = 32768))]
    pub message: String,

    /// When the status changed last.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,

    /// The generation that this condition is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known.
    Unknown,
}
