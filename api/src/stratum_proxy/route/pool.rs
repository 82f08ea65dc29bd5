//! A pool in its route: the place in the order, the part of the hashrate, the hours.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{object_name, reserved, rules};

/// A pool of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoutePool {
    /// The StratumPool, in the namespace of the StratumProxy.
    pub pool_ref: PoolRef,

    /// The healthy pool with the least number gets the work. Default 0. Among equals the first in
    /// the list comes first.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub priority: i32,

    /// The part of the hashrate that the pool gets among the healthy pools of its priority,
    /// against their weights: 1 to 1000. All pools of one priority have a weight, or none. Absent:
    /// the first healthy one gets all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: Option<i32>,

    /// When the pool may be mined on, at most 16 windows, in UTC. Outside of them it is not, not even
    /// when no other pool is left. Empty: always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub schedule: Vec<ScheduleWindow>,
}

/// A StratumPool in the namespace of the StratumProxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolRef {
    /// Name of the StratumPool.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = object_name("StratumPool")))]
    pub name: String,

    /// Reserved: another namespace than the StratumProxy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    #[schemars(extend("x-kubernetes-validations" = reserved(
        "a StratumPool of another namespace cannot be referred to yet"
    )))]
    pub namespace: Option<String>,
}

/// Every week, on these days, from one time of the day to another. UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules([(
    "self.from != self.to",
    "from and to are the same time; for a whole day write from: \"00:00\" and to: \"24:00\"",
)])))]
pub struct ScheduleWindow {
    /// The days on which the window begins. Empty: each day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7))]
    pub days: Vec<Day>,

    /// When it begins: HH:MM in quotes, from 00:00 to 23:59.
    #[schemars(length(max = 5))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')",
        "must be a time from 00:00 to 23:59, in quotes; write it like \"08:00\"",
    )])))]
    pub from: String,

    /// When it is over: HH:MM in quotes, from 00:00 to 24:00. A time before `from` is one of the
    /// next day.
    #[schemars(length(max = 5))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.matches('^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$')",
        "must be a time from 00:00 to 24:00, in quotes; write it like \"20:00\"",
    )])))]
    pub to: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}
