//! How the hashrate of a route moves to another pool: at once, or in steps that are watched.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    rules::{duration, rules},
    values::DurationText,
};

/// How a change of the pool that is mined on is made, where the old one still works. When a pool
/// fails, its miners always move at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules([(
    "self.strategy == 'Staged' || !has(self.steps)",
    "steps mean nothing while strategy is Immediate; remove steps, or set strategy to Staged",
)])))]
pub struct Rollout {
    /// Immediate moves all hashrate at once; Staged moves it in steps and, when a gate fails, back.
    /// Default Immediate.
    pub strategy: RolloutStrategy,

    /// With Staged: the steps, 1 to 8, each with more of the hashrate than the one before, the last
    /// with all. Absent: 1 % for 5m, 10 % for 10m, then 100 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    #[schemars(extend("x-kubernetes-validations" = rules([
        (
            "self.map(s, s.percent).isSorted() && \
             self.all(s, self.exists_one(t, t.percent == s.percent))",
            "each step must have a greater percent than the one before; order the steps",
        ),
        (
            "self.exists(s, s.percent == 100)",
            "the last step must have percent 100; add one, all hashrate moves in the end",
        ),
    ])))]
    #[schemars(with = "Vec<RolloutStep>")]
    pub steps: Option<Vec<RolloutStep>>,

    /// A gate: the least part of the shares answered that the new pool accepts, from "0" to "1".
    /// Default 0.95.
    #[schemars(length(max = 5))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.matches('^(0([.][0-9]{1,3})?|1([.]0{1,3})?)$')",
        "must be a decimal number from 0 to 1 with at most 3 decimals; write it like \"0.95\"",
    )])))]
    pub min_acceptance: String,

    /// A gate: the longest time that the new pool may take to answer a share, a duration from 1ms
    /// to 5m. Default 2s.
    #[schemars(extend("x-kubernetes-validations" = duration("1ms", "5m", "2s")))]
    pub max_latency: DurationText,

    /// A gate: the oldest that the new pool's job may be, a duration from 1s to 24h. Default 2m.
    #[schemars(extend("x-kubernetes-validations" = duration("1s", "24h", "2m")))]
    pub max_job_age: DurationText,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            strategy: RolloutStrategy::default(),
            steps: None,
            min_acceptance: "0.95".to_owned(),
            max_latency: "2s".into(),
            max_job_age: "2m".into(),
        }
    }
}

/// How the hashrate moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum RolloutStrategy {
    /// At once.
    #[default]
    Immediate,
    /// In steps.
    Staged,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStep {
    /// How much of the hashrate mines on the new pool in this step: 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub percent: i32,

    /// How long it must go well: a duration from 0s to 24h. Default 5m. In the last step: how long
    /// a gate that fails still leads back.
    #[serde(default = "default_for", rename = "for")]
    #[schemars(extend("x-kubernetes-validations" = duration("0s", "24h", "5m")))]
    pub lasts: DurationText,
}

fn default_for() -> DurationText {
    "5m".into()
}
