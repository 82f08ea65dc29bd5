//! Rules: miners that take another route than their listener's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{label, ranges, rules};

/// Miners that take a route of their own: all conditions hold that the rule has. An empty list is
/// no condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Name of the rule: lower-case letters, digits and dashes, unique among the rules.
    #[schemars(length(min = 1, max = 40))]
    #[schemars(extend("x-kubernetes-validations" = label("rule", "hall-2")))]
    pub name: String,

    /// Names of listeners, at most 16. The miner came in by one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(inner(length(max = 15)))]
    pub listeners: Vec<String>,

    /// Patterns of the name that the miner authorizes with, at most 16; `*` stands for any
    /// text, `?` for any character, and case counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(inner(length(min = 1, max = 64)))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.all(w, w.matches('^[!-~]*$'))",
        "a pattern of workers has a character that no name has; write printable ASCII without \
         spaces, like \"acme.hall2-*\"",
    )])))]
    pub workers: Vec<String>,

    /// Ranges of addresses, at most 16, as 10.1.0.0/16. The miner's connection comes from one of
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(inner(length(min = 1, max = 43)))]
    #[schemars(extend("x-kubernetes-validations" = ranges("sources")))]
    pub sources: Vec<String>,

    /// Names of firmware profiles, of spec.firmware or of those that the proxy has, at most 16. The
    /// miner's firmware is one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(inner(length(min = 1, max = 40)))]
    pub firmware: Vec<String>,

    /// The route that the miner takes.
    pub route_ref: RuleRouteRef,
}

/// One of spec.routes: a rule of the StratumProxy says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleRouteRef {
    /// Name of the route.
    #[schemars(length(min = 1, max = 40))]
    pub name: String,
}
