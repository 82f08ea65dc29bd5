//! The allow-list of a running proxy: no edit leads hash to an account that it does not have, and hash leaves one that is
//! struck from it.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use loka_tests::documents::Documents;
use loka_tests::process::{Process, eventually};
use loka_tests::rig::Pools;
use tempfile::TempDir;

use super::client::Client;

/// An entry of a list.
fn entry(pool: SocketAddr, account: &str) -> String {
    format!("- {{ host: {}, port: {}, accounts: [{account}] }}\n", pool.ip(), pool.port())
}

/// The file of an allow-list.
struct List(TempDir);

// === impl List ===

impl List {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("allow-list.yaml")
    }

    fn allow(&self, entries: &[String]) {
        fs::write(self.path(), format!("pools:\n{}", entries.concat())).expect("a file");
    }

    /// A proxy that has the list, with a miner that has work.
    async fn mining_on_alpha(&self, documents: &Documents) -> (Process, Client) {
        let path = self.path();
        let path = path.to_str().expect("UTF-8");
        let proxy = Process::start_with(&documents.text(), &[("STRATUM_ALLOW_LIST", path)]).await;
        proxy.active("alpha").await;
        let mut miner = Client::logged_in(documents.port).await;
        miner.notification("mining.notify").await;
        (proxy, miner)
    }
}

#[tokio::test]
async fn hash_goes_nowhere_that_the_allow_list_does_not_have() {
    let pools = Pools::start().await;
    let [alpha, beta] = pools.addresses;
    let list = List::new();
    list.allow(&[entry(alpha, "acct"), entry(beta, "acct")]);
    let mut documents = pools.documents().await;
    let (proxy, mut miner) = list.mining_on_alpha(&documents).await;

    documents.pools[0].account = "mallory".to_owned();
    proxy.write(&documents.text());
    let audited = proxy.logged("refused: not on the allow-list").await;
    assert_eq!((&audited["target"], &audited["account"]), (&"audit".into(), &"mallory".into()));
    let refused = proxy.logged("configuration refused").await;
    let said = refused["problem"].as_str().expect("a problem");
    assert!(said.starts_with("StratumPool/alpha: spec.account (\"mallory\")"), "{said}");
    assert_eq!(pools.pools[0].connections().len(), 1, "nothing has changed");

    list.allow(&[entry(beta, "acct")]);
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
    let list = List::new();
    list.allow(&[entry(alpha, "acct"), entry(beta, "acct")]);
    let mut documents = pools.documents().await;
    documents.route = "      rollout: { strategy: Staged }\n".to_owned();
    let (proxy, mut miner) = list.mining_on_alpha(&documents).await;
    documents.pools.remove(0);
    proxy.apply(&documents.text()).await;
    // The first step takes five minutes and a share.
    proxy.logged("change of pool: step").await;
    proxy.active("alpha").await;
    list.allow(&[entry(beta, "acct")]);
    proxy.active("beta").await;
    eventually("alpha is left", || pools.pools[0].connections().is_empty()).await;
    miner.assert_alive().await;
}
