//! The allow-list of a running proxy: no edit leads hash to an account that it does not have, and hash leaves one that is
//! struck from it.

use std::fs;
use std::net::SocketAddr;

use loka_tests::process::{Process, eventually};
use loka_tests::rig::Pools;

use super::client::Client;

/// An entry of a list.
fn entry(pool: SocketAddr, account: &str) -> String {
    format!("- {{ host: {}, port: {}, accounts: [{account}] }}\n", pool.ip(), pool.port())
}

#[tokio::test]
async fn hash_goes_nowhere_that_the_allow_list_does_not_have() {
    let pools = Pools::start().await;
    let [alpha, beta] = pools.addresses;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("allow-list.yaml");
    let allow = |entries: &[String]| {
        fs::write(&file, format!("pools:\n{}", entries.concat())).expect("a file");
    };
    allow(&[entry(alpha, "acct"), entry(beta, "acct")]);
    let mut documents = pools.documents().await;
    let path = file.to_str().expect("UTF-8");
    let proxy = Process::start_with(&documents.text(), &[("STRATUM_ALLOW_LIST", path)]).await;
    proxy.active("alpha").await;
    let mut miner = Client::logged_in(documents.port).await;
    miner.notification("mining.notify").await;

    documents.pools[0].account = "mallory".to_owned();
    proxy.write(&documents.text());
    let audited = proxy.logged("refused: not on the allow-list").await;
    assert_eq!((&audited["target"], &audited["account"]), (&"audit".into(), &"mallory".into()));
    let refused = proxy.logged("configuration refused").await;
    let said = refused["problem"].as_str().expect("a problem");
    assert!(said.starts_with("StratumPool/alpha: spec.account (\"mallory\")"), "{said}");
    assert_eq!(pools.pools[0].connections().len(), 1, "nothing has changed");

    allow(&[entry(beta, "acct")]);
    proxy.active("beta").await;
    eventually("alpha is left", || pools.pools[0].connections().is_empty()).await;
    miner.assert_alive().await;
    let (_, metrics) = proxy.page("/metrics").await;
    assert!(metrics.contains("loka_proxy_pool_refused_total{reason=\"account\"}"), "{metrics}");
    assert!(metrics.contains("loka_proxy_pool_refused_total{reason=\"address\"}"), "{metrics}");
}

#[tokio::test]
async fn a_pool_that_is_left_in_steps_is_left_at_once_when_it_is_struck() {
    let pools = Pools::start().await;
    let [alpha, beta] = pools.addresses;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("allow-list.yaml");
    let allow = |entries: &[String]| {
        fs::write(&file, format!("pools:\n{}", entries.concat())).expect("a file");
    };
    allow(&[entry(alpha, "acct"), entry(beta, "acct")]);
    let mut documents = pools.documents().await;
    documents.route = "      rollout: { strategy: Staged }\n".to_owned();
    let path = file.to_str().expect("UTF-8");
    let proxy = Process::start_with(&documents.text(), &[("STRATUM_ALLOW_LIST", path)]).await;
    proxy.active("alpha").await;
    let mut miner = Client::logged_in(documents.port).await;
    miner.notification("mining.notify").await;
    documents.pools.remove(0);
    proxy.apply(&documents.text()).await;
    // The first step takes five minutes and a share.
    proxy.logged("change of pool: step").await;
    proxy.active("alpha").await;
    allow(&[entry(beta, "acct")]);
    proxy.active("beta").await;
    eventually("alpha is left", || pools.pools[0].connections().is_empty()).await;
    miner.assert_alive().await;
}
