//! What a StratumProxy is made of in the cluster, as values. Pure and deterministic: the same input gives the
//! same objects, byte by byte, so that nothing is applied twice and no pod restarts for nothing.
//!
//! Of the config only the listeners' ports are in these objects, and those are the ports of what *runs*: a config
//! that no pod has accepted yet changes nothing here.

mod deployment;
mod pod_disruption_budget;
mod service;
mod service_account;

pub(super) mod config_secret;
pub(super) mod control_config_map;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use loka_api::stratum_proxy::StratumProxySpec;
use loka_api::{RuntimeConfig, names};

use super::Settings;
use super::validate::PodShape;

/// Children that have been built.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prepared;
/// Children as the cluster has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applied;

/// All that the operator makes for a StratumProxy, but for the mounted Secret, which is written when it is
/// published. Taken apart without `..` wherever each must be dealt with.
#[derive(Clone, Debug)]
pub(super) struct Children<Stage> {
    pub(super) service_account: ServiceAccount,
    pub(super) control_config_map: ConfigMap,
    pub(super) service: Service,
    pub(super) pod_disruption_budget: PodDisruptionBudget,
    pub(super) deployment: Deployment,
    pub(super) stage: PhantomData<Stage>,
}

/// Whose children they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
}

/// A port that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) number: u16,
}

/// All that the children depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'a> {
    pub(super) owner: Owner<'a>,
    pub(super) spec: &'a StratumProxySpec,
    pub(super) pod: &'a PodShape,
    pub(super) drain: Duration,
    /// Of the config that runs.
    pub(super) ports: &'a [Port],
    /// Certificates by which proxies know the operator, in PEM.
    pub(super) certificates: &'a str,
    pub(super) settings: &'a Settings,
}

/// The ports of a config.
pub(super) fn ports_of(config: &RuntimeConfig) -> Vec<Port> {
    let port = |listener: &loka_api::runtime_config::Listener| Port {
        name: listener.name.clone(),
        number: listener.port,
    };
    config.listeners.iter().map(port).collect()
}

// === impl Plan ===

impl Plan<'_> {
    /// Builds them all.
    pub(super) fn build(&self) -> Children<Prepared> {
        Children {
            service_account: service_account::build(self),
            control_config_map: control_config_map::build(&self.owner, self.certificates),
            service: service::build(self),
            pod_disruption_budget: pod_disruption_budget::build(self),
            deployment: deployment::build(self),
            stage: PhantomData,
        }
    }

    /// The image that pods run.
    pub(super) fn image(&self) -> &str {
        self.spec.image.as_deref().unwrap_or(&self.settings.proxy_image)
    }
}

// === impl Owner ===

impl Owner<'_> {
    /// Labels of everything.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        texts([
            (names::NAME_LABEL, names::APP_NAME),
            (names::INSTANCE_LABEL, self.name),
            (names::MANAGED_BY_LABEL, names::MANAGED_BY),
            (names::PART_OF_LABEL, names::PART_OF),
            (names::COMPONENT_LABEL, names::COMPONENT),
        ])
    }

    /// Labels by which pods are found. They never change: a Deployment's selector cannot.
    pub(super) fn selector(&self) -> BTreeMap<String, String> {
        texts([(names::NAME_LABEL, names::APP_NAME), (names::INSTANCE_LABEL, self.name)])
    }

    /// The same, as a status and an autoscaler write it.
    pub(super) fn selector_text(&self) -> String {
        let pairs: Vec<_> =
            self.selector().into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join(",")
    }

    fn label_selector(&self) -> LabelSelector {
        LabelSelector { match_labels: Some(self.selector()), ..Default::default() }
    }

    /// Metadata of a child.
    pub(super) fn metadata(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.namespace.to_owned()),
            labels: Some(self.labels()),
            owner_references: Some(vec![OwnerReference {
                api_version: names::API_VERSION.to_owned(),
                kind: names::STRATUM_PROXY.to_owned(),
                name: self.name.to_owned(),
                uid: self.uid.to_owned(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            }]),
            ..Default::default()
        }
    }
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// None instead of an empty map: an absent field is owned by nobody.
fn some_texts(map: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then(|| map.clone())
}

#[cfg(test)]
pub(super) mod tests;
