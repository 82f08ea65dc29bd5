use serde_json::json;

use super::*;

fn proxy(pools: &[&str]) -> StratumProxySpec {
    let pools: Vec<_> = pools.iter().map(|name| json!({"poolRef": {"name": name}})).collect();
    let value = json!({
        "listeners": [{"name": "v1", "port": 3333}],
        "routes": [{"name": "main", "pools": pools}, {"name": "spare", "pools": pools}],
    });
    serde_json::from_value(value).unwrap()
}

fn pool(secret: Option<&str>) -> StratumPoolSpec {
    let mut value = json!({"endpoints": [{"url": "stratum+tcp://a:1"}], "account": "a"});
    if let Some(secret) = secret {
        value["passwordSecretRef"] = json!({"name": secret});
    }
    serde_json::from_value(value).unwrap()
}

fn names(keys: &BTreeSet<ProxyKey>) -> Vec<&str> {
    keys.iter().map(|key| key.name.as_str()).collect()
}

#[test]
fn an_edit_of_a_pool_or_its_secret_finds_every_user_and_no_other() {
    let index = Index::default();
    index.put_proxy(&ProxyKey::new("mining", "east"), Some(&proxy(&["a", "b"])));
    index.put_proxy(&ProxyKey::new("mining", "west"), Some(&proxy(&["b"])));
    index.put_proxy(&ProxyKey::new("other", "north"), Some(&proxy(&["b"])));
    index.put_pool("mining", "b", Some(&pool(Some("password"))));
    assert_eq!(names(&index.users_of_pool("mining", "a")), ["east"]);
    assert_eq!(names(&index.users_of_pool("mining", "b")), ["east", "west"]);
    assert_eq!(names(&index.users_of_secret("mining", "password")), ["east", "west"]);
    assert_eq!(names(&index.users_of_secret("other", "password")), [""; 0]);
    assert_eq!(index.pools_of_secret("mining", "password").len(), 1);
    let mut encrypted = pool(None);
    encrypted.tls = serde_json::from_value(json!({
        "caSecretRef": {"name": "authority"},
        "clientCertificateSecretRef": {"name": "us"},
        "minVersion": "TLS1_2",
    }))
    .unwrap();
    index.put_pool("mining", "b", Some(&encrypted));
    assert_eq!(names(&index.users_of_secret("mining", "authority")), ["east", "west"]);
    assert_eq!(names(&index.users_of_secret("mining", "us")), ["east", "west"]);
    assert_eq!(names(&index.users_of_secret("mining", "password")), [""; 0]);
}

#[test]
fn what_is_no_longer_referred_to_is_forgotten() {
    let index = Index::default();
    let key = ProxyKey::new("mining", "east");
    index.put_proxy(&key, Some(&proxy(&["a"])));
    index.put_pool("mining", "a", Some(&pool(Some("old"))));
    let touched = index.put_proxy(&key, Some(&proxy(&["b"])));
    assert_eq!(touched.len(), 2, "the pool that was left, and the new one: {touched:?}");
    assert!(index.users_of_pool("mining", "a").is_empty());
    assert!(index.users_of_secret("mining", "old").is_empty());
    index.put_pool("mining", "b", Some(&pool(Some("new"))));
    assert_eq!(names(&index.users_of_secret("mining", "new")), ["east"]);

    assert_eq!(index.other_proxies(&BTreeSet::new()), std::slice::from_ref(&key));
    assert!(index.other_proxies(&BTreeSet::from([key.clone()])).is_empty());
    index.put_proxy(&key, None);
    index.put_pool("mining", "a", None);
    index.put_pool("mining", "b", None);
    assert!(index.is_empty());
}
