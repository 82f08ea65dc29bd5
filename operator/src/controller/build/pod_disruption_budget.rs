//! At most one pod at a time leaves for the cluster's sake, such as a drain of a node.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Plan;

pub(super) fn build(plan: &Plan<'_>) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: plan.owner.metadata(plan.owner.name),
        spec: Some(PodDisruptionBudgetSpec {
            // Not minAvailable: of one replica it would hold every node for ever.
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(plan.owner.label_selector()),
            // A pod that is broken serves nobody, and must not hold a node.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    }
}
