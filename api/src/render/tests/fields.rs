//! Each documented field arrives where `cases/fields.yaml` says, or is refused as reserved.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::{
    edit::merge,
    path,
    render::{Rendered, render},
    resources::Resources,
    schema::Kind,
};

fn table() -> Value {
    serde_yaml::from_str(include_str!("../../../cases/fields.yaml")).unwrap()
}

/// Renders the base documents, one of them edited.
fn rendered(table: &Value, kind: Kind, edit: &Value) -> Rendered {
    let mut documents = table["base"].clone();
    merge(&mut documents[kind.name()], edit.clone());
    let all: Vec<_> = documents.as_object().unwrap().values().collect();
    load(all.into_iter().chain(table["others"].as_array().unwrap()))
}

fn load<'a>(documents: impl Iterator<Item = &'a Value>) -> Rendered {
    let texts: Vec<_> = documents.map(ToString::to_string).collect();
    let names: Vec<_> = (0..texts.len()).map(|index| format!("{index}.json")).collect();
    let sources = names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str()));
    let resources = Resources::load(sources).unwrap();
    render(&resources, resources.proxy(None).unwrap(), &resources.secrets).unwrap()
}

/// Everything that is no object and no list, by its JSON pointer.
fn leaves(value: &Value, at: &str, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, it)| leaves(it, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, it)| leaves(it, &format!("{at}/{i}"), found));
        }
        leaf => drop(found.insert(at.to_owned(), leaf.clone())),
    }
}

/// What stands in `after` and not in `before`; null for what is there no more.
fn changes(before: &Rendered, after: &Rendered) -> Map<String, Value> {
    let [mut old, mut new] = [BTreeMap::new(), BTreeMap::new()];
    leaves(&json!(before.config), "", &mut old);
    leaves(&json!(after.config), "", &mut new);
    let places: BTreeSet<_> = old.keys().chain(new.keys()).cloned().collect();
    places
        .into_iter()
        .filter(|place| old.get(place) != new.get(place))
        .map(|place| (place.clone(), new.get(&place).cloned().unwrap_or_default()))
        .collect()
}

#[test]
fn each_field_changes_what_it_should_and_the_hash() {
    let table = table();
    for kind in Kind::ALL {
        let before = rendered(&table, kind, &json!({}));
        for case in table[kind.name()].as_array().unwrap() {
            let after = rendered(&table, kind, &case["edit"]);
            assert_eq!(Value::from(changes(&before, &after)), case["changes"], "{case}");
            assert_ne!(before.hash(), after.hash(), "{case}");
        }
    }
}

#[test]
fn each_field_of_the_schemas_is_in_the_table_or_reserved() {
    let table = table();
    for kind in [Kind::StratumProxy, Kind::StratumPool] {
        let cases = table[kind.name()].as_array().unwrap().iter().map(|case| &case["field"]);
        let operators = table["operator"].as_array().unwrap().iter();
        let known: BTreeSet<_> = cases.chain(operators).filter_map(Value::as_str).collect();
        let mut documented = BTreeSet::new();
        fields(&kind.schema().structure["properties"]["spec"], "spec", &mut documented);
        let silent: Vec<_> =
            documented.iter().filter(|field| !known.contains(field.as_str())).collect();
        assert_eq!(silent, [""; 0], "fields of a {} that change nothing", kind.name());
    }
}

/// The paths of all scalars that are not refused by a rule.
fn fields(schema: &Value, at: &str, found: &mut BTreeSet<String>) {
    let mut rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    // `false` refuses any value, and of a reserved enumeration only the default is let through.
    if rules.any(|rule| {
        let is_reserved = rule["message"].as_str().unwrap_or_default().starts_with("reserved: ");
        rule["rule"] == "false" || (is_reserved && schema["enum"].is_array())
    }) {
        return;
    }
    match (schema.get("properties"), schema.get("items")) {
        (Some(properties), _) => {
            for (name, property) in properties.as_object().unwrap() {
                fields(property, &path::field(at, name), found);
            }
        }
        (None, Some(items)) => fields(items, &format!("{at}[]"), found),
        (None, None) => drop(found.insert(at.to_owned())),
    }
}

/// No value of the config is without an answer to the question where it comes from: each leaf is
/// explained, or belongs to an address of a pool that is explained with its first address.
#[test]
fn each_value_of_the_config_is_explained() {
    let table = table();
    let window = json!({"days": ["Mon"], "from": "08:00", "to": "20:00"});
    let step = json!({"percent": 100});
    let edit = json!({"spec": {
        "listeners": [{
            "tls": {"secretRef": {"name": "certificate"}},
            "proxyProtocol": {"mode": "Required", "from": ["10.0.0.0/8"]},
            "limits": {"maxConnectionsPerAddress": 1, "connectsPerMinutePerAddress": 1,
                       "maxHandshakes": 1, "maxHandshakesPerAddress": 1, "ban": {},
                       "exempt": ["::1/128"]},
        }],
        "routes": [
            {
                "extranonce": {"idBytes": 2, "minerBytes": 4},
                "pin": "primary",
                "mode": "Dedicated",
                "pools": [{"schedule": [window], "weight": 30}],
                "rollout": {"strategy": "Staged"},
            },
            {"rollout": {"strategy": "Staged", "steps": [step]}},
        ],
        "rules": [{"name": "r", "listeners": ["v1"], "workers": ["a*"], "sources": ["::/0"],
                   "firmware": ["f"], "routeRef": {"name": "main"}}],
        "firmware": [{"name": "f", "userAgents": ["a"], "extranonce2Size": 4,
                      "coinbaseBytesMax": 500, "minDifficulty": "1", "initialDifficulty": "1",
                      "setExtranonce": "Enabled"}],
        "observability": {"logLevel": "Warn", "tracing": {"samplingRatio": "0.5"}},
    }});
    let mut table = table;
    merge(
        &mut table["base"]["StratumPool"],
        json!({"spec": {
            "workerName": "{worker}",
            "verify": {"payoutAddress": "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"},
            "health": {"submitStall": "1s"},
            "suggestDifficulty": "Disabled",
            "reconnect": "Never",
            "endpoints": [{"url": "stratum+ssl://a:1"}],
            "tls": {
                "caSecretRef": {"name": "authority"},
                "clientCertificateSecretRef": {"name": "certificate"},
                "pins": [format!("sha256:{}", "0".repeat(64))],
                "serverName": "a",
            },
            "proxy": {"socks5": "a:1", "credentialsSecretRef": {"name": "socks"}},
        }}),
    );
    let rendered = rendered(&table, Kind::StratumProxy, &edit);
    let mut config = json!(rendered.config);
    let explained: BTreeSet<_> = rendered.explain().iter().map(|it| it.path.clone()).collect();
    for list in ["/listeners", "/routes", "/rules", "/firmware"] {
        by_name(config.pointer_mut(list).unwrap());
    }
    let mut all = BTreeMap::new();
    leaves(&config, "", &mut all);
    let unexplained: Vec<_> = all
        .keys()
        .map(|pointer| pointer.split('/').skip(1).fold(String::new(), joined))
        .filter(|path| !explained.contains(path) && !is_plain(path))
        .collect();
    assert_eq!(unexplained, [""; 0], "{explained:#?}");
}

/// A path and one more part of a JSON pointer, as explanations write it: items without a name by
/// their number.
fn joined(path: String, part: &str) -> String {
    match part {
        _ if path.is_empty() => part.to_owned(),
        named if named.starts_with('[') => format!("{path}{named}"),
        number if number.parse::<usize>().is_ok() => format!("{path}[{number}]"),
        field => format!("{path}.{field}"),
    }
}

/// What needs no explanation: names, the schema, the parts of an address that is explained, and the
/// time until miners are let go where they are held.
fn is_plain(path: &str) -> bool {
    ["schema", "name"].contains(&path)
        || path.ends_with("].name")
        || path.ends_with("].endpoint.host")
        || path.ends_with("].endpoint.port")
        || path.ends_with("].onNoPool.afterMs")
}

/// Lists of named items as objects with the keys `[name]`, as explanations write them.
fn by_name(value: &mut Value) {
    let Value::Array(items) = value else { return };
    let named = std::mem::take(items).into_iter().map(|mut item| {
        if let Some(pools) = item.get_mut("pools") {
            by_name(pools);
        }
        (format!("[{}]", item["name"].as_str().unwrap()), item)
    });
    *value = Value::Object(named.collect());
}

#[test]
fn the_hash_depends_on_what_is_said_and_not_on_where_or_in_which_order() {
    let table = table();
    let before = rendered(&table, Kind::StratumProxy, &json!({}));
    let documents: Vec<_> = table["base"].as_object().unwrap().values().collect();
    let others = table["others"].as_array().unwrap();
    let backwards = load(others.iter().rev().chain(documents.into_iter().rev()));
    assert_eq!(before.config, backwards.config);
    assert_eq!(before.hash(), backwards.hash());

    // Defaults that are written out, another notation of the same value, block YAML, reversed keys.
    let said = json!({"spec": {
        "drain": {"timeout": "2m"},
        "listeners": [{"difficulty": {"initial": "8192.0"}, "routeRef": {"name": "main"}}],
        "routes": [{"versionMask": "1fffe000", "failback": {"after": "120s"}}],
        "replicas": 3,
    }});
    assert_eq!(before.hash(), rendered(&table, Kind::StratumProxy, &said).hash());
}
