use serde_json::json;

use super::*;
use crate::{Origin, Resources, render, secrets::Layered};

const FARM: &str = "\
apiVersion: stratum.loka.dev/v1alpha1
kind: StratumProxy
metadata: {name: farm-east}
spec:
  listeners:
    - {name: v1, port: 3333, limits: {maxConnections: 100}}
    - {name: tls-in, port: 3334}
  routes:
    - name: main
      pools: [{poolRef: {name: pool-a}}]
---
apiVersion: stratum.loka.dev/v1alpha1
kind: StratumPool
metadata: {name: pool-a}
spec:
  endpoints: [{url: \"stratum+tcp://a.example.com:3333\"}]
  account: acme
";

fn documents() -> Vec<RawDocument> {
    let (documents, problems) = read("farm.yaml", FARM);
    assert!(problems.is_empty(), "{problems:?}");
    documents
}

/// What the documents say with these variables.
fn with(variables: &[(&str, &str)]) -> Result<[Value; 2], Vec<String>> {
    let mut documents = documents();
    let problems = overlay(&mut documents, variables.iter().copied());
    match problems.is_empty() {
        true => Ok([documents[0].value.clone(), documents[1].value.clone()]),
        false => Err(problems.iter().map(ToString::to_string).collect()),
    }
}

#[track_caller]
fn check(variable: &str, text: &str, pointer: &str, expected: Value) {
    let [proxy, pool] = with(&[(variable, text)]).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let document = if variable.contains("POOL__") { pool } else { proxy };
    assert_eq!(document.pointer(pointer), Some(&expected), "{variable} in {document:#}");
}

#[test]
fn a_variable_names_a_field_with_or_without_underscores_and_an_element_by_its_key_or_place() {
    for name in [
        "STRATUM__PROXY__FARM_EAST__SPEC__LISTENERS__V1__PORT",
        "STRATUM__STRATUMPROXY__farm_east__spec__listeners__v1__port",
        "STRATUM__STRATUM_PROXY__FARMEAST__SPEC__LISTENERS__0__PORT",
    ] {
        check(name, "4444", "/spec/listeners/0/port", json!(4444));
    }
    let limits = "STRATUM__PROXY__FARM_EAST__SPEC__LISTENERS__TLS_IN__LIMITS";
    for field in ["CONNECTS_PER_MINUTE_PER_ADDRESS", "CONNECTSPERMINUTEPERADDRESS"] {
        let pointer = "/spec/listeners/1/limits/connectsPerMinutePerAddress";
        check(&format!("{limits}__{field}"), "7", pointer, json!(7));
    }
    check("STRATUM__POOL__POOL_A__SPEC__ACCOUNT", "true", "/spec/account", json!("true"));
    let pools = "STRATUM__PROXY__FARM_EAST__SPEC__ROUTES__MAIN__POOLS";
    check(&format!("{pools}__POOL_A__WEIGHT"), "3", "/spec/routes/0/pools/0/weight", json!(3));
    check(
        &format!("{pools}__1"),
        "{poolRef: {name: b}}",
        "/spec/routes/0/pools/1/poolRef/name",
        json!("b"),
    );
    let exempt = [json!("10.0.0.0/8"), json!("::1/128")];
    check(
        &format!("{limits}__EXEMPT"),
        "[10.0.0.0/8, \"::1/128\"]",
        "/spec/listeners/1/limits/exempt",
        json!(exempt),
    );
    check(
        &format!("{limits}__EXEMPT__0"),
        "10.0.0.0/8",
        "/spec/listeners/1/limits/exempt/0",
        json!(exempt[0]),
    );
}

#[test]
fn a_whole_list_is_set_before_its_elements_whatever_the_order() {
    let whole = ("STRATUM__PROXY__FARM_EAST__SPEC__LISTENERS", r#"[{"name": "x", "port": 1}]"#);
    let one = ("STRATUM__PROXY__FARM_EAST__SPEC__LISTENERS__X__PORT", "2");
    for variables in [[whole, one], [one, whole]] {
        let [proxy, _] = with(&variables).unwrap();
        assert_eq!(proxy["spec"]["listeners"], json!([{"name": "x", "port": 2}]));
    }
}

#[test]
fn what_is_misspelt_is_refused_with_the_nearest_name_and_without_its_value() {
    let proxy = "STRATUM__PROXY__FARM_EAST__SPEC";
    for (variable, text, part) in [
        (format!("{proxy}__LISTENERS__V1__PROT"), "hunter2", "did you mean PORT?"),
        (
            format!("{proxy}__LISTENERS__V1__LIMITS__MAX_CONECTIONS"),
            "hunter2",
            "did you mean MAX_CONNECTIONS?",
        ),
        (format!("{proxy}__LISTENERS__TLS_INN__PORT"), "hunter2", "did you mean TLS_IN?"),
        (format!("{proxy}__LISTNERS__V1__PORT"), "hunter2", "did you mean LISTENERS?"),
        (format!("{proxy}__LISTENERS__7__PORT"), "hunter2", "set element 2 to add one"),
        (format!("{proxy}__ZZZZZZ"), "hunter2", "or name one of"),
        ("STRATUM__PROXY__FARM_WEST__SPEC__LISTENERS".into(), "hunter2", "did you mean FARM_EAST?"),
        ("STRATUM__PROXI__FARM_EAST__SPEC__LISTENERS".into(), "hunter2", "did you mean PROXY?"),
        ("STRATUM__SECRET__POOL_A__PASSWORD".into(), "hunter2", "STRATUM_SECRET_<SECRET>_<KEY>"),
        ("STRATUM__PROXY__FARM_EAST__LISTENERS".into(), "hunter2", "__SPEC__<FIELD>"),
        ("STRATUM__PROXY__FARM_EAST__SPEC".into(), "hunter2", "__SPEC__<FIELD>"),
        ("STRATUM__PROXY__FARM_EAST__SPEC__".into(), "hunter2", "__SPEC__<FIELD>"),
        (format!("{proxy}__LISTENERS__V1__PORT"), "hunter2", "a whole number"),
        (format!("{proxy}__LISTENERS__V1__PORT"), "1\n2: hunter2", "a whole number"),
        (format!("{proxy}__LISTENERS"), "hunter2", "a list"),
        (format!("{proxy}__LISTENERS__V1__LIMITS"), "[hunter2]", "an object"),
        (format!("{proxy}__LISTENERS__V1__LIMITS"), "{hunter2: [", "an object"),
        (format!("{proxy}__POD__NODE_SELECTOR__ZONE"), "hunter2", "as a whole"),
    ] {
        let wrong = with(&[(variable.as_str(), text)]).expect_err(&variable);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].starts_with(&format!("environment {variable}: ")), "{wrong:?}");
        assert!(wrong[0].contains(part) && !wrong[0].contains("hunter2"), "{part}: {wrong:?}");
    }
}

#[test]
fn what_could_be_two_things_is_refused() {
    let twice = [
        ("STRATUM__POOL__POOL_A__SPEC__ACCOUNT", "a"),
        ("STRATUM__STRATUMPOOL__POOL_A__SPEC__ACCOUNT", "b"),
    ];
    let wrong = with(&twice).unwrap_err();
    assert!(wrong[0].contains("STRATUM__POOL__POOL_A__SPEC__ACCOUNT sets as well"), "{wrong:?}");
    let mut documents = documents();
    let mut other = documents[1].clone();
    other.id.name = "pool.a".to_owned();
    documents.push(other);
    let problems = overlay(&mut documents, [twice[0]]);
    assert!(problems[0].to_string().contains("may be StratumPool pool-a or"), "{problems:?}");
}

#[test]
fn an_empty_variable_sets_nothing_and_is_still_no_unknown_field() {
    let [proxy, _] = with(&[("STRATUM__PROXY__FARM_EAST__SPEC__LISTENERS__V1__PORT", "")]).unwrap();
    assert_eq!(proxy["spec"]["listeners"][0]["port"], 3333);
    assert!(with(&[("STRATUM__PROXY__FARM_EAST__SPEC__LISTENERS__V1__PROT", "")]).is_err());
    assert!(with(&[("STRATUM_SECRET_A_B", "x"), ("STRATUM_ADMIN", "y"), ("HOME", "z")]).is_ok());
}

#[test]
fn variables_are_bounded() {
    let names: Vec<String> =
        (0..VARIABLES_MAX + 10).map(|n| format!("{PREFIX}POOL__X{n}")).collect();
    let problems = overlay(&mut documents(), names.iter().map(|name| (name.as_str(), "")));
    assert_eq!(problems.len(), VARIABLES_MAX + 1);
}

#[test]
fn what_is_set_is_validated_like_a_document_and_told_with_its_variable() {
    let port = "STRATUM__PROXY__FARM_EAST__SPEC__LISTENERS__V1__PORT";
    let wrong = Resources::load_over([("farm.yaml", FARM)], [(port, "70000")]).unwrap_err();
    let said = wrong[0].to_string();
    assert!(
        said.starts_with(&format!("environment {port}, over farm.yaml:1 StratumProxy/farm-east: ")),
        "{said}"
    );
    assert!(said.contains("lower it to 65535"), "{said}");
    // Of two fields that contradict each other the rule speaks, as ever.
    let same = Resources::load_over([("farm.yaml", FARM)], [(port, "3334")]).unwrap_err();
    assert!(same[0].to_string().contains("port"), "{same:?}");

    let account = "STRATUM__POOL__POOL_A__SPEC__ACCOUNT";
    let resources =
        Resources::load_over([("farm.yaml", FARM)], [(port, "4444"), (account, "other")]).unwrap();
    let proxy = resources.proxy(None).unwrap();
    let rendered = render(&resources, proxy, &Layered(Vec::new())).unwrap();
    assert_eq!(rendered.config.listeners[0].port, 4444);
    assert_eq!(rendered.config.routes[0].pools[0].account, "other");
    let by = |variable: &str| {
        let of = |origin: &Origin| matches!(origin, Origin::Environment { variable: of, .. } if of == variable);
        rendered.explain().iter().filter(|value| of(&value.origin)).count()
    };
    assert_eq!((by(port), by(account)), (1, 1));
}

/// A field that one variable sets: the parts of its name, where it stands, and what it is given.
struct Leaf {
    parts: Vec<String>,
    path: String,
    text: String,
    value: Value,
}

/// Every field that holds no further fields of its own, and with `wholes` those that do as well.
fn leaves(schema: &Value, parts: &[String], at: &str, found: &mut Vec<Leaf>) {
    let mut leaf = |text: String, value: Value| {
        found.push(Leaf { parts: parts.to_vec(), path: at.to_owned(), text, value });
    };
    let properties = schema["properties"].as_object().filter(|of| !of.is_empty());
    match (schema["type"].as_str().unwrap(), properties) {
        ("object", Some(properties)) => {
            for (name, schema) in properties {
                let parts = [parts, &[written(name)]].concat();
                leaves(schema, &parts, &path::field(at, name), found);
            }
        }
        // Its keys are anybody's.
        ("object", None) => leaf("{a: b}".into(), json!({"a": "b"})),
        ("array", _) => {
            let parts = [parts, &["0".to_owned()]].concat();
            leaves(&schema["items"], &parts, &path::item(at, 0), found);
        }
        ("string", _) => {
            let text = schema["enum"][0].as_str().unwrap_or("some: [text");
            leaf(text.to_owned(), json!(text));
        }
        ("integer", _) => leaf("7".into(), json!(7)),
        ("boolean", _) => leaf("true".into(), json!(true)),
        (other, _) => panic!("{other} at {at}"),
    }
}

/// Whatever field is added to a resource can be set by environment.
#[test]
fn every_field_of_both_resources_is_set_by_a_variable() {
    for (kind, name) in [(Kind::StratumProxy, "PROXY"), (Kind::StratumPool, "POOL")] {
        let spec = &kind.schema().structure["properties"]["spec"];
        let mut all = Vec::new();
        leaves(spec, &[], "spec", &mut all);
        assert!(all.len() > 15, "{}", all.len());
        let bare = json!({"kind": kind.name(), "metadata": {"name": "x"}});
        let variables: Vec<(String, &str)> = all
            .iter()
            .map(|leaf| {
                (format!("{PREFIX}{name}__X__SPEC__{}", leaf.parts.join("__")), leaf.text.as_str())
            })
            .collect();
        let mut together = [RawDocument::from_object("x", bare.clone())];
        let every = variables.iter().map(|(variable, text)| (variable.as_str(), *text));
        let problems = overlay(&mut together, every);
        assert!(problems.is_empty(), "{problems:#?}");
        for (leaf, (variable, text)) in all.iter().zip(&variables) {
            let mut alone = [RawDocument::from_object("x", bare.clone())];
            let problems = overlay(&mut alone, [(variable.as_str(), *text)]);
            assert!(problems.is_empty(), "{problems:#?}");
            for [document] in [&alone, &together] {
                let set = path::lookup(&document.value, &leaf.path);
                assert_eq!(set, Some(&leaf.value), "{variable}");
                assert_eq!(
                    super::variable(&document.overlaid, &leaf.path),
                    Some(variable.as_str())
                );
            }
        }
    }
}
