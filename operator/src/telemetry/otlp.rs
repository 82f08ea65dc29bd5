//! The standard `OTEL_*` variables, as far as they decide whether and how traces are exported. The
//! rest (sampler, headers, timeouts, batch sizes, resource attributes) is read by the SDK itself.

use crate::environment::Environment;

/// Name of the service when the environment gives none.
const SERVICE_NAME: &str = "loka-operator";

/// Attributes that the downward API gives.
const FROM_THE_POD: [(&str, &str); 4] = [
    ("k8s.namespace.name", "POD_NAMESPACE"),
    ("k8s.pod.name", "POD_NAME"),
    ("k8s.pod.uid", "POD_UID"),
    ("k8s.node.name", "NODE_NAME"),
];

/// Where traces go and what they say of their origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Otlp {
    pub(super) endpoint: String,
    /// Resource attributes that the environment does not give.
    pub(super) resource: Vec<(&'static str, String)>,
}

/// A variable that asks for something that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}={value:?}: {remedy}")]
pub(super) struct OtlpError {
    pub(super) variable: &'static str,
    pub(super) value: String,
    pub(super) remedy: &'static str,
}

// === impl Otlp ===

impl Otlp {
    /// `None` if no collector is named, or traces are switched off.
    pub(super) fn read(environment: &Environment) -> Result<Option<Self>, OtlpError> {
        if switched_off(environment)? {
            return Ok(None);
        }
        let named = first(
            environment,
            ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"],
        );
        let Some((variable, endpoint)) = named else { return Ok(None) };
        if !endpoint.starts_with("http://") {
            let remedy = "write http://HOST:4317, the OTLP/gRPC port of a collector near by; this build does not \
                          speak TLS to collectors";
            return Err(OtlpError { variable, value: endpoint.to_owned(), remedy });
        }
        check_protocol(environment)?;
        Ok(Some(Self { endpoint: endpoint.to_owned(), resource: resource(environment) }))
    }
}

fn switched_off(environment: &Environment) -> Result<bool, OtlpError> {
    let disabled = environment.string("OTEL_SDK_DISABLED").unwrap_or_default();
    if disabled.eq_ignore_ascii_case("true") {
        return Ok(true);
    }
    match environment.string("OTEL_TRACES_EXPORTER") {
        None | Some("otlp") => Ok(false),
        Some("none") => Ok(true),
        Some(other) => Err(OtlpError {
            variable: "OTEL_TRACES_EXPORTER",
            value: other.to_owned(),
            remedy: "only otlp and none are known",
        }),
    }
}

fn check_protocol(environment: &Environment) -> Result<(), OtlpError> {
    let named =
        first(environment, ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"]);
    match named {
        None | Some((_, "grpc")) => Ok(()),
        Some((variable, value)) => Err(OtlpError {
            variable,
            value: value.to_owned(),
            remedy: "only grpc is spoken: unset it and name the collector's gRPC port",
        }),
    }
}

/// Attributes that say which process this is, unless the environment does.
fn resource(environment: &Environment) -> Vec<(&'static str, String)> {
    let given = environment.string("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_given = |key: &str| {
        given.split(',').filter_map(|entry| entry.split_once('=')).any(|(k, _)| k.trim() == key)
    };
    let mut own = vec![
        ("service.namespace", "loka".to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", format!("{:032x}", fastrand::u128(..))),
    ];
    if environment.string("OTEL_SERVICE_NAME").is_none() {
        own.push(("service.name", SERVICE_NAME.to_owned()));
    }
    for (key, variable) in FROM_THE_POD {
        own.extend(environment.string(variable).map(|value| (key, value.to_owned())));
    }
    own.retain(|(key, _)| !is_given(key));
    own
}

fn first<'e>(
    environment: &'e Environment,
    variables: [&'static str; 2],
) -> Option<(&'static str, &'e str)> {
    variables.into_iter().find_map(|v| environment.string(v).map(|value| (v, value)))
}

#[cfg(test)]
mod tests;
