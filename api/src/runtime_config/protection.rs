//! What a listener does against those who are no miners.

use serde::{Deserialize, Serialize};

/// Addresses that do what no miner does are refused for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ban {
    /// Offences that it takes.
    pub after: u32,
    /// How long.
    pub for_ms: u64,
}

/// Each connection comes from one of these addresses and says first where it is from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyProtocol {
    /// Ranges of addresses, as `10.1.0.0/16`.
    pub from: Vec<String>,
}
