//! Whether miners can work: pods that are ready, and pools that give work.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::Deployment;
use loka_api::conditions::ConditionStatus;
use loka_api::stratum_proxy::{PoolState, PoolStatus};

use super::conditions::{Verdict, condition};
use crate::controller::facts::{Pods, Trouble};
use crate::publish::PodFacts;

/// The types of the conditions.
pub(super) const AVAILABLE: &str = "Available";
pub(super) const PROGRESSING: &str = "Progressing";

/// Errors of pools that a message tells.
const ERRORS_SHOWN_MAX: usize = 4;

/// A pool as the pods see it, and what they said last of why they lost it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PoolSight {
    pub(super) status: PoolStatus,
    pub(super) last_error: String,
}

/// Each pool, by the reports of the ready pods. One of its endpoints is enough.
pub(super) fn pools(names: &[&str], pods: &[PodFacts]) -> Vec<PoolSight> {
    let mut up: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut said: BTreeMap<&str, &str> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pod.ready) {
        let report = pod.link.as_ref().and_then(|link| link.report.as_ref());
        for state in report.into_iter().flat_map(|report| &report.pools) {
            // `name/2` is the second endpoint of `name`.
            let name = state.pool.split('/').next().unwrap_or_default();
            let error = said.entry(name).or_default();
            if state.up {
                up.entry(name).or_default().insert(&pod.id.uid);
            } else if error.is_empty() {
                *error = &state.last_error;
            }
        }
    }
    let sight = |name: &&str| {
        let pods_up = up.get(name).map_or(0, BTreeSet::len);
        let state = match (pods_up, said.contains_key(name)) {
            (1.., _) => PoolState::Up,
            (0, true) => PoolState::Down,
            (0, false) => PoolState::Unknown,
        };
        let pods_up = i32::try_from(pods_up).unwrap_or(i32::MAX);
        PoolSight {
            status: PoolStatus { name: (*name).to_owned(), state, pods_up },
            last_error: said.get(name).copied().unwrap_or_default().to_owned(),
        }
    };
    names.iter().map(sight).collect()
}

/// Whether miners can work.
pub(super) fn verdict(deployment: &Deployment, pods: &Pods, pools: &[PoolSight]) -> Verdict {
    use ConditionStatus::{False, True};
    let ready = pods.ready().count();
    let wanted = replicas(deployment);
    if ready == 0 && wanted == 0 {
        return condition(AVAILABLE, False, "ScaledToZero", "no pod is wanted");
    }
    if ready == 0 {
        return match pods.troubles.first() {
            Some(Trouble { ailment, message }) => {
                condition(AVAILABLE, False, ailment.reason(), message.as_str())
            }
            None => match failure(deployment) {
                Some(message) => condition(AVAILABLE, False, "PodsNotCreated", message),
                None => condition(
                    AVAILABLE,
                    False,
                    "Unavailable",
                    format!("0 of {wanted} pods are ready"),
                ),
            },
        };
    }
    let down = |pool: &PoolSight| pool.status.state == PoolState::Down;
    if !pools.is_empty() && pools.iter().all(down) {
        let told: Vec<_> = pools
            .iter()
            .take(ERRORS_SHOWN_MAX)
            .map(|pool| format!("{}: {}", pool.status.name, or_silent(&pool.last_error)))
            .collect();
        let message = format!("no pool gives work; {}", told.join("; "));
        return condition(AVAILABLE, False, "AllPoolsDown", message);
    }
    let message = format!("{ready} of {wanted} pods are ready");
    condition(AVAILABLE, True, "MinimumReplicasAvailable", message)
}

/// Whether pods are being replaced, and what is in the way of those that are to come.
pub(super) fn progressing(deployment: &Deployment, pods: &Pods) -> Verdict {
    use ConditionStatus::{False, True};
    if let Some(Trouble { ailment, message }) = pods.troubles.first() {
        return condition(PROGRESSING, False, ailment.reason(), message.as_str());
    }
    if let Some(message) = failure(deployment) {
        return condition(PROGRESSING, False, "PodsNotCreated", message);
    }
    let wanted = replicas(deployment);
    let status = deployment.status.as_ref();
    let count = |count: Option<i32>| count.unwrap_or(0);
    let updated = status.map_or(0, |status| count(status.updated_replicas));
    let available = status.map_or(0, |status| count(status.available_replicas));
    let all = status.map_or(0, |status| count(status.replicas));
    let observed = status.and_then(|status| status.observed_generation);
    let is_observed =
        deployment.metadata.generation.is_none_or(|it| observed.is_some_and(|seen| seen >= it));
    if is_observed && updated >= wanted && available >= wanted && all <= wanted {
        return condition(
            PROGRESSING,
            False,
            "Complete",
            "the pods are as the resource wants them",
        );
    }
    if let Some(message) = deadline(deployment) {
        return condition(PROGRESSING, False, "ProgressDeadlineExceeded", message);
    }
    let message = format!(
        "{updated} of {wanted} pods are of the newest image and settings, {available} are ready"
    );
    condition(PROGRESSING, True, "RollingOut", message)
}

pub(super) fn replicas(deployment: &Deployment) -> i32 {
    deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

/// Why no pod could be made, such as a quota or a policy.
fn failure(deployment: &Deployment) -> Option<String> {
    message_of(deployment, "ReplicaFailure", "True")
}

fn deadline(deployment: &Deployment) -> Option<String> {
    message_of(deployment, "Progressing", "False")
}

fn message_of(deployment: &Deployment, type_: &str, status: &str) -> Option<String> {
    let conditions = deployment.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|it| it.type_ == type_ && it.status == status)?;
    Some(found.message.clone().unwrap_or_default())
}

fn or_silent(error: &str) -> &str {
    if error.is_empty() { "it says nothing" } else { error }
}
