//! Every rule of the resource types, on a real API server: what the table of cases refuses is refused there, with the same
//! message, and what it accepts is accepted.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use http::Request;
use kube::Client;
use loka_api::edit::{merge, validation_cases};
use loka_tests::cluster::ApiServer;
use serde_json::Value;

use super::smoke::establish;

/// Kind, and its plural in URLs.
const KINDS: [(&str, &str); 2] =
    [("StratumProxy", "stratumproxies"), ("StratumPool", "stratumpools")];

/// Asks for the document to be made, without making it: the refusal, if there is one.
async fn refusal(client: &Client, plural: &str, document: &Value) -> Option<String> {
    let namespace = document["metadata"]["namespace"].as_str().unwrap_or("mining");
    let url = format!(
        "/apis/stratum.loka.dev/v1alpha1/namespaces/{namespace}/{plural}?dryRun=All&fieldValidation=Strict"
    );
    let body = serde_json::to_vec(document).expect("JSON");
    let request = Request::post(url)
        .header("content-type", "application/json")
        .body(body)
        .expect("a request");
    client.request::<Value>(request).await.err().map(|error| error.to_string())
}

/// What the server adds to an object, and a client may not send when it makes one.
fn without_server_fields(mut document: Value) -> Value {
    if let Some(metadata) = document["metadata"].as_object_mut() {
        for field in ["uid", "generation", "creationTimestamp", "managedFields", "resourceVersion"]
        {
            metadata.remove(field);
        }
    }
    document.as_object_mut().map(|fields| fields.remove("status"));
    document
}

/// The messages of all rules in a definition.
fn messages(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            let rules = fields.get("x-kubernetes-validations").and_then(Value::as_array);
            let texts = rules.into_iter().flatten().filter_map(|rule| rule["message"].as_str());
            found.extend(texts.map(str::to_owned));
            fields.values().for_each(|value| messages(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| messages(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn rules_of(plural: &str) -> BTreeSet<String> {
    let file = format!("../crds/{plural}.stratum.loka.dev.yaml");
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a file");
    let mut found = BTreeSet::new();
    messages(&serde_yaml::from_str(&text).expect("YAML"), &mut found);
    found
}

#[tokio::test]
async fn each_rule_refuses_with_its_message_and_what_is_allowed_passes() {
    let Some(api) = ApiServer::shared().await else { return };
    establish(api).await;
    api.try_kubectl(&["create", "namespace", "mining"]).await.ok();
    let client = api.client().await;
    let all: Value = serde_yaml::from_str(validation_cases()).expect("YAML");
    for (kind, plural) in KINDS {
        let cases = &all[kind];
        let edited = |edit: &Value| {
            let mut document = cases["base"].clone();
            merge(&mut document, edit.clone());
            without_server_fields(document)
        };
        for edit in cases["accepted"].as_array().expect("a list") {
            let refused = refusal(&client, plural, &edited(edit)).await;
            assert_eq!(refused, None, "{edit}");
        }
        let rules = rules_of(plural);
        let mut told = BTreeSet::new();
        for case in cases["refused"].as_array().expect("a list") {
            let said = refusal(&client, plural, &edited(&case["edit"])).await;
            let said = said.unwrap_or_else(|| panic!("the API server takes {case}"));
            told.extend(rules.iter().filter(|rule| said.contains(rule.as_str())).cloned());
        }
        let silent: Vec<&String> = rules.difference(&told).collect();
        assert!(silent.is_empty(), "{kind}: no case makes the API server say {silent:#?}");
    }
}
