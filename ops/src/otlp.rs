//! The standard `OTEL_*` variables, as far as they decide whether and how traces are exported. The
//! rest (headers, timeouts, batch sizes, resource attributes) is read by the SDK itself. A collector
//! that is away costs spans and nothing else.

mod export;

pub use export::{Exporter, SpanCount};

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

use crate::environment::Environment;

crate::labels! {
    /// What became of spans.
    ExportResult {
        /// The collector took them.
        Exported => "exported",
        /// It did not; they are gone.
        Failed => "failed",
    }
}

/// What traces say of their origin unless the environment does.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Further attributes, each with the variable that its value is in.
    pub attributes: &'static [(&'static str, &'static str)],
}

/// Where traces go and what they say of their origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otlp {
    /// The collector's.
    pub endpoint: String,
    /// Resource attributes that the environment does not give.
    resource: Vec<(&'static str, String)>,
}

/// A variable that asks for something that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}={value:?}: {remedy}")]
pub struct OtlpError {
    /// Its name.
    pub variable: &'static str,
    /// What it says.
    pub value: String,
    /// What it should say.
    pub remedy: &'static str,
}

// === impl Otlp ===

impl Otlp {
    /// `None` if no collector is named, or traces are switched off.
    ///
    /// # Errors
    /// [`OtlpError`] when the environment asks for what cannot be had.
    pub fn read(environment: &Environment, service: &Service) -> Result<Option<Self>, OtlpError> {
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
        Ok(Some(Self { endpoint: endpoint.to_owned(), resource: resource(environment, service) }))
    }

    /// What every span says of its origin.
    pub fn resource(&self) -> Resource {
        let attributes =
            self.resource.iter().map(|(key, value)| KeyValue::new(*key, value.clone()));
        Resource::builder().with_attributes(attributes).build()
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
fn resource(environment: &Environment, service: &Service) -> Vec<(&'static str, String)> {
    let given = environment.string("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_given = |key: &str| {
        given.split(',').filter_map(|entry| entry.split_once('=')).any(|(k, _)| k.trim() == key)
    };
    let mut own = vec![
        ("service.namespace", "loka".to_owned()),
        ("service.version", service.version.to_owned()),
        ("service.instance.id", format!("{:032x}", fastrand::u128(..))),
    ];
    if environment.string("OTEL_SERVICE_NAME").is_none() {
        own.push(("service.name", service.name.to_owned()));
    }
    for (key, variable) in service.attributes {
        own.extend(environment.string(variable).map(|value| (*key, value.to_owned())));
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
