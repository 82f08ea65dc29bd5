//! What a listener does against those who are no miners: bans, and whose word is taken for where a
//! connection comes from. The plain numbers stand with the other limits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    rules::{duration, ranges, rules},
    values::DurationText,
};

/// Addresses that do what no miner does are refused for a time. One from which a share was accepted
/// within the last day is not: somebody mines there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Ban {
    /// How many offences within ten minutes it takes: connections that send no Stratum at all, or
    /// a line that is too long, or line after line that is none, and 200 invalid shares one after
    /// the other. Default 10.
    #[schemars(range(min = 1, max = 1000))]
    pub after: i32,

    /// How long the address is refused: a duration from 1s to 24h. Default 10m.
    #[schemars(extend("x-kubernetes-validations" = duration("1s", "24h", "10m")))]
    pub r#for: DurationText,
}

impl Default for Ban {
    fn default() -> Self {
        Self { after: 10, r#for: "10m".into() }
    }
}

/// Where the miners of a listener come from, if a load balancer stands before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules([(
    "self.mode != 'Required' || (has(self.from) && self.from.size() > 0)",
    "mode Required lets nobody in without from; write the addresses of the load balancer into from",
)])))]
pub struct ProxyProtocol {
    /// Required: each connection must come from one of the addresses in from, and begin with a
    /// header of the PROXY protocol, version 1 or 2. Forbidden: none may have one.
    pub mode: ProxyProtocolMode,

    /// Ranges of addresses whose headers are believed, at most 16, as 10.1.0.0/16: those of the
    /// load balancer and of nobody else. Without effect in mode Forbidden.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(inner(length(min = 1, max = 43)))]
    #[schemars(extend("x-kubernetes-validations" = ranges("from")))]
    pub from: Vec<String>,
}

/// Whether connections begin with a header that says where they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProxyProtocolMode {
    /// None may.
    Forbidden,
    /// All must.
    Required,
}
