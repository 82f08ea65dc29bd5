use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{structure::conform, *};
use crate::{stratum_pool::StratumPoolSpec, stratum_proxy::StratumProxySpec};

/// What the walk enforces, and what needs no enforcing.
const ENFORCED: [&str; 15] = [
    "additionalProperties",
    "default",
    "enum",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "properties",
    "required",
    "type",
    "x-kubernetes-preserve-unknown-fields",
];
const ELSEWHERE: [&str; 5] = [
    "description",
    "format", // int32 and int64 only, asserted below
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-validations",
];

fn each_node<'a>(schema: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(schema);
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(|it| it.values()).for_each(|it| each_node(it, visit));
    for keyword in ["items", "additionalProperties"] {
        if let Some(child) = schema.get(keyword) {
            each_node(child, visit);
        }
    }
}

fn specs() -> [&'static Value; 2] {
    [Kind::StratumProxy, Kind::StratumPool]
        .map(|kind| &kind.schema().structure["properties"]["spec"])
}

#[test]
fn no_keyword_of_the_schemas_goes_unenforced() {
    let known: BTreeSet<_> = ENFORCED.into_iter().chain(ELSEWHERE).collect();
    for spec in specs() {
        each_node(spec, &mut |node| {
            for (keyword, value) in node.as_object().unwrap() {
                assert!(known.contains(keyword.as_str()), "{keyword} in {node}");
                if keyword == "format" {
                    assert!(["int32", "int64"].contains(&value.as_str().unwrap()), "{node}");
                }
            }
        });
    }
}

/// An API server estimates the cost of a rule by these bounds, and the walk relies on pairs.
#[test]
fn every_text_list_and_number_is_bounded() {
    for spec in specs() {
        each_node(spec, &mut |node| match node["type"].as_str() {
            Some("string") => {
                assert!(node.get("maxLength").or_else(|| node.get("enum")).is_some(), "{node}");
            }
            Some("array") => assert!(node.get("maxItems").is_some(), "{node}"),
            Some("integer") => {
                assert!(node["minimum"].is_number() && node["maximum"].is_number(), "{node}");
            }
            Some("object") => assert!(
                node.get("additionalProperties").is_none() || node["maxProperties"].is_number(),
                "{node}"
            ),
            other => panic!("{other:?} in {node}"),
        });
    }
}

/// `kubectl explain` shows the descriptions, and of old versions nothing else.
#[test]
fn every_field_is_described_and_its_default_is_said() {
    for spec in specs() {
        each_node(spec, &mut |node| {
            for (name, field) in node["properties"].as_object().into_iter().flatten() {
                let description = field["description"].as_str().unwrap_or_default();
                let sentences = description.replace('\n', " ");
                assert!(!sentences.is_empty() && sentences.ends_with('.'), "{name}: {sentences}");
                let said = match &field["default"] {
                    Value::String(text) => format!("Default {text}."),
                    Value::Number(number) => format!("Default {number}."),
                    _ if is_required(node, name) || !is_scalar(field) => continue,
                    _ if sentences.starts_with("Reserved: ") => continue,
                    _ => "Absent: ".to_owned(),
                };
                assert!(sentences.contains(&said), "{name} does not say {said}: {sentences}");
            }
        });
    }
}

fn is_required(object: &Value, name: &str) -> bool {
    object["required"].as_array().into_iter().flatten().any(|it| it == name)
}

fn is_scalar(field: &Value) -> bool {
    field["type"] == "string" || field["type"] == "integer"
}

#[test]
fn every_rule_compiles_and_its_message_has_a_remedy() {
    for kind in Kind::ALL {
        let mut count = 0;
        each_node(&kind.schema().structure, &mut |node| {
            for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
                let (message, remedy) =
                    crate::rules::split_message(rule["message"].as_str().unwrap());
                assert!(!message.is_empty() && !remedy.is_empty(), "{rule}");
                count += 1;
            }
        });
        assert!(count > 0);
        assert_eq!(kind.schema().rules.compilation_errors().len(), 0, "{}", kind.name());
    }
}

#[test]
fn the_defaults_of_the_schema_are_those_of_the_types() {
    let [proxy_schema, pool_schema] = specs();
    let proxy = json!({
        "listeners": [{"name": "v1", "port": 3333}],
        "routes": [{"name": "main", "pools": [{"poolRef": {"name": "a"}}]}],
    });
    let mut defaulted = proxy.clone();
    conform(proxy_schema, &mut defaulted, "", &mut Vec::new());
    let by_type: StratumProxySpec = serde_json::from_value(proxy).unwrap();
    assert_eq!(json!(by_type), defaulted);

    let pool = json!({
        "endpoints": [{"url": "stratum+tcp://a:1"}],
        "account": "a",
        "passwordSecretRef": {"name": "s"},
    });
    let mut defaulted = pool.clone();
    conform(pool_schema, &mut defaulted, "", &mut Vec::new());
    let by_type: StratumPoolSpec = serde_json::from_value(pool).unwrap();
    assert_eq!(json!(by_type), defaulted);
}

/// A null would be owned by whoever applies it, and `has()` of it depends on who evaluates.
#[test]
fn no_null_is_written_for_what_is_absent() {
    let proxy: StratumProxySpec = serde_json::from_value(json!({
        "listeners": [{"name": "v1", "port": 3333}],
        "routes": [{"name": "main", "pools": [{"poolRef": {"name": "a"}}],
                    "extranonce": {"idBytes": 2, "minerBytes": 2}}],
        "observability": {"tracing": {}},
    }))
    .unwrap();
    let pool: StratumPoolSpec =
        serde_json::from_value(json!({"endpoints": [{"url": "u"}], "account": "a"})).unwrap();
    let status = crate::stratum_proxy::StratumProxyStatus::default();
    for written in [json!(proxy), json!(pool), json!(status)] {
        assert!(!written.to_string().contains("null"), "{written}");
    }
}
