//! A route: an ordered set of pools and what happens when they fail. The shape of an inline route
//! is that of a later resource of its own.

mod pool;
mod rollout;

pub use pool::{Day, PoolRef, RoutePool, ScheduleWindow};
pub use rollout::{Rollout, RolloutStep, RolloutStrategy};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    rules::{duration, label, rules},
    values::DurationText,
};

/// Where the work of some listeners goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules([
    (
        "self.versionRolling == 'Enabled' || !has(self.versionMask)",
        "versionMask means nothing while versionRolling is Disabled; remove versionMask",
    ),
    (
        "!has(self.pin) || self.pools.exists(p, p.poolRef.name == self.pin)",
        "pin names none of the route's pools; write the poolRef.name of one of them",
    ),
])))]
pub struct Route {
    /// Name of the route: lower-case letters, digits and dashes, unique among the routes.
    #[schemars(length(min = 1, max = 40))]
    #[schemars(extend("x-kubernetes-validations" = label("route", "main")))]
    pub name: String,

    /// The pools. All miners of the route work for the healthy pool of the least priority number;
    /// among equals the first in the list comes first, or, with weights, they share the work.
    #[schemars(length(min = 1, max = 8))]
    #[schemars(extend("x-kubernetes-validations" = rules([
        (
            "self.all(p, self.exists_one(q, q.poolRef.name == p.poolRef.name))",
            "a StratumPool stands twice in one route; name each pool once",
        ),
        (
            "self.all(p, self.all(q, p.priority != q.priority || has(p.weight) == has(q.weight)))",
            "of the pools of one priority some have a weight and some have none; give each of them \
             a weight, or none of them",
        ),
    ])))]
    pub pools: Vec<RoutePool>,

    /// What happens to miners while no pool is healthy.
    #[serde(default)]
    pub on_no_pool: OnNoPool,

    /// When miners return to a pool of less priority number that is healthy again.
    #[serde(default)]
    pub failback: Failback,

    /// The longest time without a job after which miners are sent the current one again, with a
    /// newer time: a duration from 1s to 10m. Default 10s. Old Antminer firmware reconnects for
    /// ever when it hears no job for 15 to 20 seconds.
    #[serde(default = "default_job_keep_alive")]
    #[schemars(extend("x-kubernetes-validations" = duration("1s", "10m", "10s")))]
    pub job_keep_alive: DurationText,

    /// How a miner's search space is laid out. Absent: by the smallest extranonce2 among the pools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extranonce: Option<Extranonce>,

    /// Whether miners may roll version bits (BIP 320), as far as the pool allows it. Default
    /// Enabled.
    #[serde(default)]
    pub version_rolling: VersionRolling,

    /// The version bits that miners may roll at most, as eight hex digits in quotes. Absent:
    /// 1fffe000, all that BIP 320 sets aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.matches('^[01][0-9a-f]{3}[02468ace]000$') && self != '00000000'",
        "must be a mask within 1fffe000 (BIP 320), as eight lower-case hex digits; write it like \
         \"1fffe000\", or set versionRolling to Disabled",
    )])))]
    pub version_mask: Option<String>,

    /// The poolRef.name of a pool of the route that is mined on whenever it is healthy and its
    /// schedule allows it, whatever its priority and weight. Absent: the order of the pools decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub pin: Option<String>,

    /// How a change of the pool that is mined on is made.
    #[serde(default)]
    pub rollout: Rollout,

    /// How miners share pool connections. Aggregated: many miners over one connection for each pool;
    /// Dedicated: each miner has connections of its own, for pools that want it so. Absent:
    /// Aggregated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Mode")]
    pub mode: Option<Mode>,
}

fn default_job_keep_alive() -> DurationText {
    "10s".into()
}

/// What happens to miners while no pool is healthy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules([(
    "self.policy == 'Close' || !has(self.after)",
    "after is the time until miners are let go, and the policy Hold never lets them go; remove \
     after, or set policy to Close",
)])))]
pub struct OnNoPool {
    /// Close holds miners for a time, tells them honestly that there is no work, and then lets them
    /// go to the fail-over of their own firmware; Hold never lets them go. Default Close.
    pub policy: NoPoolPolicy,

    /// With Close: how long miners are held first, a duration from 0s to 24h. Absent: 10m.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = duration("0s", "24h", "10m")))]
    pub after: Option<DurationText>,
}

/// What happens to miners while no pool is healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum NoPoolPolicy {
    /// Keep them connected.
    Hold,
    /// Let them go.
    #[default]
    Close,
}

/// When miners return to a better pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Failback {
    /// How long the better pool must have been healthy: a duration from 0s to 24h. Default 120s.
    #[schemars(extend("x-kubernetes-validations" = duration("0s", "24h", "2m")))]
    pub after: DurationText,
}

impl Default for Failback {
    fn default() -> Self {
        Self { after: "120s".into() }
    }
}

/// How a miner's search space is laid out in the extranonce2 of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Extranonce {
    /// Bytes that tell miners apart, 1 to 4: at least enough for the maxConnections of the
    /// listeners together.
    #[schemars(range(min = 1, max = 4))]
    pub id_bytes: i32,

    /// Bytes that a miner counts through, 2 to 8: its extranonce2 size. With idBytes it must fit
    /// into the extranonce2 of every pool of the route.
    #[schemars(range(min = 2, max = 8))]
    pub miner_bytes: i32,
}

/// Whether version bits are rolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum VersionRolling {
    /// As far as the other side agrees.
    #[default]
    Enabled,
    /// Never.
    Disabled,
}

/// How miners share pool connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Many miners over one connection for each pool.
    #[default]
    Aggregated,
    /// One connection for each miner.
    Dedicated,
}
