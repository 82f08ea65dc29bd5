//! Whether the pods run the config that is rendered from the resources, counted over ready pods: what a stream says
//! is not what serves miners, and a pod that is not ready serves none.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use loka_api::conditions::{Condition, ConditionStatus};
use loka_api::control::Identity;
use loka_api::stratum_proxy::{ConfigPods, LastRejected};

use super::conditions::{Verdict, condition, held_since};
use crate::fleet::Refusal;
use crate::publish::{PodFacts, Step};

/// How long pods may take before it is said that they do not follow.
pub(super) const PROPAGATION_MAX: Duration = Duration::from_secs(60);
/// Pods that are named in a message.
const PODS_SHOWN_MAX: usize = 5;

/// The type of the condition.
pub(in super::super) const PROGRAMMED: &str = "Programmed";

/// The reason while pods are on their way to it.
pub(in super::super) const PROPAGATING: &str = "Propagating";

/// The reason of a StratumProxy of which no pod is ready.
pub(super) const NO_PODS: &str = "NoPods";

/// The count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) pods: ConfigPods,
    pub(super) behind: Vec<String>,
}

/// Counts ready pods. `running` is what each runs, by uid.
pub(super) fn count(
    pods: &[PodFacts],
    running: &HashMap<String, Identity>,
    hash: &str,
    uid: &str,
) -> Count {
    let mut count = Count::default();
    for pod in pods.iter().filter(|pod| pod.ready) {
        count.pods.total += 1;
        let runs = running.get(&pod.id.uid);
        if runs.is_some_and(|runs| runs.hash == hash && runs.epoch == uid) {
            count.pods.synced += 1;
            continue;
        }
        let refused = pod.link.as_ref().and_then(|link| link.refused.as_ref());
        if refused.is_some_and(|refusal| refusal.identity.hash == hash) {
            count.pods.rejected += 1;
        } else {
            count.pods.pending += 1;
        }
        count.behind.push(pod.id.name.clone());
    }
    count
}

/// The refusal that stands in the way, if one does: of the canary, or of a pod that was pushed to.
pub(super) fn refusal<'s>(
    step: &'s Step,
    pods: &'s [PodFacts],
    hash: &str,
) -> Option<(&'s str, &'s Refusal)> {
    if let Step::Rejected { pod, refusal, .. } = step {
        return Some((&pod.name, refusal));
    }
    pods.iter().find_map(|pod| {
        let refusal = pod.link.as_ref()?.refused.as_ref()?;
        (refusal.identity.hash == hash).then_some((pod.id.name.as_str(), refusal))
    })
}

/// A refusal, as the status keeps it.
pub(super) fn rejected(pod: &str, refusal: &Refusal, at: String) -> LastRejected {
    let first = refusal.problems.first();
    LastRejected {
        hash: refusal.identity.hash.clone(),
        pod: pod.to_owned(),
        field: first.map(|problem| problem.path.clone()).unwrap_or_default(),
        message: first.map(|problem| problem.message.clone()).unwrap_or_default(),
        at,
    }
}

/// The condition.
pub(super) fn verdict(
    count: &Count,
    refusal: Option<(&str, &Refusal)>,
    before: &[Condition],
    now: Timestamp,
) -> Verdict {
    use ConditionStatus::{False, True, Unknown};
    let ConfigPods { total, synced, .. } = count.pods;
    if let Some((pod, refusal)) = refusal {
        return condition(PROGRAMMED, False, "Rejected", refusal_message(pod, refusal));
    }
    if total == 0 {
        return condition(PROGRAMMED, False, NO_PODS, "no pod is ready to run the config");
    }
    if synced == total {
        let message = format!("{synced} of {total} ready pods run it");
        return condition(PROGRAMMED, True, "AllPodsSynced", message);
    }
    let behind = count.behind.iter().take(PODS_SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    let message = format!("{synced} of {total} ready pods run it; not yet: {behind}");
    if is_late(before, now) {
        return condition(PROGRAMMED, False, "PropagationDeadlineExceeded", message);
    }
    condition(PROGRAMMED, Unknown, PROPAGATING, message)
}

/// Whether it has been under way for too long, or was late already.
fn is_late(before: &[Condition], now: Timestamp) -> bool {
    let Some(held) = before.iter().find(|old| old.type_ == PROGRAMMED) else { return false };
    match (held.status, held.reason.as_str()) {
        (ConditionStatus::False, "PropagationDeadlineExceeded") => true,
        (ConditionStatus::Unknown, PROPAGATING) => {
            let since = held_since(before, PROGRAMMED);
            since.is_some_and(|since| {
                let under_way = now.duration_since(since);
                Duration::try_from(under_way).is_ok_and(|it| it >= PROPAGATION_MAX)
            })
        }
        _ => false,
    }
}

fn refusal_message(pod: &str, refusal: &Refusal) -> String {
    let told: Vec<_> = refusal
        .problems
        .iter()
        .map(|problem| {
            let place = if problem.path.is_empty() { "the config" } else { &problem.path };
            let remedy = if problem.remedy.is_empty() { "" } else { "; " };
            format!("{place}: {}{remedy}{}", problem.message, problem.remedy)
        })
        .collect();
    let hash = &refusal.identity.hash;
    format!(
        "pod {pod} refused config {hash}, and runs on with the one before: {}",
        told.join(" | ")
    )
}
