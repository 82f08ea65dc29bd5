//! A raw document to a typed one, held to exactly what an API server would hold it to: structure,
//! defaults, CEL rules. Reports all problems at once. References to other documents are
//! [`crate::render()`]'s.

use kube_cel::{ErrorKind, ValidationError};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    documents::{DocumentId, RawDocument},
    names, overlay, path,
    problem::Problem,
    resources::Sourced,
    rules::split_message,
    schema::{
        Kind,
        structure::{Fault, conform, nearest},
    },
    secrets::SecretDocument,
    stratum_pool::StratumPoolSpec,
    stratum_proxy::StratumProxySpec,
};

/// A document of one of the kinds that are read, checked.
#[derive(Debug, Clone)]
pub enum Resource {
    /// A StratumProxy.
    Proxy(Sourced<StratumProxySpec>),
    /// A StratumPool.
    Pool(Sourced<StratumPoolSpec>),
    /// A v1 Secret.
    Secret(SecretDocument),
}

/// The most problems of one document that are told. Behind so many stands one cause, such as a file
/// of another program.
const PROBLEMS_MAX: usize = 100;

/// Checks one document.
///
/// # Errors
/// All that is wrong with it.
pub fn validate(document: &RawDocument) -> Result<Resource, Vec<Problem>> {
    let kind = kind_of(document).map_err(|problem| vec![problem])?;
    let schema = kind.schema();
    let mut value = document.value.clone();

    let mut faults = Vec::new();
    conform(&schema.structure, &mut value, "", &mut faults);
    let violations = match kube_cel::validate_compiled(&schema.rules, &value, None) {
        Ok(()) => Vec::new(),
        Err(violations) => violations.into_vec(),
    };
    let mut problems: Vec<_> = violations
        .iter()
        .filter(|violation| is_own_news(violation, &faults))
        .map(|violation| of_violation(&document.id, violation, &value))
        .collect();
    problems.splice(0..0, faults.iter().map(|fault| of_fault(&document.id, fault)));
    for problem in &mut problems {
        if let Some(variable) = overlay::variable(&document.overlaid, &problem.path) {
            problem.document = format!("environment {variable}, over {}", document.id);
        }
    }
    limit(&mut problems, &document.id);
    if problems.is_empty() { typed(kind, document, value) } else { Err(problems) }
}

fn limit(problems: &mut Vec<Problem>, id: &DocumentId) {
    let more = problems.len().saturating_sub(PROBLEMS_MAX);
    if more > 0 {
        problems.truncate(PROBLEMS_MAX);
        let message = format!("has {more} more problems");
        problems.push(Problem::of(id, &message, "correct these first"));
    }
}

fn kind_of(document: &RawDocument) -> Result<Kind, Problem> {
    let id = &document.id;
    let text = |name: &str| document.value.get(name).and_then(Value::as_str);
    if !document.value.is_object() {
        let remedy = "begin it with `apiVersion: stratum.loka.dev/v1alpha1` and `kind: …`";
        return Err(Problem::of(id, "is not a Kubernetes object", remedy));
    }
    let Some(name) = text("kind") else {
        let remedy = "add `kind: StratumProxy`, `kind: StratumPool` or `kind: Secret`";
        return Err(Problem::of(id, "is required and missing", remedy).at("kind"));
    };
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == name) else {
        let near = nearest(Kind::ALL.into_iter().map(Kind::name), name);
        let remedy = near.map_or_else(
            || {
                "take it out of these files: only StratumProxy, StratumPool and Secret are read, \
                each as a document of its own"
                    .to_owned()
            },
            |near| format!("did you mean {near}?"),
        );
        let problem = Problem::of(id, "is not a kind that is read here", &remedy);
        return Err(problem.at("kind").with_value(&name.into()));
    };
    let wanted = kind.api_version();
    if text("apiVersion") == Some(wanted) {
        return Ok(kind);
    }
    let given = document.value.get("apiVersion").unwrap_or(&Value::Null);
    let message = format!("is not the apiVersion of a {name}");
    let problem = Problem::of(id, &message, &format!("write `apiVersion: {wanted}`"));
    Err(problem.at("apiVersion").with_value(given))
}

/// What a rule says of a value that is structurally wrong has been said already, and a rule that
/// stumbled over such a value says nothing.
fn is_own_news(violation: &ValidationError, faults: &[Fault]) -> bool {
    let stumbled = violation.kind != ErrorKind::ValidationFailure;
    let path = violation.field_path.as_str();
    let at_a_fault = faults.iter().any(|it| path::is_within(path, &it.path));
    !at_a_fault && (faults.is_empty() || !stumbled)
}

fn of_fault(id: &DocumentId, fault: &Fault) -> Problem {
    let problem = Problem::of(id, &fault.message, &fault.remedy).at(&fault.path);
    match &fault.value {
        Some(value) => problem.with_value(value),
        None => problem,
    }
}

fn of_violation(id: &DocumentId, violation: &ValidationError, value: &Value) -> Problem {
    let (message, remedy) = split_message(&violation.message);
    let problem = Problem::of(id, &message, &remedy).at(&violation.field_path);
    match path::lookup(value, &violation.field_path) {
        Some(value) if !value.is_object() && !value.is_array() => problem.with_value(value),
        Some(_) | None => problem,
    }
}

fn typed(kind: Kind, document: &RawDocument, value: Value) -> Result<Resource, Vec<Problem>> {
    match kind {
        Kind::StratumProxy => Ok(Resource::Proxy(sourced(document, value)?)),
        Kind::StratumPool => Ok(Resource::Pool(sourced(document, value)?)),
        Kind::Secret => SecretDocument::read(document, value).map(Resource::Secret),
    }
}

fn sourced<T: DeserializeOwned>(
    document: &RawDocument,
    mut value: Value,
) -> Result<Sourced<T>, Vec<Problem>> {
    let text = |pointer| value.pointer(pointer).and_then(Value::as_str);
    let name = text("/metadata/name").unwrap_or_default().to_owned();
    let namespace = text("/metadata/namespace").unwrap_or(names::DEFAULT_NAMESPACE).to_owned();
    let spec = value.get_mut("spec").map(Value::take).unwrap_or_default();
    // The schema is made from the type, so what passes it fits; a test holds the two together.
    let spec = serde_json::from_value(spec).map_err(|error| {
        let remedy = "this is a fault of the program, not of the document: report it";
        vec![Problem::of(&document.id, &format!("cannot be read: {error}"), remedy).at("spec")]
    })?;
    Ok(Sourced::new(document, namespace, name, spec))
}

#[cfg(test)]
mod tests;
