//! What a pool may take, what it is asked, and what is looked at before work goes there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    rules::{duration, rules},
    values::{ADDRESS_PATTERN, DurationText},
};

/// How long the pool may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolTimeouts {
    /// How long the pool may take to accept a connection: a duration from 100ms to 5m. Default 5s.
    #[schemars(extend("x-kubernetes-validations" = duration("100ms", "5m", "5s")))]
    pub connect: DurationText,

    /// How long the pool may take to answer subscribe and authorize: a duration from 100ms to 5m.
    /// Default 10s.
    #[schemars(extend("x-kubernetes-validations" = duration("100ms", "5m", "10s")))]
    pub handshake: DurationText,

    /// How long the pool may take to send the first job: a duration from 100ms to 30m. Default 30s.
    #[schemars(extend("x-kubernetes-validations" = duration("100ms", "30m", "30s")))]
    pub first_job: DurationText,

    /// How long the pool may take to send the next job: a duration from 1s to 24h. Default 10m. A
    /// pool that sends none for longer is taken for dead.
    #[schemars(extend("x-kubernetes-validations" = duration("1s", "24h", "10m")))]
    pub job_silence: DurationText,

    /// How long the pool may take to answer a share: a duration from 100ms to 10m. Default 60s.
    #[schemars(extend("x-kubernetes-validations" = duration("100ms", "10m", "60s")))]
    pub submit: DurationText,
}

impl Default for PoolTimeouts {
    fn default() -> Self {
        Self {
            connect: "5s".into(),
            handshake: "10s".into(),
            first_job: "30s".into(),
            job_silence: "10m".into(),
            submit: "60s".into(),
        }
    }
}

/// What is looked at in each of the pool's jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verify {
    /// The address that the coinbase of each job must pay, of the main or a test network. A job
    /// that does not is not mined on.
    #[schemars(length(min = 1, max = 96))]
    #[schemars(extend("x-kubernetes-validations" = address()))]
    pub payout_address: String,

    /// The least part of the coinbase's value that goes to this address, in percent: 1 to 100.
    /// Default 50.
    #[serde(default = "default_min_percent")]
    #[schemars(range(min = 1, max = 100))]
    pub min_percent: i32,
}

const fn default_min_percent() -> i32 {
    50
}

fn address() -> serde_json::Value {
    rules([(
        &format!("self.matches('{ADDRESS_PATTERN}')"),
        "is no Bitcoin address; write it whole, as the wallet shows it (bc1…, 1… or 3…)",
    )])
}

/// When a pool that is connected is taken for dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Health {
    /// How long a share may go unanswered until the work moves to the next pool: a duration from
    /// 100ms to 10m. Absent: by what the pool's answers take, from about 1s to 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = duration("100ms", "10m", "5s")))]
    #[schemars(with = "DurationText")]
    pub submit_stall: Option<DurationText>,

    /// How long the pool may mine on a block that another pool of the route has left: a duration
    /// from 100ms to 10m. Default 5s.
    #[schemars(extend("x-kubernetes-validations" = duration("100ms", "10m", "5s")))]
    pub block_lag: DurationText,
}

impl Default for Health {
    fn default() -> Self {
        Self { submit_stall: None, block_lag: "5s".into() }
    }
}

/// Whether a pool is told the difficulty that the measured hashrate asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum SuggestDifficulty {
    /// With `mining.suggest_difficulty`.
    #[default]
    Enabled,
    /// Never.
    Disabled,
}

/// Where a pool's `client.reconnect` may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ReconnectPolicy {
    /// To another port of the same host.
    SameHost,
    /// To the same host, or a name below it.
    #[default]
    SubDomain,
    /// Nowhere.
    Never,
}
