//! The whole status from what was seen: pure.

use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;
use loka_api::conditions::{Condition, ConditionStatus};
use loka_api::control::Identity;
use loka_api::stratum_proxy::{LastRejected, PoolState, StratumProxyStatus};

use super::address::address;
use super::available::{self, AVAILABLE, PROGRESSING, PoolSight};
use super::conditions::{Verdict, condition, rfc3339};
use super::programmed::{self, Count, PROGRAMMED};
use crate::controller::apply::Refused;
use crate::controller::build::{Applied, Children};
use crate::controller::facts::{Ailment, Pods};
use crate::controller::index::pools_of;
use crate::controller::publishing::Published;
use crate::controller::validate::{Unfit, Validated};

const ACCEPTED: &str = "Accepted";
const RESOLVED_REFS: &str = "ResolvedRefs";
const READY: &str = "Ready";

/// All that a status depends on.
#[derive(Clone, Copy)]
pub(in super::super) struct Sight<'a> {
    pub(in super::super) uid: &'a str,
    pub(in super::super) generation: Option<i64>,
    /// The status so far, with the sequence that was persisted last.
    pub(in super::super) before: &'a StratumProxyStatus,
    pub(in super::super) selector: &'a str,
    pub(in super::super) pods: &'a Pods,
    /// What each pod runs, by uid.
    pub(in super::super) running: &'a HashMap<String, Identity>,
    pub(in super::super) outcome: Outcome<'a>,
    pub(in super::super) now: Timestamp,
}

/// How far the reconcile got.
#[derive(Clone, Copy)]
pub(in super::super) enum Outcome<'a> {
    /// The API server holds something that cannot be read.
    Unreadable(&'a str),
    /// Nothing was touched.
    Unfit(&'a Unfit),
    /// Published as far as possible, and applied unless the cluster refused.
    Carried {
        validated: &'a Validated,
        published: &'a Published,
        applied: Result<&'a Children<Applied>, &'a Refused>,
    },
}

/// The status.
pub(in super::super) fn compute(sight: &Sight<'_>) -> StratumProxyStatus {
    let mut status = sight.before.clone();
    status.observed_generation = sight.generation;
    status.selector = Some(sight.selector.to_owned());
    let (mut verdicts, trouble) = match sight.outcome {
        Outcome::Unreadable(why) => (not_accepted("Invalid", why, sight), None),
        Outcome::Unfit(Unfit::NotAccepted { reason, message }) => {
            (not_accepted(reason, message, sight), None)
        }
        Outcome::Unfit(Unfit::Unresolved { reason, message }) => {
            (unresolved(reason, message, sight), None)
        }
        Outcome::Carried { validated, published, applied } => {
            carried(sight, &mut status, validated, (published, applied))
        }
    };
    verdicts.push(ready(&verdicts, trouble));
    let since =
        |verdict: Verdict| verdict.since(&sight.before.conditions, sight.generation, sight.now);
    status.conditions = verdicts.into_iter().map(since).collect();
    status
}

/// What runs is left alone, and what is known of it stays said.
fn not_accepted(reason: &str, message: &str, sight: &Sight<'_>) -> Vec<Verdict> {
    vec![
        condition(ACCEPTED, ConditionStatus::False, reason, message),
        pending(RESOLVED_REFS),
        not_programmed(sight),
        as_before(sight, AVAILABLE),
        as_before(sight, PROGRESSING),
    ]
}

fn unresolved(reason: &str, message: &str, sight: &Sight<'_>) -> Vec<Verdict> {
    vec![
        accepted(),
        condition(RESOLVED_REFS, ConditionStatus::False, reason, message),
        not_programmed(sight),
        as_before(sight, AVAILABLE),
        as_before(sight, PROGRESSING),
    ]
}

fn accepted() -> Verdict {
    condition(ACCEPTED, ConditionStatus::True, ACCEPTED, "the resource is valid")
}

fn pending(type_: &'static str) -> Verdict {
    condition(
        type_,
        ConditionStatus::Unknown,
        "Pending",
        "not looked at before the resource is accepted",
    )
}

fn not_programmed(sight: &Sight<'_>) -> Verdict {
    let runs = sight.before.config.as_ref().filter(|config| !config.hash.is_empty());
    let message = match runs {
        Some(config) => format!("no config could be rendered; pods keep config {}", config.hash),
        None => "no config could be rendered".to_owned(),
    };
    condition(PROGRAMMED, ConditionStatus::False, "NotRendered", message)
}

/// What was said of it last; before anything was said: pending.
fn as_before(sight: &Sight<'_>, type_: &'static str) -> Verdict {
    let before = sight.before.conditions.iter().find(|old| old.type_ == type_);
    before.map_or_else(
        || pending(type_),
        |Condition { status, reason, message, .. }| {
            condition(type_, *status, reason, message.as_str())
        },
    )
}

/// What stands in the way of pods although the old ones serve.
type Obstacle = Option<(String, String)>;

fn carried(
    sight: &Sight<'_>,
    status: &mut StratumProxyStatus,
    validated: &Validated,
    (published, applied): (&Published, Result<&Children<Applied>, &Refused>),
) -> (Vec<Verdict>, Obstacle) {
    let pods = sight.pods;
    let count = programmed::count(&pods.facts, sight.running, &validated.hash, sight.uid);
    let refusal = programmed::refusal(&published.step, &pods.facts, &validated.hash);
    let config = status.config.get_or_insert_default();
    if let Some(generation) = sight.generation {
        config.generation = generation;
    }
    config.pods = count.pods;
    config.summary = format!("{}/{}", count.pods.synced, count.pods.total);
    let held = held_rejection(sight, &count, &validated.hash).filter(|_| refusal.is_none());
    config.last_rejected = match refusal {
        Some((pod, refusal)) => Some(programmed::rejected(pod, refusal, rfc3339(sight.now))),
        None => held.cloned(),
    };

    let pools = available::pools(&pools_of(&validated.spec), &pods.facts);
    let up = pools.iter().filter(|pool| pool.status.state == PoolState::Up).count();
    status.pool_summary = Some(format!("{up}/{}", pools.len()));
    status.accounts = Some(validated.accounts.clone());
    status.pools = pools.iter().map(|pool| pool.status.clone()).collect();

    let programmed = match held {
        Some(_) => as_before(sight, PROGRAMMED),
        None => programmed::verdict(&count, refusal, &sight.before.conditions, sight.now),
    };
    let resolved = condition(
        RESOLVED_REFS,
        ConditionStatus::True,
        RESOLVED_REFS,
        "every StratumPool and Secret that is named exists",
    );
    match applied {
        Ok(children) => {
            let (available, progressing) = observe(sight, status, children, &pools);
            let obstacle = (Ailment::is_reason(&progressing.reason)
                || progressing.reason == "PodsNotCreated")
                .then(|| (progressing.reason.clone(), progressing.message.clone()));
            (vec![accepted(), resolved, programmed, available, progressing], obstacle)
        }
        Err(Refused { reason, message }) => {
            let refused = condition(ACCEPTED, ConditionStatus::False, reason, message.as_str());
            let (available, progressing) =
                (as_before(sight, AVAILABLE), as_before(sight, PROGRESSING));
            (vec![refused, resolved, programmed, available, progressing], None)
        }
    }
}

/// The rejection that was told before, while the pod that refused is asked again and has not answered: what is asked
/// once a minute is no news once a minute.
fn held_rejection<'a>(sight: &Sight<'a>, count: &Count, hash: &str) -> Option<&'a LastRejected> {
    let rejected = sight.before.config.as_ref()?.last_rejected.as_ref()?;
    let conditions = &sight.before.conditions;
    let is_told = conditions.iter().any(|it| it.type_ == PROGRAMMED && it.reason == "Rejected");
    (is_told && rejected.hash == hash && count.behind.contains(&rejected.pod)).then_some(rejected)
}

fn observe(
    sight: &Sight<'_>,
    status: &mut StratumProxyStatus,
    children: &Children<Applied>,
    pools: &[PoolSight],
) -> (Verdict, Verdict) {
    let deployment = children.deployment.status.as_ref();
    let count = |count: fn(&k8s_openapi::api::apps::v1::DeploymentStatus) -> Option<i32>| {
        Some(deployment.and_then(count).unwrap_or(0))
    };
    status.replicas = count(|it| it.replicas);
    status.ready_replicas = count(|it| it.ready_replicas);
    status.updated_replicas = count(|it| it.updated_replicas);
    status.address = address(&children.service, sight.pods.node_address.as_deref());
    let available = available::verdict(&children.deployment, sight.pods, pools);
    (available, available::progressing(&children.deployment, sight.pods))
}

/// The sum: the first that does not hold, in the order in which they depend on each other.
fn ready(verdicts: &[Verdict], obstacle: Obstacle) -> Verdict {
    let fails = |verdict: &&Verdict| {
        verdict.type_ != PROGRESSING && verdict.status != ConditionStatus::True
    };
    // That no pod is ready follows from why none is.
    let tells = |verdict: &&Verdict| verdict.reason != programmed::NO_PODS;
    let mut failing = verdicts.iter().filter(fails);
    let first = failing.clone().find(tells).or_else(|| failing.next());
    if let Some(Verdict { status, reason, message, .. }) = first {
        return condition(READY, *status, reason, message.as_str());
    }
    match obstacle {
        Some((reason, message)) => condition(READY, ConditionStatus::False, &reason, message),
        None => condition(READY, ConditionStatus::True, READY, "every ready pod runs the config"),
    }
}
