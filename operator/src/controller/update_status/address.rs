//! What a miner must be given.

use k8s_openapi::api::core::v1::Service;
use loka_api::names;

/// The addresses of a Service's ports, each with its name if there are several. None while there is none yet.
pub(super) fn address(service: &Service, node_address: Option<&str>) -> Option<String> {
    let spec = service.spec.as_ref()?;
    let ports = spec.ports.as_deref().unwrap_or_default();
    let type_ = spec.type_.as_deref().unwrap_or("ClusterIP");
    let host = match type_ {
        "LoadBalancer" => load_balancer(service)?,
        "NodePort" => node_address?.to_owned(),
        // Reached from within the cluster only, and the name says so.
        _ => cluster_name(service)?,
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let number = |port: &k8s_openapi::api::core::v1::ServicePort| match type_ {
        "NodePort" => port.node_port.filter(|number| *number > 0),
        _ => Some(port.port),
    };
    let addresses: Vec<_> = ports
        .iter()
        .filter_map(|port| {
            let address = format!("{host}:{}", number(port)?);
            Some((port.name.clone().unwrap_or_default(), address))
        })
        .collect();
    match addresses.as_slice() {
        [] => None,
        [(_, address)] => Some(address.clone()),
        several => {
            let named = several.iter().map(|(name, address)| format!("{name}={address}"));
            Some(named.collect::<Vec<_>>().join(","))
        }
    }
}

fn load_balancer(service: &Service) -> Option<String> {
    let status = service.status.as_ref()?.load_balancer.as_ref()?;
    let ingress = status.ingress.as_ref()?.first()?;
    ingress.ip.clone().or_else(|| ingress.hostname.clone())
}

fn cluster_name(service: &Service) -> Option<String> {
    let name = service.metadata.name.as_deref()?;
    let namespace = service.metadata.namespace.as_deref().unwrap_or(names::DEFAULT_NAMESPACE);
    Some(format!("{name}.{namespace}.svc"))
}
