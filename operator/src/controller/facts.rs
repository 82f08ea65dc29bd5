//! What can be seen of a StratumProxy's pods, in the terms in which it is judged: pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use loka_api::names;

use crate::fleet::{PodId, PodLink};
use crate::publish::PodFacts;

/// Reasons for which a kubelet has no image to start.
const IMAGE_REASONS: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
];

/// Why a pod does not run, in the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ailment {
    /// A node could not get the image.
    ImageNotPulled,
    /// No node takes it.
    Unschedulable,
    /// The proxy ends again and again.
    CrashLooping,
    /// The node cannot make the container.
    ContainerNotCreated,
}

/// A pod that does not run, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trouble {
    pub(super) ailment: Ailment,
    pub(super) message: String,
}

/// The pods of a StratumProxy.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pods {
    /// Those that are not being deleted, by name.
    pub(super) facts: Vec<PodFacts>,
    /// The worst first.
    pub(super) troubles: Vec<Trouble>,
    /// Address of a node that runs a ready pod: the least, so that it stays the same.
    pub(super) node_address: Option<String>,
}

impl Ailment {
    const ALL: [Self; 4] =
        [Self::ImageNotPulled, Self::Unschedulable, Self::CrashLooping, Self::ContainerNotCreated];

    /// Whether a reason of a condition is one of these.
    pub(super) fn is_reason(reason: &str) -> bool {
        Self::ALL.iter().any(|ailment| ailment.reason() == reason)
    }

    /// Of a condition.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::ImageNotPulled => "ImageNotPulled",
            Self::Unschedulable => "Unschedulable",
            Self::CrashLooping => "CrashLooping",
            Self::ContainerNotCreated => "ContainerNotCreated",
        }
    }
}

impl Pods {
    /// Joins what the API server says of pods with what they say themselves.
    pub(super) fn join<'a>(pods: impl IntoIterator<Item = &'a Pod>, links: Vec<PodLink>) -> Self {
        let mut links: BTreeMap<_, _> =
            links.into_iter().map(|link| (link.pod.uid.clone(), link)).collect();
        let mut all = Self::default();
        for pod in pods.into_iter().filter(|pod| is_alive(pod)) {
            let Some(id) = id(pod) else { continue };
            let ready = is_ready(pod);
            let address = pod.status.as_ref().and_then(|status| status.host_ip.clone());
            all.node_address = all.node_address.into_iter().chain(address.filter(|_| ready)).min();
            all.troubles.extend(trouble(pod));
            let link = links.remove(&id.uid);
            all.facts.push(PodFacts { id, ready, link });
        }
        all.facts.sort_by(|left, right| left.id.cmp(&right.id));
        all.troubles.sort();
        all
    }

    /// The ready ones.
    pub(super) fn ready(&self) -> impl Iterator<Item = &PodFacts> {
        self.facts.iter().filter(|pod| pod.ready)
    }
}

fn id(pod: &Pod) -> Option<PodId> {
    Some(PodId { name: pod.metadata.name.clone()?, uid: pod.metadata.uid.clone()? })
}

/// Not being deleted, and not over.
fn is_alive(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Succeeded" | "Failed"))
}

fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|(status, ..)| status == "True")
}

/// Status, reason and message of a condition.
fn condition<'p>(pod: &'p Pod, type_: &str) -> Option<(&'p str, &'p str, &'p str)> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|condition| condition.type_ == type_)?;
    let text = |text: &'p Option<String>| text.as_deref().unwrap_or_default();
    Some((found.status.as_str(), text(&found.reason), text(&found.message)))
}

fn trouble(pod: &Pod) -> Option<Trouble> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    if let Some(("False", "Unschedulable", message)) = condition(pod, "PodScheduled") {
        let message = format!("no node takes pod {name}: {message}");
        return Some(Trouble { ailment: Ailment::Unschedulable, message });
    }
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let proxy = statuses.iter().find(|status| status.name == names::CONTAINER)?;
    let ContainerState { waiting, .. } = proxy.state.as_ref()?;
    let waiting = waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let why = waiting.message.as_deref().unwrap_or(reason);
    let (ailment, message) = match reason {
        // A container that is on its way: of no interest.
        "ContainerCreating" | "PodInitializing" | "" => return None,
        reason if IMAGE_REASONS.contains(&reason) => {
            let image = image(pod, proxy);
            (Ailment::ImageNotPulled, format!("pod {name} cannot get the image {image}: {why}"))
        }
        "CrashLoopBackOff" => {
            let ended = last_words(proxy).unwrap_or_else(|| why.to_owned());
            (Ailment::CrashLooping, format!("pod {name} ends again and again: {ended}"))
        }
        reason => (
            Ailment::ContainerNotCreated,
            format!("the container of pod {name} cannot be made: {reason}: {why}"),
        ),
    };
    Some(Trouble { ailment, message })
}

/// As the pod names it: a status may hold what the runtime made of it.
fn image<'p>(pod: &'p Pod, status: &'p ContainerStatus) -> &'p str {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut named = containers.filter(|container| container.name == names::CONTAINER);
    named.find_map(|container| container.image.as_deref()).unwrap_or(&status.image)
}

fn last_words(status: &ContainerStatus) -> Option<String> {
    let ended = status.last_state.as_ref()?.terminated.as_ref()?;
    let reason = ended.reason.as_deref().unwrap_or("Ended");
    let message = ended.message.as_deref().unwrap_or("see its log");
    Some(format!("{reason}, exit code {}: {message}", ended.exit_code))
}

#[cfg(test)]
mod tests;
