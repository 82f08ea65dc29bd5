//! What happens to connected miners when a process is asked to end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{rules::duration, values::DurationText};

/// What happens to connected miners when a pod or process is asked to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Drain {
    /// How long miners and shares in flight are waited for at most: a duration from 0s to 1h.
    /// Default 120s. A pod's grace period must be longer.
    #[schemars(extend("x-kubernetes-validations" = duration("0s", "1h", "2m")))]
    pub timeout: DurationText,
}

impl Default for Drain {
    fn default() -> Self {
        Self { timeout: "120s".into() }
    }
}
