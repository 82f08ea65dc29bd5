//! `StratumProxy`: what the miners of one site connect to, and where their work goes. Owns the
//! shape and, beside each field, its CEL rules. References to other objects are resolved by
//! [`crate::render()`], not here.
//!
//! A field that is accepted works; a field whose name is taken for later is refused with a message
//! that says so. The doc comments become the descriptions that `kubectl explain` shows.

mod authentication;
mod drain;
mod firmware;
mod listener;
mod observability;
mod pod;
mod protection;
mod route;
mod rule;
mod service;
mod status;

pub use authentication::{
    Authentication, AuthenticationType, HookCaSecretRef, HookTokenSecretRef, LoginList,
    LoginListSecretRef, OnHookFailure, Webhook,
};
pub use drain::Drain;
pub use firmware::{FirmwareProfile, SetExtranonce};
pub use listener::{
    ClientAuth, Difficulty, Limits, Listener, ListenerTls, Protocol, RouteRef, TlsSecretRef,
    TlsVersion,
};
pub use observability::{LogLevel, Observability, Tracing};
pub use pod::{
    ImagePullPolicy, ImagePullSecret, Pod, Preserved, TaintEffect, Toleration, TolerationOperator,
};
pub use protection::{Ban, ProxyProtocol, ProxyProtocolMode};
pub use route::{
    Day, Extranonce, Failback, Mode, NoPoolPolicy, OnNoPool, PoolRef, Rollout, RolloutStep,
    RolloutStrategy, Route, RoutePool, ScheduleWindow, VersionRolling,
};
pub use rule::{Rule, RuleRouteRef};
pub use service::{ExternalTrafficPolicy, Service, ServiceType};
pub use status::{
    ConfigPods, ConfigStatus, LastRejected, PoolState, PoolStatus, StratumProxyStatus,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    reserved::Reserved,
    rules::{image, only, reserved, rules},
};

/// What the miners of one site connect to, and where their work goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "crd", derive(kube::CustomResource))]
#[cfg_attr(
    feature = "crd",
    expect(clippy::duplicated_attributes, reason = "each column has the same few attributes")
)]
#[cfg_attr(
    feature = "crd",
    kube(
        group = "stratum.loka.dev",
        version = "v1alpha1",
        kind = "StratumProxy",
        plural = "stratumproxies",
        namespaced,
        status = "StratumProxyStatus",
        doc = "What the miners of one site connect to, and where their work goes.",
        shortname = "sproxy",
        category = "stratum",
        scale(
            spec_replicas_path = ".spec.replicas",
            status_replicas_path = ".status.replicas",
            label_selector_path = ".status.selector"
        ),
        printcolumn(
            name = "Ready",
            type_ = "string",
            json_path = ".status.conditions[?(@.type==\"Ready\")].status"
        ),
        printcolumn(name = "Config", type_ = "string", json_path = ".status.config.summary"),
        printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.replicas"),
        printcolumn(name = "Pools", type_ = "string", json_path = ".status.poolSummary"),
        printcolumn(name = "Address", type_ = "string", json_path = ".status.address"),
        printcolumn(name = "Accounts", type_ = "string", json_path = ".status.accounts"),
        printcolumn(
            name = "Reason",
            type_ = "string",
            priority = 1,
            json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
        ),
        printcolumn(
            name = "Message",
            type_ = "string",
            priority = 1,
            json_path = ".status.conditions[?(@.type==\"Ready\")].message"
        ),
        printcolumn(
            name = "Hash",
            type_ = "string",
            priority = 1,
            json_path = ".status.config.hash"
        ),
        printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules([
    (
        "self.listeners.all(l, self.listeners.exists_one(m, m.port == l.port))",
        "two listeners have the same port; give each listener a port of its own",
    ),
    (
        "self.service.type != 'ClusterIP' || !self.listeners.exists(l, has(l.nodePort))",
        "a nodePort means nothing while service.type is ClusterIP; remove it, or set service.type \
         to NodePort or LoadBalancer",
    ),
    (
        "self.listeners.all(l, !has(l.nodePort) || \
         self.listeners.exists_one(m, has(m.nodePort) && m.nodePort == l.nodePort))",
        "two listeners have the same nodePort; give each listener a nodePort of its own",
    ),
    (
        // The names are taken out once: looking at each route for each rule costs more than an API server spends on one rule.
        "!has(self.rules) || [self.routes.map(t, t.name)].all(names, \
         self.rules.all(r, r.routeRef.name in names))",
        "a rule's routeRef names no route; write the name of one of spec.routes",
    ),
    (
        "!has(self.rules) || self.rules.all(r, !has(r.listeners) || \
         r.listeners.all(n, self.listeners.exists(l, l.name == n)))",
        "a rule names a listener that is not there; write names of spec.listeners",
    ),
])))]
pub struct StratumProxySpec {
    /// Ports that miners connect to, 1 to 16.
    #[schemars(length(min = 1, max = 16))]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"]
    ))]
    pub listeners: Vec<Listener>,

    /// Where the work goes, 1 to 512 routes. A listener that names no route uses the first.
    #[schemars(length(min = 1, max = 512))]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"]
    ))]
    pub routes: Vec<Route>,

    /// Miners that take another route than their listener's, at most 512 rules. The first one that
    /// fits decides; where none does, the listener does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"]
    ))]
    pub rules: Vec<Rule>,

    /// What miners' firmware can take, at most 32 profiles, tried before those that the proxy has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"]
    ))]
    pub firmware: Vec<FirmwareProfile>,

    /// What happens to connected miners when a pod or process is asked to end.
    #[serde(default)]
    pub drain: Drain,

    /// Logs and traces.
    #[serde(default)]
    pub observability: Observability,

    /// How many pods run. Absent: 2 at first, and from then on whatever an autoscaler or `kubectl
    /// scale` of the Deployment sets. Live: pods come and go, nothing restarts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<i32>,

    /// How miners reach the pods. Live: no pod restarts.
    #[serde(default)]
    pub service: Service,

    /// The proxy's image, with a tag or a digest. Absent: the one that belongs to the operator's
    /// version. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[schemars(extend("x-kubernetes-validations" = image()))]
    pub image: Option<String>,

    /// When a node pulls the image. Absent: IfNotPresent. A change rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ImagePullPolicy")]
    pub image_pull_policy: Option<ImagePullPolicy>,

    /// Secrets of the same namespace with which nodes pull the image, at most 8. A change rolls the
    /// pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"]
    ))]
    pub image_pull_secrets: Vec<ImagePullSecret>,

    /// Where pods run and what they may use. A change rolls the pods.
    #[serde(default)]
    pub pod: Pod,

    /// What kind of workload the operator makes. Only Deployment so far. Absent: Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = only(
        "Deployment", "a DaemonSet is not made yet"
    )))]
    #[schemars(with = "Workload")]
    pub workload: Option<Workload>,

    /// Whether the proxy is to run. Only Run so far. Absent: Run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = only(
        "Run", "draining and stopping by the resource is not honoured yet"
    )))]
    #[schemars(with = "Operation")]
    pub operation: Option<Operation>,

    /// Reserved: the site that the miners stand at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    #[schemars(extend("x-kubernetes-validations" = reserved(
        "accounts are not kept by site yet"
    )))]
    pub site: Option<String>,

    /// Reserved: taking a share of the miners off the pools for a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = reserved(
        "curtailment is not honoured yet"
    )))]
    pub curtailment: Option<Reserved>,

    /// Reserved: how changes of config and of image are rolled out in steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = reserved(
        "staged roll-outs are not honoured yet"
    )))]
    pub rollout: Option<Reserved>,
}

/// The kind of workload that runs the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Workload {
    /// Pods behind a Service.
    Deployment,
    /// One pod on each chosen node.
    DaemonSet,
}

/// What the proxy is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operation {
    /// Serve miners.
    Run,
    /// Move miners away, accept no new ones.
    Drain,
    /// Run nothing.
    Stop,
}
