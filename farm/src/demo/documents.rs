//! The shipped documents with as little as possible replaced, and a list of what was.

#![expect(clippy::indexing_slicing, reason = "indexing a YAML value gives null, or inserts")]

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize as _;
use serde_yaml::Value;

/// One value that is not as shipped.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Replacement {
    /// Resource and path.
    pub(super) field: String,
    pub(super) was: String,
    pub(super) is: String,
}

/// What the demo replaces.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    /// Port that miners connect to.
    pub(super) port: u16,
    /// Initial, least and greatest difficulty of the miners.
    pub(super) difficulty: [&'a str; 3],
    /// `url` of each pool, in the order of the documents; the last one serves any further.
    pub(super) urls: &'a [String],
    /// Account and worker name, where they are not the documents' own.
    pub(super) login: Option<(&'a str, Option<&'a str>)>,
}

/// The documents of a directory's `*.yaml`, in the order of their names.
pub(super) fn read(directory: &Path) -> anyhow::Result<Vec<Value>> {
    let entries = fs::read_dir(directory)
        .with_context(|| format!("cannot list {}; give --samples DIR", directory.display()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let mut documents = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for document in serde_yaml::Deserializer::from_str(&text) {
            documents
                .push(Value::deserialize(document).with_context(|| path.display().to_string())?);
        }
    }
    Ok(documents)
}

/// Replaces what is wanted, and tells each replacement.
pub(super) fn replace(documents: &mut [Value], wanted: &Wanted<'_>) -> Vec<Replacement> {
    let mut done = Vec::new();
    let mut pools = 0;
    for document in documents {
        let kind = text(&document["kind"]);
        let name = format!("{kind} {}", text(&document["metadata"]["name"]));
        match kind.as_str() {
            "StratumProxy" => proxy(document, &name, wanted, &mut done),
            "StratumPool" => {
                let url = wanted.urls.get(pools).or_else(|| wanted.urls.last());
                pool(document, &name, url.map_or("", String::as_str), wanted, &mut done);
                pools += 1;
            }
            _ => {}
        }
    }
    done
}

fn proxy(document: &mut Value, name: &str, wanted: &Wanted<'_>, done: &mut Vec<Replacement>) {
    let Some(listener) = document["spec"]["listeners"].get_mut(0) else { return };
    let mut set = |field: &str, value: &mut Value, is: Value| {
        let was = std::mem::replace(value, is.clone());
        if was == is {
            return;
        }
        let field = format!("{name} listeners[0].{field}");
        done.push(Replacement { field, was: text(&was), is: text(&is) });
    };
    set("port", &mut listener["port"], wanted.port.into());
    for (field, value) in ["initial", "min", "max"].into_iter().zip(wanted.difficulty) {
        set(&format!("difficulty.{field}"), &mut listener["difficulty"][field], value.into());
    }
}

fn pool(
    document: &mut Value,
    name: &str,
    url: &str,
    wanted: &Wanted<'_>,
    done: &mut Vec<Replacement>,
) {
    let spec = &mut document["spec"];
    let mut push = |field: &str, was: String, is: &str| {
        done.push(Replacement { field: format!("{name} {field}"), was, is: is.to_owned() });
    };
    let endpoints = std::mem::replace(&mut spec["endpoints"], Value::Sequence(Vec::new()));
    let was: Vec<String> =
        endpoints.as_sequence().into_iter().flatten().map(|one| text(&one["url"])).collect();
    let mut endpoint = serde_yaml::Mapping::new();
    endpoint.insert("url".into(), url.into());
    spec["endpoints"] = Value::Sequence(vec![Value::Mapping(endpoint)]);
    push("endpoints", was.join(", "), url);
    let Some((account, worker)) = wanted.login else { return };
    push("account", text(&spec["account"]), account);
    spec["account"] = account.into();
    if let Some(worker) = worker {
        push("workerName", text(&spec["workerName"]), worker);
        spec["workerName"] = worker.into();
    }
}

/// As one file.
pub(super) fn to_text(documents: &[Value]) -> anyhow::Result<String> {
    let texts: Result<Vec<String>, _> = documents.iter().map(serde_yaml::to_string).collect();
    Ok(texts?.join("---\n"))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => serde_yaml::to_string(other).unwrap_or_default().trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTS: &str = "
kind: StratumProxy
metadata: {name: farm}
spec: {listeners: [{name: v1, port: 3333, difficulty: {initial: '8192'}}], drain: {timeout: 120s}}
---
kind: StratumPool
metadata: {name: primary}
spec: {endpoints: [{url: one}, {url: two}], account: acct}
";

    #[test]
    fn only_what_is_wanted_is_replaced_and_each_replacement_is_told() {
        let mut documents: Vec<Value> = serde_yaml::Deserializer::from_str(DOCUMENTS)
            .map(|document| Value::deserialize(document).unwrap())
            .collect();
        let urls = ["three".to_owned()];
        let wanted = Wanted { port: 1, difficulty: ["2", "3", "4"], urls: &urls, login: None };
        let told = replace(&mut documents, &wanted);
        let fields: Vec<(&str, &str, &str)> = told
            .iter()
            .map(|one| (one.field.as_str(), one.was.as_str(), one.is.as_str()))
            .collect();
        assert_eq!(
            fields,
            [
                ("StratumProxy farm listeners[0].port", "3333", "1"),
                ("StratumProxy farm listeners[0].difficulty.initial", "8192", "2"),
                ("StratumProxy farm listeners[0].difficulty.min", "", "3"),
                ("StratumProxy farm listeners[0].difficulty.max", "", "4"),
                ("StratumPool primary endpoints", "one, two", "three"),
            ]
        );
        assert_eq!(documents[1]["spec"]["account"], Value::from("acct"));
        assert_eq!(documents[0]["spec"]["drain"]["timeout"], Value::from("120s"));
    }
}
