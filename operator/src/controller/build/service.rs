//! Where miners connect. Its ports lead to the numbers of the ports in the pods, not to their names: a port that
//! a running pod opened live has no name there yet.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use loka_api::stratum_proxy::ExternalTrafficPolicy;

use super::{Plan, Port, some_texts};

pub(super) fn build(plan: &Plan<'_>) -> Service {
    let wanted = &plan.spec.service;
    let mut metadata = plan.owner.metadata(plan.owner.name);
    metadata.annotations = some_texts(&wanted.annotations);
    let policy = wanted.external_traffic_policy;
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(wanted.type_.as_str().to_owned()),
            selector: Some(plan.owner.selector()),
            ports: Some(plan.ports.iter().map(|port| service_port(plan, port)).collect()),
            external_traffic_policy: policy.map(ExternalTrafficPolicy::as_str).map(str::to_owned),
            load_balancer_class: wanted.load_balancer_class.clone(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn service_port(plan: &Plan<'_>, port: &Port) -> ServicePort {
    let number = i32::from(port.number);
    let listener = plan.spec.listeners.iter().find(|listener| listener.name == port.name);
    ServicePort {
        name: Some(port.name.clone()),
        port: number,
        target_port: Some(IntOrString::Int(number)),
        protocol: Some("TCP".to_owned()),
        node_port: listener.and_then(|listener| listener.node_port),
        ..Default::default()
    }
}
