//! Firmware profiles: what miners that give themselves a name can take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a firmware may be sent `mining.set_extranonce` if it has subscribed to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SetExtranonce {
    /// It follows.
    Enabled,
    /// It says so and does not follow.
    Disabled,
}
