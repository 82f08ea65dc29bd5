//! Routes. Every default of a field that came later means what was done before it, and is not
//! written.

use serde::{Deserialize, Serialize};

use super::{NoPoolPolicy, Pool, is_default};

pub use crate::stratum_proxy::Mode;

/// Where the work of some listeners goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Name, unique.
    pub name: String,
    /// In the order of preference.
    pub pools: Vec<Pool>,
    /// While none is healthy.
    pub on_no_pool: OnNoPool,
    /// How long a better pool must have been healthy before miners return to it.
    pub failback_after_ms: u64,
    /// The longest time without a job.
    pub job_keep_alive_ms: u64,
    /// The layout of miners' search space. Absent: by the pools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extranonce: Option<ExtranonceLayout>,
    /// Version bits that miners may roll. 0: none.
    pub version_mask: u32,
    /// How miners share pool connections.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: Mode,
    /// The StratumPool that is mined on whenever it is healthy, whatever the order: the name of
    /// its first endpoint, which stands for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// How a change of the pool that is mined on is made. Absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
}

/// While no pool is healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OnNoPool {
    /// Hold miners or let them go.
    pub policy: NoPoolPolicy,
    /// With Close: how long they are held first.
    pub after_ms: u64,
}

/// The layout of miners' search space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtranonceLayout {
    /// Bytes that tell miners apart.
    pub id_bytes: u8,
    /// Bytes that a miner counts through.
    pub miner_bytes: u8,
}

/// A change of the pool that is mined on, in steps of hashrate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// Rising, the last of 100 percent.
    pub steps: Vec<RolloutStep>,
    /// The least part of the shares that the new pool must accept, in thousandths.
    pub min_acceptance_permille: u16,
    /// The longest that it may take to answer a share.
    pub max_latency_ms: u64,
    /// The oldest that its job may be.
    pub max_job_age_ms: u64,
}

/// A step of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStep {
    /// How much of the hashrate has moved.
    pub percent: u8,
    /// How long this must go well until the next step.
    pub for_ms: u64,
}

// === impl Route ===

impl Route {
    /// Whether it needs more than an order of pools and one login for each.
    pub(super) fn is_beyond_the_order(&self) -> bool {
        let Self {
            name: _,
            pools,
            on_no_pool: _,
            failback_after_ms: _,
            job_keep_alive_ms: _,
            extranonce: _,
            version_mask: _,
            mode,
            pin,
            rollout,
        } = self;
        !is_default(mode)
            || pin.is_some()
            || rollout.is_some()
            || pools.iter().any(Pool::is_beyond_the_order)
    }
}
