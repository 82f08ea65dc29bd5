//! What the proxy shows of itself at `/status`, and whether that makes it ready. Values only: the
//! app fills them from its own state on request. No secrets, no list of miners.

use std::net::SocketAddr;

use serde::{Serialize, Serializer};

use crate::sink::blocks::Block;
use crate::sink::ledger::LedgerSnapshot;
use crate::sink::time::WorkSnapshot;
use crate::telemetry::reasons::{ConfigSource, PoolState, RefuseReason, RolloutEnd, SuspectReason};

/// Where the admin server reads the state of the proxy. Called for each request, so it must not
/// block.
pub trait StatusSource: Send + Sync + 'static {
    /// The state now.
    fn status(&self) -> Status;
    /// The share ledger now.
    fn ledger(&self) -> LedgerSnapshot;
}

/// The state of the proxy.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Namespace and name of the StratumProxy.
    pub name: String,
    /// The configuration in use.
    pub config: ConfigStatus,
    /// One entry per listener of the configuration.
    pub listeners: Vec<ListenerStatus>,
    /// One entry per route of the configuration.
    pub routes: Vec<RouteStatus>,
    /// What miners had to work on, in difficulty, by listener and route.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub work: Vec<WorkSnapshot>,
    /// The last blocks that miners found, the latest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Block>,
    /// The file of the ledger, with `--state`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerStatus>,
    /// The audit log, with `--audit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditStatus>,
    /// How many more miners there is room for.
    pub room: RoomStatus,
    /// Why miners are being let go, while they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draining: Option<String>,
}

/// The ledger's file.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerStatus {
    /// Where it is.
    pub path: String,
    /// When the ledger began, in Unix seconds: before the process, if it goes on from an earlier one.
    pub begun: u64,
    /// Time since the file last held what the ledger does.
    pub kept_age_seconds: f64,
    /// Why it could not be kept since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The audit log. That it cannot be written does not make a proxy unready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditStatus {
    /// Where it is written.
    pub to: String,
    /// Records that are there.
    pub written: u64,
    /// Records that were told as a number only, since there were too many alike.
    pub summarised: u64,
    /// Records that were given up.
    pub lost: u64,
    /// Records that wait.
    pub queued: u64,
    /// Why they cannot be written now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Memory and descriptors. That there is no room for more does not make a proxy unready: who is there is served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomStatus {
    /// Memory.
    pub memory: MemoryStatus,
    /// Open files and connections.
    pub descriptors: DescriptorStatus,
    /// What newcomers are refused for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusing_for: Option<RefuseReason>,
}

/// Memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryStatus {
    /// How much there may be, if that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_bytes: Option<u64>,
    /// What the kernel says that the process has.
    pub resident_bytes: u64,
    /// What it is for, as far as that is known.
    pub accounted_bytes: MemoryAccounts,
}

/// What memory is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryAccounts {
    /// Miners.
    pub sessions: u64,
    /// Jobs.
    pub jobs: u64,
    /// Shares on their way.
    pub queues: u64,
    /// What is remembered.
    pub tables: u64,
    /// Records of the audit log that wait.
    pub audit: u64,
}

/// Descriptors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescriptorStatus {
    /// How many there may be, if that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How many are open.
    pub open: u64,
    /// How many of the limit no miner is given.
    pub reserved: u64,
}

/// The configuration in use, and the one that was refused since.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigStatus {
    /// Empty while none is in use.
    pub hash: String,
    /// Of a snapshot: the uid of the StratumProxy that it was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// Of a snapshot: its place among those of its epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// What kind of place it came from.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "source")]
    pub source: Option<ConfigSource>,
    /// Where it came from.
    pub origin: String,
    /// When it was applied, in Unix seconds.
    pub applied_at: u64,
    /// A later change that was refused, as long as the documents hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedStatus>,
    /// The stream to the operator, if there is to be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamStatus>,
}

/// The stream to the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamStatus {
    /// Whether it is up.
    pub connected: bool,
    /// Since when it is up or down, in Unix seconds.
    pub since: u64,
    /// Who is spoken to.
    pub address: String,
    /// Why it was last lost, or could not be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// A change that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedStatus {
    /// When, in Unix seconds.
    pub at: u64,
    /// What is wrong with it: file, field, value, remedy.
    pub problems: Vec<String>,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// Its name in the document.
    pub name: String,
    /// Where it listens; absent while it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// Why it does not listen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Miners connected now.
    pub miners: u64,
    /// Of them, those whose handshake is not complete.
    pub handshakes: u64,
    /// Addresses that are refused now for what they did.
    pub banned_addresses: u64,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteStatus {
    /// Its name in the document.
    pub name: String,
    /// The pool that its miners work for; of several, the one with the largest weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_pool: Option<String>,
    /// Its clean epoch.
    pub epoch: u64,
    /// The pool that it is pinned to by hand, whatever the configuration says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned_by_hand: Option<PinStatus>,
    /// How much of the hashrate has moved, while a change of pool is made in steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout_percent: Option<u8>,
    /// Why the latest such change was taken back, until the configuration changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<RolloutEnd>,
    /// Where each miner has pool connections of its own: how they are, in sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dedicated: Option<DedicatedStatus>,
    /// Its pools, in the order in which they are preferred.
    pub pools: Vec<PoolStatus>,
}

/// A pin by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PinStatus {
    /// The pool.
    pub pool: String,
    /// Since when, in Unix seconds.
    pub since: u64,
    /// Whether the configuration has that pool no more: then it does nothing, until the configuration has it again.
    #[serde(rename = "missing", skip_serializing_if = "std::ops::Not::not")]
    pub is_missing: bool,
}

/// The miners of a route that have pool connections of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DedicatedStatus {
    /// All of them.
    pub miners: u64,
    /// Those whose connection has work.
    pub up: u64,
}

/// A pool of a route. What is learnt at login is absent until then.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolStatus {
    /// Its name in the route.
    pub name: String,
    /// Host and port.
    pub endpoint: String,
    /// The account that is paid.
    pub account: String,
    /// What it is doing.
    pub state: PoolState,
    /// Whether miners work for it.
    pub active: bool,
    /// The part of the route's measured hashrate that works for it, 0 to 1.
    pub hashrate_part: f64,
    /// Why it is not mined on while another can be, though it is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspicion: Option<SuspectReason>,
    /// Whether its schedule keeps it from being mined on now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub schedule_closed: bool,
    /// Whether the route is pinned to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// Difficulty that it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difficulty: Option<f64>,
    /// Length of its extranonce1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extranonce1_bytes: Option<u8>,
    /// Length of the extranonce2 that it leaves to us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extranonce2_bytes: Option<u8>,
    /// Version bits that it lets us roll, as eight hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_mask: Option<String>,
    /// Time since its last job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_age_seconds: Option<f64>,
    /// Why it was last lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

// === impl Status ===

impl Status {
    /// What keeps the proxy from being ready; empty when it is. A refused change does not: the last
    /// good configuration is in use, and taking the proxy out of service would help nobody.
    pub fn unready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Some(reason) = &self.draining {
            reasons.push(format!("draining: {reason}"));
        }
        if self.config.hash.is_empty() {
            let refused = self.config.refused.iter().flat_map(|refused| &refused.problems);
            let why: Vec<&str> = refused.map(String::as_str).collect();
            reasons.push(match why.is_empty() {
                true => "no valid configuration yet".to_owned(),
                false => format!("no valid configuration yet: {}", why.join("\n")),
            });
        }
        for listener in self.listeners.iter().filter(|listener| listener.address.is_none()) {
            let error = listener.error.as_deref().unwrap_or("not yet bound");
            reasons.push(format!("listener {}: {error}", listener.name));
        }
        reasons
    }
}

/// In the spelling of the rest of the page.
#[expect(clippy::ref_option, reason = "the form that serde asks for")]
fn source<S: Serializer>(source: &Option<ConfigSource>, serializer: S) -> Result<S::Ok, S::Error> {
    match source {
        Some(ConfigSource::LastGood) => serializer.serialize_str("lastGood"),
        other => other.serialize(serializer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Status {
        Status {
            config: ConfigStatus { hash: "3f2a".to_owned(), ..ConfigStatus::default() },
            listeners: vec![ListenerStatus {
                name: "v1".to_owned(),
                address: Some(SocketAddr::from(([127, 0, 0, 1], 3333))),
                error: None,
                miners: 0,
                handshakes: 0,
                banned_addresses: 0,
            }],
            ..Status::default()
        }
    }

    fn check(break_it: impl FnOnce(&mut Status), expected: &[&str]) {
        let mut status = ready();
        break_it(&mut status);
        assert_eq!(status.unready(), expected);
    }

    #[test]
    fn ready_means_configured_listening_and_not_draining() {
        check(|_| {}, &[]);
        check(|s| s.config.hash.clear(), &["no valid configuration yet"]);
        let refused = RefusedStatus { at: 1, problems: vec!["is empty".to_owned()] };
        check(
            |s| s.config = ConfigStatus { refused: Some(refused), ..ConfigStatus::default() },
            &["no valid configuration yet: is empty"],
        );
        check(|s| s.draining = Some("SIGTERM".to_owned()), &["draining: SIGTERM"]);
        check(
            |s| {
                s.listeners[0].address = None;
                s.listeners[0].error = Some("address in use".to_owned());
            },
            &["listener v1: address in use"],
        );
    }

    #[test]
    fn a_refused_change_does_not_make_it_unready() {
        let refused = RefusedStatus { at: 1, problems: vec!["x".to_owned()] };
        check(|s| s.config.refused = Some(refused), &[]);
    }
}
