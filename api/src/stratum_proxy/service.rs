//! How miners reach the pods: the Service that the operator makes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pod::texts;
use crate::rules::rules;

/// How miners reach the pods.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules([
    (
        "self.type != 'ClusterIP' || !has(self.externalTrafficPolicy)",
        "externalTrafficPolicy means nothing while type is ClusterIP; remove it, or set type to \
         NodePort or LoadBalancer",
    ),
    (
        "self.type == 'LoadBalancer' || !has(self.loadBalancerClass)",
        "loadBalancerClass means nothing while type is not LoadBalancer; remove it, or set type to \
         LoadBalancer",
    ),
])))]
pub struct Service {
    /// ClusterIP: reached from within the cluster only. NodePort: at a port of every node.
    /// LoadBalancer: at an address that the cloud or the cluster's load balancer gives. Default
    /// ClusterIP. Nothing is open to the outside before somebody says so.
    #[serde(rename = "type")]
    pub type_: ServiceType,

    /// Local keeps the addresses of miners, and a node without a pod serves none; Cluster spreads
    /// miners over all pods and hides their addresses. Absent: Cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ExternalTrafficPolicy")]
    pub external_traffic_policy: Option<ExternalTrafficPolicy>,

    /// Which load balancer serves it, such as example.com/internal. Absent: the cluster's default.
    /// A cluster refuses to change it later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(/[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$')",
        "is no class of a load balancer; write it like example.com/internal",
    )])))]
    pub load_balancer_class: Option<String>,

    /// Annotations of the Service, as load balancers want them, at most 32.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "texts")]
    pub annotations: BTreeMap<String, String>,
}

/// The type of the Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// Within the cluster.
    #[default]
    ClusterIP,
    /// At a port of every node.
    NodePort,
    /// At an address of a load balancer.
    LoadBalancer,
}

/// What a node does with a connection from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExternalTrafficPolicy {
    /// Gives it to any pod, from an address of the node.
    Cluster,
    /// Gives it to a pod of its own, from where it came.
    Local,
}

impl ServiceType {
    /// As a Service writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIP => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

impl ExternalTrafficPolicy {
    /// As a Service writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "Cluster",
            Self::Local => "Local",
        }
    }
}
