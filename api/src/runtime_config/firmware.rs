//! Firmware profiles: what miners that give themselves a name can take.

use serde::{Deserialize, Serialize};

use super::SetExtranonce;

/// What a firmware can take. Tried in the order of the list, before those that the proxy has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FirmwareProfile {
    /// Name, unique.
    pub name: String,
    /// Patterns of the user agent, `*` for any text, of any case.
    pub user_agents: Vec<String>,
    /// Bytes that it counts through. Absent: as the route has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extranonce2_size: Option<u8>,
    /// The longest coinbase that it can work with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coinbase_bytes_max: Option<u32>,
    /// The least difficulty that it is given. Plain decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_difficulty: Option<String>,
    /// Where it begins. Plain decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_difficulty: Option<String>,
    /// Whether it may be sent `mining.set_extranonce`. Absent: if it has subscribed to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_extranonce: Option<SetExtranonce>,
}
