//! The part of a StratumProxy that is about pods, in the types of Kubernetes. What is kept as it was written is
//! read strictly: an unknown field would be dropped without a word otherwise.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use loka_api::stratum_proxy::{Pod, Preserved, TaintEffect, Toleration, TolerationOperator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a proxy requests unless it is told otherwise: enough for hundreds of miners.
const REQUESTS: [(&str, &str); 2] = [("cpu", "100m"), ("memory", "64Mi")];

/// What pods look like.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct PodShape {
    pub(in super::super) resources: core::ResourceRequirements,
    pub(in super::super) node_selector: BTreeMap<String, String>,
    pub(in super::super) tolerations: Vec<core::Toleration>,
    pub(in super::super) priority_class_name: Option<String>,
    pub(in super::super) labels: BTreeMap<String, String>,
    pub(in super::super) annotations: BTreeMap<String, String>,
    /// Empty: the operator's own.
    pub(in super::super) topology_spread_constraints: Vec<core::TopologySpreadConstraint>,
}

/// A part that is not of the shape that Kubernetes gives it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}; write it as in a Pod, see `kubectl explain {explained}`")]
pub(in super::super) struct PodFault {
    path: String,
    why: String,
    explained: &'static str,
}

impl PodShape {
    /// Reads it.
    pub(in super::super) fn read(pod: &Pod) -> Result<Self, PodFault> {
        let Pod {
            resources,
            node_selector,
            tolerations,
            priority_class_name,
            labels,
            annotations,
            topology_spread_constraints,
        } = pod;
        let resources = match resources {
            Some(given) => strict(given, "spec.pod.resources", "pod.spec.containers.resources")?,
            None => default_resources(),
        };
        let spread = topology_spread_constraints.iter().enumerate().map(|(index, given)| {
            let path = format!("spec.pod.topologySpreadConstraints[{index}]");
            strict(given, &path, "pod.spec.topologySpreadConstraints")
        });
        Ok(Self {
            resources,
            node_selector: node_selector.clone(),
            tolerations: tolerations.iter().map(toleration).collect(),
            priority_class_name: priority_class_name.clone(),
            labels: labels.clone(),
            annotations: annotations.clone(),
            topology_spread_constraints: spread.collect::<Result<_, _>>()?,
        })
    }
}

fn default_resources() -> core::ResourceRequirements {
    let requests = REQUESTS.map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())));
    core::ResourceRequirements { requests: Some(requests.into()), ..Default::default() }
}

fn toleration(given: &Toleration) -> core::Toleration {
    let Toleration { key, operator, value, effect, toleration_seconds } = given;
    core::Toleration {
        key: key.clone(),
        operator: operator.map(TolerationOperator::as_str).map(str::to_owned),
        value: value.clone(),
        effect: effect.map(TaintEffect::as_str).map(str::to_owned),
        toleration_seconds: *toleration_seconds,
    }
}

fn strict<T: DeserializeOwned + Serialize>(
    given: &Preserved,
    path: &str,
    explained: &'static str,
) -> Result<T, PodFault> {
    let fault = |path: String, why: String| PodFault { path, why, explained };
    let given = Value::Object(given.0.clone());
    let read: T = serde_json::from_value(given.clone())
        .map_err(|error| fault(path.to_owned(), error.to_string()))?;
    let back = serde_json::to_value(&read).unwrap_or_default();
    match dropped(&given, &back, path) {
        Some(field) => Err(fault(field, "unknown field".to_owned())),
        None => Ok(read),
    }
}

/// The first field that was given and did not survive being read.
fn dropped(given: &Value, back: &Value, path: &str) -> Option<String> {
    match (given, back) {
        (Value::Object(given), Value::Object(back)) => given.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            match back.get(name) {
                Some(back) => dropped(value, back, &path),
                None if value.is_null() => None,
                None => Some(path),
            }
        }),
        (Value::Array(given), Value::Array(back)) => {
            let pairs = given.iter().zip(back).enumerate();
            pairs
                .map(|(index, (given, back))| dropped(given, back, &format!("{path}[{index}]")))
                .find_map(|it| it)
        }
        _ => None,
    }
}
