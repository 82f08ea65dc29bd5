//! How the pods know their operator: the certificates of its authority. Nothing secret.

use k8s_openapi::api::core::v1::ConfigMap;
use loka_api::names;

use super::{Owner, texts};

/// Builds it.
pub(in super::super) fn build(owner: &Owner<'_>, certificates: &str) -> ConfigMap {
    ConfigMap {
        metadata: owner.metadata(&names::control_config_map(owner.name)),
        data: Some(texts([(names::CA_KEY, certificates)])),
        ..Default::default()
    }
}
