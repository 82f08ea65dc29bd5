use super::*;

fn refused(text: &str) -> String {
    let problems = AllowList::parse(text, "list.yaml").expect_err(text);
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_list_is_read() {
    let text = "
pools:
- host: eu.pool.example.com
  port: 3333
  accounts: [acme, acme-2]
- {host: '2001:db8::1', port: 25, accounts: [acme]}
";
    let list = AllowList::parse(text, "list.yaml").unwrap();
    assert_eq!(list.pools.len(), 2);
    assert_eq!(list.pools[0].accounts, ["acme", "acme-2"]);
    assert_eq!((list.pools[1].host.as_str(), list.pools[1].port), ("2001:db8::1", 25));
    assert_eq!(AllowList::parse("pools: []", "list.yaml"), Ok(AllowList::default()));
}

/// A list that is misread must not be taken for one that allows less, or more.
#[test]
fn what_is_no_list_is_refused_by_its_field() {
    for (text, part) in [
        ("", "list.yaml: must be an object"),
        ("pools", "list.yaml: must be an object"),
        ("{", "list.yaml: is not YAML"),
        ("{}", "list.yaml: pools: is required and missing"),
        ("pool: []", "pool"),
        ("pools: [{host: a, port: 1, account: b}]", "pools[0].account: unknown field"),
        (
            "pools: [{host: a, port: '1', accounts: [b]}]",
            "pools[0].port (\"1\"): must be a whole number",
        ),
        (
            "pools: [{host: a, port: 0, accounts: [b]}]",
            "pools[0].port (0): must be from 1 to 65535",
        ),
        ("pools: [{host: a, port: 1, accounts: []}]", "pools[0].accounts: has 0 items"),
        ("pools: [{host: a, port: 1, accounts: [1]}]", "pools[0].accounts[0] (1): must be a text"),
        (
            "pools: [{host: '*.example.com', port: 1, accounts: [b]}]",
            "pools[0].host (\"*.example.com\"): is not the host of a pool",
        ),
        ("pools: [{host: 'a:1', port: 1, accounts: [b]}]", "pools[0].host (\"a:1\")"),
        ("pools: [{host: '[::1]', port: 1, accounts: [b]}]", "pools[0].host (\"[::1]\")"),
    ] {
        let all = refused(text);
        assert!(all.contains(part) && all.contains("remedy: "), "{text}\n{all}");
    }
    let long = format!("pools: [] # {}", "x".repeat(TEXT_BYTES_MAX));
    assert!(refused(&long).contains("is longer than 262144 bytes"));
}

fn list() -> AllowList {
    let text = "
pools:
- {host: eu.pool.example.com, port: 3333, accounts: [acme]}
- {host: eu.pool.example.com, port: 3333, accounts: [acme-2]}
- {host: '2001:db8::1', port: 25, accounts: [acme]}
- {host: 192.0.2.7, port: 25, accounts: [acme]}
";
    AllowList::parse(text, "list.yaml").unwrap()
}

#[test]
fn address_and_account_must_both_be_those_of_one_entry() {
    for (host, port, account, expected) in [
        ("eu.pool.example.com", 3333, "acme", Ok(())),
        ("eu.pool.example.com", 3333, "acme-2", Ok(())),
        ("EU.Pool.Example.com.", 3333, "acme", Ok(())),
        ("2001:db8:0::1", 25, "acme", Ok(())),
        ("::ffff:192.0.2.7", 25, "acme", Ok(())),
        ("eu.pool.example.com", 3333, "Acme", Err(NotAllowed::Account)),
        ("eu.pool.example.com", 3333, "acme.farm", Err(NotAllowed::Account)),
        ("eu.pool.example.com", 3333, "", Err(NotAllowed::Account)),
        ("2001:db8::1", 25, "acme-2", Err(NotAllowed::Account)),
        ("eu.pool.example.com", 3334, "acme", Err(NotAllowed::Address)),
        ("pool.example.com", 3333, "acme", Err(NotAllowed::Address)),
        ("eu.pool.example.com.evil.com", 3333, "acme", Err(NotAllowed::Address)),
        ("192.0.2.70", 25, "acme", Err(NotAllowed::Address)),
    ] {
        assert_eq!(list().allows(host, port, account), expected, "{host}:{port} {account}");
    }
    assert_eq!(
        AllowList::default().allows("eu.pool.example.com", 3333, "acme"),
        Err(NotAllowed::Address)
    );
}

#[test]
fn each_pool_of_a_config_is_looked_at_and_named_by_its_field() {
    let documents = "
apiVersion: stratum.loka.dev/v1alpha1
kind: StratumProxy
metadata: {name: farm}
spec:
  listeners: [{name: v1, port: 3333}]
  routes:
  - {name: main, pools: [{poolRef: {name: good}}, {poolRef: {name: far}, priority: 1}]}
  - {name: side, pools: [{poolRef: {name: other}}]}
---
apiVersion: stratum.loka.dev/v1alpha1
kind: StratumPool
metadata: {name: good}
spec: {account: acme, endpoints: [{url: 'stratum+tcp://eu.pool.example.com:3333'}]}
---
apiVersion: stratum.loka.dev/v1alpha1
kind: StratumPool
metadata: {name: far}
spec:
  account: acme
  endpoints: [{url: 'stratum+tcp://eu.pool.example.com:3333'}, {url: 'stratum+tcp://evil.com:1'}]
---
apiVersion: stratum.loka.dev/v1alpha1
kind: StratumPool
metadata: {name: other}
spec: {account: mallory, endpoints: [{url: 'stratum+tcp://eu.pool.example.com:3333'}]}
";
    let resources = crate::Resources::load([("t.yaml", documents)]).unwrap();
    let proxy = resources.proxy(None).unwrap();
    let rendered = crate::render(&resources, proxy, &resources.secrets).unwrap();
    let list = list();
    let refused = list.refused(&rendered.config);
    let told: Vec<_> = refused
        .iter()
        .map(|it| (it.route, it.problem().to_string().lines().next().unwrap().to_owned()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "main",
                "StratumPool/far: spec.endpoints[1].url (\"evil.com:1\"): is no address that the \
                 allow-list has"
                    .to_owned()
            ),
            (
                "side",
                "StratumPool/other: spec.account (\"mallory\"): is no account that the allow-list \
                 has for this address"
                    .to_owned()
            ),
        ]
    );
}
