//! Whom the pods run as: a name without any right, for the token that the operator reviews.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::Plan;

pub(super) fn build(plan: &Plan<'_>) -> ServiceAccount {
    ServiceAccount {
        metadata: plan.owner.metadata(plan.owner.name),
        automount_service_account_token: Some(false),
        ..Default::default()
    }
}
