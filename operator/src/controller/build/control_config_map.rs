//! How the pods know their operator: the certificates of its authority. Nothing secret.

use k8s_openapi::api::core::v1::ConfigMap;
use loka_api::names;

use super::{Plan, texts};

pub(super) fn build(plan: &Plan<'_>) -> ConfigMap {
    ConfigMap {
        metadata: plan.owner.metadata(&names::control_config_map(plan.owner.name)),
        data: Some(texts([(names::CA_KEY, plan.certificates)])),
        ..Default::default()
    }
}
