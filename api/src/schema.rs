//! The schemas that documents are held to: the generated definitions, embedded, completed by what
//! an API server knows by itself (`metadata`). Owns which kinds there are. The walk is in
//! [`structure`], the rules are kube-cel's.

pub(crate) mod structure;

use std::sync::OnceLock;

use kube_cel::CompiledSchema;
use serde_json::{Map, Value, json};

use crate::{names, rules::own_name};

const PROXY_DEFINITION: &str = include_str!("../../crds/stratumproxies.stratum.loka.dev.yaml");
const POOL_DEFINITION: &str = include_str!("../../crds/stratumpools.stratum.loka.dev.yaml");

/// The kinds of documents that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    StratumProxy,
    StratumPool,
    Secret,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::StratumProxy, Self::StratumPool, Self::Secret];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::StratumProxy => names::STRATUM_PROXY,
            Self::StratumPool => names::STRATUM_POOL,
            Self::Secret => "Secret",
        }
    }

    pub(crate) const fn api_version(self) -> &'static str {
        match self {
            Self::StratumProxy | Self::StratumPool => names::API_VERSION,
            Self::Secret => "v1",
        }
    }

    pub(crate) fn schema(self) -> &'static Schema {
        static SCHEMAS: [OnceLock<Schema>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        let [proxy, pool, secret] = &SCHEMAS;
        match self {
            Self::StratumProxy => proxy.get_or_init(|| Schema::embedded(PROXY_DEFINITION)),
            Self::StratumPool => pool.get_or_init(|| Schema::embedded(POOL_DEFINITION)),
            Self::Secret => secret.get_or_init(|| Schema::compile(secret_schema())),
        }
    }
}

/// A schema, and its rules compiled.
pub(crate) struct Schema {
    pub(crate) structure: Value,
    pub(crate) rules: CompiledSchema,
}

impl Schema {
    fn compile(structure: Value) -> Self {
        let rules = kube_cel::compile_schema(&structure);
        Self { structure, rules }
    }

    fn embedded(definition: &str) -> Self {
        #[expect(clippy::expect_used, reason = "embedded at build time, and parsed by a test")]
        let definition: Value =
            serde_yaml::from_str(definition).expect("the embedded definition is YAML");
        let mut structure = definition
            .pointer("/spec/versions/0/schema/openAPIV3Schema")
            .cloned()
            .unwrap_or_default();
        if let Some(Value::Object(properties)) = structure.get_mut("properties") {
            properties.insert("apiVersion".to_owned(), json!({ "type": "string" }));
            properties.insert("kind".to_owned(), json!({ "type": "string" }));
            properties.insert("metadata".to_owned(), metadata_schema());
            // Documents out of `kubectl get -o yaml` carry one; an API server ignores it, too.
            properties.insert("status".to_owned(), anything());
        }
        if let Some(Value::Array(required)) = structure.get_mut("required") {
            required.push("metadata".into());
        }
        Self::compile(structure)
    }
}

/// The parts of `ObjectMeta` that a human writes are checked; what an API server fills in is let
/// through, so that a document can be read back from a cluster.
fn metadata_schema() -> Value {
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let name = |length: usize, example: &str| {
        json!({
            "type": "string",
            "minLength": 1,
            "maxLength": length,
            "x-kubernetes-validations": own_name(example),
        })
    };
    let filled_in = [
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    ];
    let written = [
        ("name", name(253, "farm-east")),
        ("namespace", name(63, "mining")),
        ("labels", texts.clone()),
        ("annotations", texts),
    ];
    let properties: Map<_, _> = filled_in
        .into_iter()
        .map(|field| (field, anything()))
        .chain(written)
        .map(|(field, schema)| (field.to_owned(), schema))
        .collect();
    json!({ "type": "object", "required": ["name"], "properties": properties })
}

/// The entries of `data` and `stringData` are read by [`crate::secrets`], which shows no value.
fn secret_schema() -> Value {
    json!({
        "type": "object",
        "required": ["metadata"],
        "properties": {
            "apiVersion": { "type": "string" },
            "kind": { "type": "string" },
            "metadata": metadata_schema(),
            "type": { "type": "string" },
            "immutable": anything(),
            "data": anything(),
            "stringData": anything(),
        }
    })
}

fn anything() -> Value {
    json!({ "x-kubernetes-preserve-unknown-fields": true })
}

#[cfg(test)]
mod tests;
