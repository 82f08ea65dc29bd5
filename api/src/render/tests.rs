mod fields;
mod secrecy;

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::{
    runtime_config::{NoPoolPolicy, OnNoPool},
    secrets::Layered,
};

const BASE: &str = "
apiVersion: stratum.loka.dev/v1alpha1
kind: StratumProxy
metadata: {name: farm-east, namespace: mining}
spec:
  listeners:
  - {name: v1, port: 3333, LISTENER}
  routes:
  - name: main
    pools:
    - {poolRef: {name: backup}, priority: 10}
    - {poolRef: {name: primary}}
    ROUTE
  - {name: other, pools: [{poolRef: {name: backup}}]}
---
apiVersion: stratum.loka.dev/v1alpha1
kind: StratumPool
metadata: {name: primary, namespace: mining}
spec:
  endpoints:
  - url: stratum+tcp://a.example.com:3333
  - url: stratum+tcp://[2001:db8::1]:25
  account: acme
  PRIMARY
---
apiVersion: stratum.loka.dev/v1alpha1
kind: StratumPool
metadata: {name: backup, namespace: mining}
spec: {endpoints: [{url: 'stratum+tcp://b.example.com:3333'}], account: acme-2, workerName: ''}
---
apiVersion: v1
kind: Secret
metadata: {name: credentials, namespace: mining}
stringData: {password: \"hunter2\\n\", other: \"a\\nb\"}
---
apiVersion: v1
kind: Secret
metadata: {name: certificate, namespace: mining}
type: kubernetes.io/tls
stringData: {tls.crt: chain, tls.key: hunter2}
";

const PASSWORD: &str = "passwordSecretRef: {name: credentials}";

/// The base with its three places filled.
fn documents(listener: &str, route: &str, primary: &str) -> String {
    BASE.replace("LISTENER", listener).replace("ROUTE", route).replace("PRIMARY", primary)
}

fn render_text(text: &str) -> Result<Rendered, Vec<Problem>> {
    let resources = Resources::load([("t.yaml", text)])?;
    render(&resources, resources.proxy(None)?, &resources.secrets)
}

fn refused(text: &str) -> String {
    let problems = render_text(text).expect_err(text);
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn references_units_and_order_are_resolved() {
    let text = documents(
        "difficulty: {initial: 16Ki, min: '0.5', max: 1M, targetShareInterval: 1m30s}",
        "onNoPool: {policy: Close, after: 60s}",
        PASSWORD,
    );
    let rendered = render_text(&text).unwrap();
    let config = json!(rendered.config);
    assert_eq!(config["name"], "mining/farm-east");
    assert_eq!(
        config["listeners"][0],
        json!({
            "name": "v1", "port": 3333, "route": "main",
            "difficulty": {"initial": "16384", "min": "0.5", "max": "1000000", "shareIntervalMs": 90_000},
            "limits": {
                "maxConnections": 5000, "maxLineBytes": 16_384,
                "handshakeTimeoutMs": 10_000, "idleTimeoutMs": 600_000,
                "submitsPerSecond": 20, "submitBurst": 100,
            },
        })
    );
    let timeouts = json!({
        "connectMs": 5_000, "handshakeMs": 10_000, "firstJobMs": 30_000,
        "jobSilenceMs": 600_000, "submitMs": 60_000,
    });
    let primary = |name: &str, host: &str, port: u16| {
        json!({
            "name": name, "priority": 0, "endpoint": {"host": host, "port": port},
            "user": "acme.farm-east", "account": "acme", "password": "hunter2",
            "timeouts": timeouts, "versionRolling": "Enabled",
        })
    };
    assert_eq!(
        config["routes"][0],
        json!({
            "name": "main",
            "pools": [
                primary("primary", "a.example.com", 3333),
                primary("primary/2", "2001:db8::1", 25),
                {
                    "name": "backup", "priority": 10,
                    "endpoint": {"host": "b.example.com", "port": 3333},
                    "user": "acme-2", "account": "acme-2", "password": "x",
                    "timeouts": timeouts, "versionRolling": "Enabled",
                },
            ],
            "onNoPool": {"policy": "Close", "afterMs": 60_000},
            "failbackAfterMs": 120_000, "jobKeepAliveMs": 10_000,
            "versionMask": 0x1fff_e000,
        })
    );
    assert_eq!(config["drain"], json!({"timeoutMs": 120_000}));
    assert_eq!(config["observability"], json!({}));
}

#[test]
fn what_a_route_says_of_rolling_and_layout_is_rendered() {
    let route = |text: &str| render_text(&documents("", text, "")).unwrap().config.routes.remove(0);
    assert_eq!(route("versionRolling: Disabled").version_mask, 0);
    assert_eq!(route("versionMask: 00c00000").version_mask, 0x00c0_0000);
    let layout = route("extranonce: {idBytes: 2, minerBytes: 4}").extranonce.unwrap();
    assert_eq!((layout.id_bytes, layout.miner_bytes), (2, 4));
    let no_pool = |text: &str| {
        let OnNoPool { policy, after_ms } = route(text).on_no_pool;
        (policy, after_ms)
    };
    assert_eq!(no_pool(""), (NoPoolPolicy::Close, 600_000));
    assert_eq!(no_pool("onNoPool: {policy: Hold}"), (NoPoolPolicy::Hold, 0));
    assert_eq!(route("onNoPool: {policy: Close, after: 0s}").on_no_pool.after_ms, 0);
}

#[test]
fn a_worker_name_of_its_own_replaces_the_proxys() {
    let user = |text: &str| {
        render_text(&documents("", "", text)).unwrap().config.routes[0].pools[0].user.clone()
    };
    assert_eq!(user(""), "acme.farm-east");
    assert_eq!(user("workerName: w1"), "acme.w1");
    assert_eq!(user("workerName: ''"), "acme");
}

#[test]
fn a_listener_takes_the_route_that_it_names() {
    let rendered = render_text(&documents("routeRef: {name: other}", "", "")).unwrap();
    assert_eq!(rendered.config.listeners[0].route, "other");
}

#[test]
fn observability_is_rendered_as_filters_take_it() {
    let text = documents("", "", "").replacen(
        "spec:",
        "spec:\n  observability: {logLevel: Warn, tracing: {samplingRatio: '0.5'}}",
        1,
    );
    let observability = render_text(&text).unwrap().config.observability;
    assert_eq!(observability.log_level.as_deref(), Some("warn"));
    assert_eq!(observability.tracing_sampling_ratio.as_deref(), Some("0.5"));
}

#[test]
fn a_reference_that_leads_nowhere_is_refused_with_what_is_there() {
    for (text, parts) in [
        (
            documents("routeRef: {name: mian}", "", ""),
            ["spec.listeners[0].routeRef.name (\"mian\"): there is no such route", "main, other"],
        ),
        (
            documents("", "", "").replace("metadata: {name: primary,", "metadata: {name: first,"),
            [
                "spec.routes[0].pools[1].poolRef.name (\"primary\"): there is no StratumPool mining/primary",
                "name one that is there: first, backup",
            ],
        ),
        (
            documents("", "", "")
                .replace("{name: primary, namespace: mining}", "{name: primary, namespace: east}"),
            [
                "there is no StratumPool mining/primary",
                "is in namespace east; put both in one namespace",
            ],
        ),
        (
            documents("", "", "passwordSecretRef: {name: credential}"),
            [
                "t.yaml:16 StratumPool/primary: spec.passwordSecretRef.name (\"credential\"): Secret mining/credential is not in the documents",
                "set STRATUM_SECRET_CREDENTIAL_PASSWORD",
            ],
        ),
        (
            documents("", "", "passwordSecretRef: {name: credentials, key: pass}"),
            [
                "spec.passwordSecretRef.key (\"pass\"): Secret mining/credentials has no such key; it has other, password",
                "STRATUM_SECRET_CREDENTIALS_PASS",
            ],
        ),
        (
            documents("tls: {secretRef: {name: certificat}}", "", ""),
            [
                "t.yaml:2 StratumProxy/farm-east: spec.listeners[0].tls.secretRef.name (\"certificat\"): Secret mining/certificat is not in the documents",
                "with this name and the key tls.key, or outside a cluster set STRATUM_SECRET_CERTIFICAT_TLS_KEY",
            ],
        ),
        (
            documents("tls: {secretRef: {name: credentials}}", "", ""),
            [
                "spec.listeners[0].tls.secretRef.name (\"credentials\"): Secret mining/credentials has no key tls.crt; it has other, password",
                "STRATUM_SECRET_CREDENTIALS_TLS_CRT",
            ],
        ),
    ] {
        let all = refused(&text);
        for part in parts {
            assert!(all.contains(part), "{part}\n{all}");
        }
    }
}

#[test]
fn a_password_that_is_no_line_is_refused_without_showing_it() {
    let all = refused(&documents("", "", "passwordSecretRef: {name: credentials, key: other}"));
    assert!(all.contains("control characters"), "{all}");
    assert!(!all.contains("a\nb") && !all.contains("a\\nb"), "{all}");
}

#[test]
fn a_listeners_certificate_comes_from_the_secret_and_raises_the_schema() {
    let plain = render_text(&documents("", "", "")).unwrap();
    assert_eq!((plain.config.schema, &plain.config.listeners[0].tls), (1, &None));

    let text = documents("tls: {secretRef: {name: certificate}, minVersion: TLS1_3}", "", "");
    let rendered = render_text(&text).unwrap();
    assert_eq!(rendered.config.schema, 2);
    let tls = rendered.config.listeners[0].tls.as_ref().unwrap();
    assert_eq!((tls.certificate_pem.expose(), tls.key_pem.expose()), ("chain", "hunter2"));
    let explained: Vec<_> = rendered
        .explain()
        .iter()
        .filter(|it| it.path.contains(".tls."))
        .map(|it| format!("{} {} <- {}", it.path, it.value, it.origin))
        .collect();
    assert_eq!(
        explained,
        [
            "listeners[v1].tls.minVersion TLS1_3 <- t.yaml:2 StratumProxy/farm-east spec.listeners[0].tls.minVersion",
            "listeners[v1].tls.certificatePem (secret) <- Secret mining/certificate key tls.crt",
            "listeners[v1].tls.keyPem (secret) <- Secret mining/certificate key tls.key",
        ]
    );
    let shown = format!("{rendered:?} {}", json!(rendered.explain()));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_layout_with_fewer_ids_than_miners_is_refused() {
    let route = "extranonce: {idBytes: 1, minerBytes: 2}";
    let all = refused(&documents("", route, ""));
    assert!(all.contains("spec.routes[0].extranonce.idBytes (\"1\"): tells 256 miners apart, and the route's listeners admit 5000"), "{all}");
    assert!(render_text(&documents("limits: {maxConnections: 256}", route, "")).is_ok());
    // Another route's listeners do not count.
    assert!(render_text(&documents("routeRef: {name: other}", route, "")).is_ok());
}

#[test]
fn all_references_are_checked_before_any_is_reported_and_each_once() {
    let text = documents("routeRef: {name: x}", "", "passwordSecretRef: {name: y}")
        .replace("poolRef: {name: backup}}]", "poolRef: {name: primary}}]");
    let problems = render_text(&text).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn every_value_is_explained_by_its_origin_and_no_secret_is_shown() {
    let text = documents("limits: {maxConnections: 7}", "", PASSWORD);
    let rendered = render_text(&text).unwrap();
    let explained = |path: &str| {
        let found: Vec<_> = rendered.explain().iter().filter(|it| it.path == path).collect();
        assert_eq!(found.len(), 1, "{path} {found:?}");
        format!("{} <- {}", found[0].value, found[0].origin)
    };
    for (path, expected) in [
        ("listeners[v1].port", "3333 <- t.yaml:2 StratumProxy/farm-east spec.listeners[0].port"),
        (
            "listeners[v1].limits.maxConnections",
            "7 <- t.yaml:2 StratumProxy/farm-east spec.listeners[0].limits.maxConnections",
        ),
        (
            "listeners[v1].limits.submitBurst",
            "100 <- default of spec.listeners[0].limits.submitBurst",
        ),
        ("listeners[v1].route", "main <- default of spec.listeners[0].routeRef.name"),
        (
            "routes[main].pools[primary].endpoint",
            "stratum+tcp://a.example.com:3333 <- t.yaml:16 StratumPool/primary spec.endpoints[0].url",
        ),
        (
            "routes[main].pools[primary/2].endpoint",
            "stratum+tcp://[2001:db8::1]:25 <- t.yaml:16 StratumPool/primary spec.endpoints[1].url",
        ),
        (
            "routes[main].pools[primary].user",
            "acme.farm-east <- t.yaml:16 StratumPool/primary spec.account and the name of t.yaml:2 StratumProxy/farm-east",
        ),
        (
            "routes[main].pools[primary].password",
            "(secret) <- Secret mining/credentials key password",
        ),
        ("routes[main].pools[backup].password", "x <- default of spec.passwordSecretRef"),
        (
            "routes[main].pools[backup].priority",
            "10 <- t.yaml:2 StratumProxy/farm-east spec.routes[0].pools[0].priority",
        ),
        ("routes[main].versionMask", "1fffe000 <- default of spec.routes[0].versionMask"),
        ("drain.timeoutMs", "120000 <- default of spec.drain.timeout"),
    ] {
        assert_eq!(explained(path), expected);
    }
    let all = format!("{:?} {}", rendered, json!(rendered.explain()));
    assert!(!all.contains("hunter2"), "{all}");
}

#[test]
fn rendering_is_deterministic_and_the_hash_follows_the_password() {
    let text = documents("", "", PASSWORD);
    let one = render_text(&text).unwrap();
    assert_eq!(one.config, render_text(&text).unwrap().config);
    assert_eq!(one.hash(), render_text(&text).unwrap().hash());
    assert_ne!(one.hash(), render_text(&text.replace("hunter2", "hunter3")).unwrap().hash());
    // A comment, another order of fields: the same config.
    let same = text.replace("name: v1, port: 3333", "port: 3333, name: v1") + "# the end\n";
    assert_eq!(one.hash(), render_text(&same).unwrap().hash());
}

#[test]
fn a_rendered_config_survives_json() {
    let config = render_text(&documents("", "", PASSWORD)).unwrap().config;
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<RuntimeConfig>(&text).unwrap(), config);
    assert!(!text.contains("null"), "{text}");
}

fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/samples").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The sample of a farm, with the secrets beside it.
fn sample_farm() -> RuntimeConfig {
    let (farm, secrets) = (sample("farm.yaml"), sample("secrets.example.yaml"));
    let resources =
        Resources::load([("farm.yaml", farm.as_str()), ("secrets.yaml", secrets.as_str())])
            .unwrap();
    let proxy = resources.proxy(None).unwrap();
    render(&resources, proxy, &Layered(vec![&resources.secrets])).unwrap().config
}

#[test]
fn the_samples_render() {
    let config = json!(sample_farm());
    assert_eq!(config["name"], "mining/farm-east");
    assert_eq!(config["listeners"][0]["port"], 3333);
    let pools: Vec<_> = config["routes"][0]["pools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pool| (pool["name"].as_str().unwrap(), pool["user"].as_str().unwrap()))
        .collect();
    assert_eq!(
        pools,
        [
            ("primary", "acme-mining.farm-east"),
            ("primary/2", "acme-mining.farm-east"),
            ("backup", "bc1qexampleexampleexampleexampleexample0000.east"),
        ]
    );
    assert_ne!(config["routes"][0]["pools"][0]["password"], Value::Null);
}

#[test]
fn the_sample_of_a_fleet_renders() {
    let text = sample("fleet/fleet.yaml");
    let config = json!(render_text(&text).unwrap().config);
    assert_eq!(config["schema"], 3);
    assert_eq!(config["rules"][1]["workers"], json!(["acme.test-*", "*.bench"]));
    assert_eq!(config["firmware"][0]["minDifficulty"], "64000");
    let pools = &config["routes"][0]["pools"];
    assert_eq!((&pools[0]["weight"], &pools[1]["weight"]), (&json!(30), &json!(70)));
    assert_eq!(pools[0]["user"], "acme.fleet");
    assert_eq!(pools[2]["payout"]["minPercent"], 98);
    let window = json!({"days": 0b001_1111, "fromMinute": 1320, "toMinute": 360});
    assert_eq!(config["routes"][1]["pools"][0]["schedule"][0], window);
}

/// The allow-list beside the sample of a farm allows that farm, and nothing less will do.
#[test]
fn the_sample_of_an_allow_list_has_the_sample_farm() {
    let farm = sample_farm();
    let mut list =
        crate::allow_list::AllowList::parse(&sample("fleet/allow-list.yaml"), "l").unwrap();
    assert_eq!(list.refused(&farm), []);
    list.pools.pop();
    assert_eq!(list.refused(&farm).len(), 1);
}

/// What the page says in YAML stands in a sample, which other tests read.
#[test]
fn the_examples_of_the_page_on_routing_are_those_of_the_samples() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/routing.md");
    let page = std::fs::read_to_string(path).unwrap();
    let samples = [sample("fleet/fleet.yaml"), sample("fleet/allow-list.yaml")].concat();
    let examples: Vec<_> = page.split("```yaml\n").skip(1).collect();
    assert!(examples.len() >= 8, "{}", examples.len());
    for example in examples {
        let (example, _) = example.split_once("```").unwrap();
        assert!(samples.contains(example), "{example}");
    }
}

#[test]
fn a_payout_address_with_a_wrong_character_is_refused_by_its_checksum() {
    let all = refused(&documents(
        "",
        "",
        "verify: {payoutAddress: bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5}",
    ));
    assert!(
        all.contains("StratumPool/primary: spec.verify.payoutAddress (\"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5\"): is no Bitcoin address: its checksum is wrong"),
        "{all}"
    );
    assert!(all.contains("remedy: copy the address anew"), "{all}");
}

/// Without its Secret the sample says what to do about it, and nothing else.
#[test]
fn the_sample_without_its_secret_names_the_variable() {
    let all = refused(&sample("farm.yaml"));
    assert!(all.contains("set STRATUM_SECRET_PRIMARY_CREDENTIALS_PASSWORD"), "{all}");
}

/// Every share of the quick start is due to its pool: it ends with one that the pool has credited.
#[test]
fn the_quick_start_renders() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kind/quickstart.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let resources = Resources::load([("quickstart.yaml", text.as_str())]).unwrap();
    let proxy = resources.proxy(None).unwrap();
    let rendered = render(&resources, proxy, &Layered(vec![&resources.secrets])).unwrap();
    let config = json!(rendered.config);
    assert_eq!(config["name"], "mining/quickstart");
    assert_eq!(config["routes"][0]["pools"][0]["user"], "practice.quickstart");
    assert_eq!(config["listeners"][0]["difficulty"]["min"], "0.00001");
}

/// A pool that knows no names cannot say who may mine, nor can one that is known only when a miner has told its name.
#[test]
fn the_pool_decides_only_where_it_can() {
    let asks = "authentication: {type: Pool}";
    let rules = |rules: &str| {
        documents(asks, "", "workerName: '{worker}'")
            .replace("workerName: ''", "workerName: 'farm-{name}'")
            .replace("  routes:\n", &format!("  rules: [{rules}]\n  routes:\n"))
    };
    let config = render_text(&rules("")).unwrap().config;
    assert_eq!(config.listeners[0].authentication, Some(runtime_config::Authentication::Pool));
    let by_source = "{name: hall, sources: [10.0.0.0/8], routeRef: {name: other}}";
    assert!(render_text(&rules(by_source)).is_ok());

    let all = refused(&documents(asks, "", "workerName: 'of-{listener}'"));
    assert!(all.contains("spec.listeners[0].authentication.type"), "{all}");
    for pool in ["primary", "backup"] {
        let said = format!("pool {pool} is not told names, and cannot say who may mine");
        assert!(all.contains(&said), "{all}");
    }
    assert!(all.contains("write {worker} into the pool's workerName"), "{all}");
    for by in ["workers: ['a*']", "firmware: [stock]", "listeners: [v1], workers: ['a*']"] {
        let all = refused(&rules(&format!("{{name: hall, {by}, routeRef: {{name: other}}}}")));
        assert!(all.contains("rule hall leads miners of this listener"), "{by}: {all}");
    }
}
