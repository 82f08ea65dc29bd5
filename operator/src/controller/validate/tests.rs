use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1 as core;
use serde_json::json;

use super::*;
use crate::controller::build::tests::read;
use std::sync::Arc;

fn with_secret(read: &mut Dereferenced, data: &[(&str, &[u8])]) {
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec())));
    let secret = core::Secret { data: Some(data.collect()), ..Default::default() };
    read.secrets.add("mining", "credentials", Arc::new(secret));
}

fn wanting_a_secret() -> Dereferenced {
    let mut read = read(&json!({}));
    read.pools[0].spec.password_secret_ref =
        Some(serde_json::from_value(json!({"name": "credentials"})).unwrap());
    read
}

fn reason(read: &Dereferenced) -> (&'static str, String) {
    match validate(read).unwrap_err() {
        Unfit::NotAccepted { reason, message } | Unfit::Unresolved { reason, message } => {
            (reason, message)
        }
    }
}

#[test]
fn a_valid_resource_renders_as_the_proxy_itself_would() {
    let validated = validate(&read(&json!({}))).unwrap();
    assert_eq!(validated.config.name, "mining/farm-east");
    assert_eq!(validated.hash, loka_api::hash(&validated.config));
    assert_eq!(validated.accounts, "acme");
    assert_eq!(validated.drain, Duration::from_secs(120));
}

#[test]
fn references_that_lead_nowhere_say_which_and_what_to_do() {
    let mut missing = read(&json!({}));
    missing.pools.clear();
    let (why, message) = reason(&missing);
    assert_eq!(why, "PoolNotFound");
    assert!(message.contains("StratumPool mining/primary"), "{message}");

    let mut read = wanting_a_secret();
    let (why, message) = reason(&read);
    assert_eq!(why, "SecretNotFound");
    assert!(message.contains("mining/credentials; create it"), "{message}");

    with_secret(&mut read, &[("user", b"hunter2")]);
    let (why, message) = reason(&read);
    assert_eq!(why, "SecretKeyMissing");
    assert!(message.contains("no key password") && message.contains("[user]"), "{message}");
    assert!(!message.contains("hunter2"));

    with_secret(&mut read, &[("password", &[0xff])]);
    assert_eq!(reason(&read).0, "SecretKeyMissing");

    with_secret(&mut read, &[("password", b"hunter2"), ("binary", &[0xff])]);
    let validated = validate(&read).unwrap();
    assert_eq!(validated.config.routes[0].pools[0].password.expose(), "hunter2");
    assert!(!format!("{read:?} {validated:?}").contains("hunter2"));
}

/// Where each route and each pool is allowed, all of them together can still be too much.
#[test]
fn a_configuration_that_no_secret_holds_is_refused_before_a_pod_runs_it() {
    let names = ["primary", "second", "third"];
    let of = |count: u32| {
        let pools = names.map(|name| json!({"poolRef": {"name": name}}));
        let route = |number| json!({"name": format!("r{number}"), "pools": pools});
        let routes: Vec<_> = (0..count).map(route).collect();
        let rules = [json!({"name": "all", "routeRef": {"name": "r0"}})];
        let mut read = read(&json!({"routes": routes, "rules": rules}));
        let mut pool = read.pools[0].clone();
        pool.spec.password_secret_ref =
            Some(serde_json::from_value(json!({"name": "credentials"})).unwrap());
        let named = names.map(|name| {
            let mut pool = pool.clone();
            pool.metadata.name = Some(name.to_owned());
            pool
        });
        read.pools = named.into();
        with_secret(&mut read, &[("password", &[b'x'; 500])]);
        read
    };
    validate(&of(50)).unwrap();
    let (why, message) = reason(&of(512));
    assert_eq!(why, "Invalid");
    assert!(message.contains("a Secret holds 1044480; give some"), "{message}");
    assert!(!message.contains("xxx"));
}

#[test]
fn what_is_kept_as_it_was_written_is_read_strictly() {
    for (edit, part) in [
        (
            json!({"resources": {"request": {"cpu": "1"}}}),
            "spec.pod.resources.request: unknown field",
        ),
        (json!({"resources": {"limits": []}}), "spec.pod.resources: "),
        (
            json!({"topologySpreadConstraints": [{"maxSkew": "a"}]}),
            "spec.pod.topologySpreadConstraints[0]: ",
        ),
        (
            json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "x", "skew": 2}]}),
            "spec.pod.topologySpreadConstraints[0].skew: unknown field",
        ),
    ] {
        let (why, message) = reason(&read(&json!({"pod": edit})));
        assert_eq!(why, "InvalidPod");
        assert!(message.starts_with(part) && message.contains("kubectl explain"), "{message}");
    }
}

/// An API server would not have let it in; one of an older definition may be there all the same.
#[test]
fn a_resource_that_breaks_a_rule_is_not_accepted_with_the_rules_words() {
    let two = json!([{"name": "a", "port": 3333}, {"name": "b", "port": 3333}]);
    let (why, message) = reason(&read(&json!({"listeners": two})));
    assert_eq!(why, "Invalid");
    assert!(message.contains("two listeners have the same port"), "{message}");
    assert!(!message.contains('\n'));
}

#[test]
fn accounts_without_end_are_cut() {
    let mut read = read(&json!({"routes": [{"name": "main", "pools": (0..6)
        .map(|index| json!({"poolRef": {"name": format!("p{index}")}})).collect::<Vec<_>>()}]}));
    let pool = read.pools[0].clone();
    read.pools = (0..6)
        .map(|index| {
            let mut pool = pool.clone();
            pool.metadata.name = Some(format!("p{index}"));
            pool.spec.account = format!("acme-{index}");
            pool
        })
        .collect();
    assert_eq!(validate(&read).unwrap().accounts, "acme-0,acme-1,acme-2,acme-3,+2");
}
