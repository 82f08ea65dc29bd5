//! Firmware profiles: what miners that give themselves a name can take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    rules::{difficulty, label, rules},
    values::QuantityText,
};

/// What a firmware can take. Tried in the order of the list, before the profiles that the proxy has;
/// the first whose pattern fits is the miner's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirmwareProfile {
    /// Name of the profile: lower-case letters, digits and dashes, unique among the profiles.
    #[schemars(length(min = 1, max = 40))]
    #[schemars(extend("x-kubernetes-validations" = label("profile", "hall-2-stock")))]
    pub name: String,

    /// Patterns of the user agent that the miner subscribes with, 1 to 16, of any case; `*` stands
    /// for any text, `?` for any character.
    #[schemars(length(min = 1, max = 16))]
    #[schemars(inner(length(min = 1, max = 64)))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.all(a, a.matches('^[ -~]*$'))",
        "a pattern of userAgents has a character that is not ASCII; write it like \"cgminer/4.*\"",
    )])))]
    pub user_agents: Vec<String>,

    /// Bytes that it counts through, 2 to 8: its extranonce2 size. Absent: as the route has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 8))]
    pub extranonce2_size: Option<i32>,

    /// The longest coinbase that it can work with, in bytes: 100 to 1000000. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 1_000_000))]
    pub coinbase_bytes_max: Option<i32>,

    /// The least difficulty that it is given, as far as its pool allows. Absent: the listener's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = difficulty()))]
    #[schemars(with = "QuantityText")]
    pub min_difficulty: Option<QuantityText>,

    /// The difficulty that it begins with. Absent: the listener's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = difficulty()))]
    #[schemars(with = "QuantityText")]
    pub initial_difficulty: Option<QuantityText>,

    /// Whether it may be sent mining.set_extranonce where it has subscribed to that. Absent: as the
    /// proxy knows it, which is Enabled for a firmware that it does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SetExtranonce")]
    pub set_extranonce: Option<SetExtranonce>,
}

/// Whether a firmware may be sent `mining.set_extranonce` where it has subscribed to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SetExtranonce {
    /// It follows.
    Enabled,
    /// It subscribes, and does not follow.
    Disabled,
}
