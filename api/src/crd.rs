//! The CustomResourceDefinitions, made from the Rust types. Only the generator and the operator
//! see this module: the proxy embeds the generated YAML and links no kube.

use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::{names, rules::rules, stratum_pool::StratumPool, stratum_proxy::StratumProxy};

/// Longest name of an object whose name begins the names of others (`<name>-config-…` ≤ 63).
const NAME_LENGTH_MAX: usize = 40;

/// Where a definition holds the schema of its only version.
const SCHEMA_POINTER: &str = "/spec/versions/0/schema/openAPIV3Schema";

const HEADER: &str =
    "# Generated from the types in api/src by `cargo xtask codegen`. Do not edit.\n";

/// A generated file of `crds/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrdFile {
    /// `<plural>.<group>.yaml`.
    pub name: String,
    /// Its whole text.
    pub text: String,
}

/// A definition that could not be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the definition of {kind}")]
pub struct CrdError {
    kind: &'static str,
    #[source]
    source: serde_yaml::Error,
}

/// Every file of `crds/`, as `cargo xtask codegen` writes them.
///
/// # Errors
/// If a definition is no YAML: a fault of the types.
pub fn files() -> Result<Vec<CrdFile>, CrdError> {
    let mut proxy = json!(StratumProxy::crd());
    if let Some(Value::Object(schema)) = proxy.pointer_mut(SCHEMA_POINTER) {
        schema.insert("x-kubernetes-validations".to_owned(), name_rule());
    }
    Ok(vec![
        file(names::STRATUM_PROXY, "stratumproxies", proxy)?,
        file(names::STRATUM_POOL, "stratumpools", json!(StratumPool::crd()))?,
    ])
}

fn file(kind: &'static str, plural: &str, mut definition: Value) -> Result<CrdFile, CrdError> {
    without_nullable(&mut definition);
    let text = serde_yaml::to_string(&definition).map_err(|source| CrdError { kind, source })?;
    let name = format!("{plural}.{}.yaml", names::GROUP);
    Ok(CrdFile { name, text: format!("{HEADER}{text}") })
}

fn name_rule() -> Value {
    rules([(
        &format!("self.metadata.name.size() <= {NAME_LENGTH_MAX}"),
        &format!("metadata.name is longer than {NAME_LENGTH_MAX} characters; choose a shorter one"),
    )])
}

/// An absent field and a null are the same to us. An API server prunes nulls where the schema does
/// not say `nullable`, and keeps them where it does: CEL's `has()` then depends on who evaluates.
fn without_nullable(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("nullable") == Some(&Value::Bool(true)) {
                fields.remove("nullable");
            }
            fields.values_mut().for_each(without_nullable);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nullable),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests;
