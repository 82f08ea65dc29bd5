//! Rules: which miners take another route than their listener's.

use serde::{Deserialize, Serialize};

/// Miners that take a route of their own. The first rule that matches decides; where none does, the
/// listener does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Name, unique.
    pub name: String,
    /// Names of listeners. Empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<String>,
    /// Patterns of the whole name that a miner authorizes with, `*` for any text. Empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<String>,
    /// Ranges of addresses that miners come from, as `10.1.0.0/16`. Empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Names of firmware profiles. Empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub firmware: Vec<String>,
    /// The route.
    pub route: String,
}
