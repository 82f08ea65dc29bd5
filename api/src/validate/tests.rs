use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::{
    documents::read,
    edit::merge,
    values::{DurationText, PoolUrl, QuantityText},
};

/// Base documents, and edits of them that are accepted or refused.
fn cases(kind: Kind) -> Value {
    let all: Value = serde_yaml::from_str(include_str!("../../cases/validation.yaml")).unwrap();
    all[kind.name()].clone()
}

fn check(text: &str) -> Result<Resource, Vec<Problem>> {
    let (documents, problems) = read("t.yaml", text);
    assert_eq!(problems, [], "{text}");
    assert_eq!(documents.len(), 1, "{text}");
    validate(&documents[0])
}

fn edited(kind: Kind, edit: &Value) -> Result<Resource, Vec<Problem>> {
    let mut document = cases(kind)["base"].clone();
    merge(&mut document, edit.clone());
    validate(&RawDocument::from_object("t.yaml", document))
}

fn refusals(kind: Kind) -> Vec<Problem> {
    let each = |case: &Value| {
        let problems = edited(kind, &case["edit"]).expect_err(&case.to_string());
        let all = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let [problem] = problems.as_slice() else { panic!("{case}\n{all}") };
        assert_eq!(problem.path, case["path"], "{case}\n{all}");
        let says = case["says"].as_str().unwrap_or_default();
        let remedy = case["remedy"].as_str().unwrap_or_default();
        assert!(!says.is_empty() || !remedy.is_empty(), "{case} expects nothing");
        assert!(all.contains(says), "{case}\n{all}");
        assert!(problem.remedy.starts_with(remedy), "{case}\n{all}");
        assert!(!problem.remedy.is_empty(), "{case}\n{all}");
        problem.clone()
    };
    cases(kind)["refused"].as_array().unwrap().iter().map(each).collect()
}

#[test]
fn what_schema_or_rules_forbid_is_refused_at_its_field_with_a_remedy() {
    assert_eq!(refusals(Kind::StratumProxy).len(), 162);
    assert_eq!(refusals(Kind::StratumPool).len(), 51);
}

#[test]
fn what_schema_and_rules_are_not_for_is_accepted() {
    for kind in [Kind::StratumProxy, Kind::StratumPool] {
        assert!(edited(kind, &json!({})).is_ok());
        for edit in cases(kind)["accepted"].as_array().unwrap() {
            let outcome = edited(kind, edit);
            assert!(outcome.is_ok(), "{edit}\n{:?}", outcome.err());
        }
    }
}

#[test]
fn every_rule_of_the_schemas_refuses_something_in_the_cases() {
    for kind in [Kind::StratumProxy, Kind::StratumPool] {
        let seen: BTreeSet<_> = refusals(kind)
            .into_iter()
            .map(|problem| (problem.path.replace("[1]", "[0]"), problem.message))
            .collect();
        for (path, rule) in rules_of(&kind.schema().structure, "") {
            let (message, _) = split_message(rule["message"].as_str().unwrap());
            assert!(seen.contains(&(path.clone(), message)), "no case for {path}: {rule}");
        }
    }
}

fn rules_of(schema: &Value, at: &str) -> Vec<(String, Value)> {
    let own = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    let mut found: Vec<_> = own.map(|rule| (at.to_owned(), rule.clone())).collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        found.extend(rules_of(property, &path::field(at, name)));
    }
    if let Some(items) = schema.get("items") {
        found.extend(rules_of(items, &path::item(at, 0)));
    }
    found
}

#[test]
fn lists_are_bounded_on_both_sides() {
    let outcome = edited(Kind::StratumPool, &json!({"spec": {"endpoints": {}}}));
    assert_eq!(outcome.unwrap_err()[0].message, "must be a list, not an object");
    for (count, message) in
        [(0, "has 0 items and needs at least 1"), (9, "has 9 items and may have at most 8")]
    {
        let urls = (0..count).map(|i| json!({"url": format!("stratum+tcp://a:{}", i + 1)}));
        let mut document = cases(Kind::StratumPool)["base"].clone();
        document["spec"]["endpoints"] = urls.collect();
        let problems = validate(&RawDocument::from_object("t.yaml", document)).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(
            (problems[0].path.as_str(), problems[0].message.as_str()),
            ("spec.endpoints", message)
        );
    }
}

/// A decimal that was meant as a text is not shown as what the parser made of it.
#[test]
fn a_mask_that_reads_as_a_number_is_to_be_quoted_as_it_was_written() {
    let edit: Value = serde_yaml::from_str("{spec: {routes: [{versionMask: 1e000000}]}}").unwrap();
    let problems = edited(Kind::StratumProxy, &edit).unwrap_err();
    assert_eq!(problems[0].remedy, "put it in quotes");
}

/// The rules compare each item with each, so what is behind the last allowed one must not reach
/// them: else a document of one file could keep a process busy for days.
#[test]
fn a_list_without_end_is_refused_for_its_length_only() {
    let mut document = cases(Kind::StratumProxy)["base"].clone();
    let listener = |i: u32| json!({"name": format!("v{i}"), "port": 1024 + i});
    document["spec"]["listeners"] = (0..30_000).map(listener).collect();
    let problems = validate(&RawDocument::from_object("t.yaml", document)).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].message, "has 30000 items and may have at most 16");
}

/// A process for the customers of a host: each has a route of its own, and a rule that leads to it.
#[test]
fn routes_and_rules_may_be_512_each() {
    let many = |count: u32| {
        let route =
            |i: u32| json!({"name": format!("r{i}"), "pools": [{"poolRef": {"name": "p"}}]});
        let rule = |i: u32| json!({"name": format!("r{i}"), "workers": [format!("c{i}.*")], "routeRef": {"name": format!("r{i}")}});
        let mut document = cases(Kind::StratumProxy)["base"].clone();
        document["spec"]["routes"] = (0..count).map(route).collect();
        document["spec"]["rules"] = (0..count).map(rule).collect();
        document["spec"]["listeners"] = json!([{"name": "v1", "port": 3333}]);
        validate(&RawDocument::from_object("t.yaml", document))
    };
    assert!(many(512).is_ok());
    let problems = many(513).unwrap_err();
    let messages: Vec<&str> = problems.iter().map(|it| it.message.as_str()).collect();
    assert!(messages.contains(&"has 513 items and may have at most 512"), "{messages:?}");
}

#[test]
fn of_problems_without_end_the_first_hundred_are_told() {
    let long = "x".repeat(100_000);
    let unknown = (0..30_000).map(|i| (format!("u{i}"), json!(i))).chain([(long, json!(1))]);
    let edit = json!({"spec": Value::Object(unknown.collect())});
    let problems = edited(Kind::StratumProxy, &edit).unwrap_err();
    assert_eq!(problems.len(), PROBLEMS_MAX + 1);
    assert_eq!(problems[PROBLEMS_MAX].message, "has 29901 more problems");
    assert_eq!(problems[PROBLEMS_MAX].remedy, "correct these first");
}

#[test]
fn what_an_unknown_field_holds_is_not_shown() {
    let problems = edited(Kind::StratumPool, &json!({"spec": {"password": "hunter2"}}));
    let problems = problems.unwrap_err();
    assert_eq!((problems.len(), problems[0].path.as_str()), (1, "spec.password"));
    assert!(!problems[0].to_string().contains("hunter2"), "{}", problems[0]);
}

#[test]
fn all_problems_are_reported_at_once() {
    let edit = json!({"spec": {
        "site": "x",
        "bogus": 1,
        "listeners": [{"port": 80, "difficulty": {"min": "9k"}}],
        "routes": [{"pools": [{"weight": 0}]}],
    }});
    let problems = edited(Kind::StratumProxy, &edit).unwrap_err();
    let mut paths: Vec<_> = problems.iter().map(|it| it.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "spec.bogus",
            "spec.listeners[0].difficulty",
            "spec.listeners[0].port",
            "spec.routes[0].pools[0].weight",
            "spec.site",
        ]
    );
}

#[test]
fn a_rule_that_stumbles_over_a_structural_fault_is_silent() {
    let edit = json!({"spec": {"listeners": [{"port": null}, {}]}});
    let problems = edited(Kind::StratumProxy, &edit).unwrap_err();
    assert!(problems.iter().all(|it| it.message == "is required and missing"), "{problems:?}");
}

#[test]
fn defaults_are_filled_in_as_by_an_api_server() {
    let Ok(Resource::Proxy(proxy)) = edited(Kind::StratumProxy, &json!({})) else {
        panic!("a proxy")
    };
    let listener = &proxy.spec.listeners[0];
    assert_eq!(listener.difficulty.initial.as_str(), "8192");
    assert_eq!(listener.difficulty.target_share_interval.as_str(), "6s");
    assert_eq!(listener.limits.max_line_bytes, 16 * 1024);
    assert_eq!((listener.limits.submits_per_second, listener.limits.submit_burst), (20, 100));
    assert_eq!(proxy.spec.routes[0].failback.after.as_str(), "120s");
    assert_eq!(proxy.spec.routes[0].job_keep_alive.as_str(), "10s");
    assert!(proxy.says("spec.listeners[0].port"));
    assert!(!proxy.says("spec.listeners[0].difficulty.initial"));
}

#[test]
fn a_foreign_document_is_refused_with_the_way_out() {
    for (text, path, part) in [
        ("- a\n", "", "is not a Kubernetes object"),
        ("apiVersion: v1\n", "kind", "is required and missing"),
        ("{apiVersion: v1, kind: Pod}", "kind", "(\"Pod\"): is not a kind that is read here"),
        ("{apiVersion: v1, kind: Pod}", "kind", "remedy: take it out of these files"),
        ("{apiVersion: v1, kind: StratumProxi}", "kind", "did you mean StratumProxy?"),
        ("{apiVersion: b/v1, kind: StratumPool}", "apiVersion", "stratum.loka.dev/v1alpha1`"),
        (
            "{apiVersion: stratum.loka.dev/v1, kind: StratumProxy}",
            "apiVersion",
            "dev/v1\"): is not",
        ),
        ("{kind: Secret}", "apiVersion", "write `apiVersion: v1`"),
        ("{kind: [Secret]}", "kind", "add `kind: StratumProxy`"),
        ("just a text", "", "begin it with `apiVersion: stratum.loka.dev/v1alpha1`"),
    ] {
        let problems = check(text).unwrap_err();
        assert_eq!(problems.len(), 1, "{text}");
        assert_eq!(problems[0].path, path, "{text}");
        assert!(problems[0].to_string().contains(part), "{text}\n{}", problems[0]);
    }
}

#[test]
fn a_problem_names_file_line_kind_and_name() {
    let text = "\napiVersion: v1\nkind: Secret\nmetadata: {name: s, x: 1}\n";
    assert_eq!(check(text).unwrap_err()[0].document, "t.yaml:2 Secret/s");
}

/// The CEL patterns and the parsers of the proxy read the same languages.
#[test]
fn rules_and_parsers_agree_on_what_is_well_formed() {
    for text in ["0s", "1h1m1s1ms", "1m30s", "", "1.5s", "5", "1h1m1s1ms1s", "123456s", "1sm"] {
        let edit = json!({"spec": {"routes": [{"failback": {"after": text}}]}});
        let parsed = DurationText::from(text).duration().is_ok();
        assert_eq!(edited(Kind::StratumProxy, &edit).is_ok(), parsed, "{text}");
    }
    for text in
        ["1", "1.5k", "0.000001m", "1Ki", "1e3", "1.", ".5", "1K", "1.1234567", "12345678901234"]
    {
        let range = json!({"initial": text, "min": "0.000001m", "max": "1000P"});
        let edit = json!({"spec": {"listeners": [{"difficulty": range}]}});
        let parsed = QuantityText::from(text).quantity().is_ok();
        assert_eq!(edited(Kind::StratumProxy, &edit).is_ok(), parsed, "{text}");
    }
    for address in [
        "a:1",
        "a-b.c:65535",
        "[::1]:1",
        "a_b.c:1",
        "-a:1",
        "a-:1",
        "a:65536",
        "a:00",
        "[::1:1",
        "[zz]:1",
        "a:1?x",
        ":1",
        "a",
    ] {
        let url = format!("stratum+tcp://{address}");
        let edit = json!({"spec": {"endpoints": [{"url": url}]}});
        let parsed = PoolUrl::parse(&url).is_ok();
        assert_eq!(edited(Kind::StratumPool, &edit).is_ok(), parsed, "{url}");
        let edit = json!({"spec": {"proxy": {"socks5": address}}});
        assert_eq!(edited(Kind::StratumPool, &edit).is_ok(), parsed, "{address}");
    }
}
