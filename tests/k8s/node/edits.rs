//! Edits of resources reach every pod, without a restart and without a miner noticing.

use loka_tests::cluster::{Cluster, eventually};
use loka_tests::rig::miners_at;
use serde_json::json;

use super::site::{
    FARM, PATIENCE, Site, is_ready, name_of, page, password, pool, proxy, restarts, route, uid_of,
};

/// Hashes a second of a miner: a share every four seconds.
const RATE: u64 = 400;

#[tokio::test]
async fn a_pools_address_and_its_secret_reach_every_pod_without_a_restart() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "edits", &[]).await else { return };
    site.farm(3).await;
    let before = site.ready_pods(3).await;
    site.ready().await;
    let rack = miners_at(24, site.service().await, RATE);
    site.pays(0, 10).await;

    // The route of the StratumProxy names another pool first.
    site.apply(&proxy(&json!({ "replicas": 3, "routes": [route(&["beta", "alpha"])] }))).await;
    programmed_everywhere(&site).await;
    site.pays(1, 10).await;

    // The StratumPool that is mined on moves to the other address.
    let hash = site.mounted().await.0.hash;
    site.apply(&pool("beta", site.pools.addresses[0])).await;
    run_everywhere_but(&site, &hash).await;
    site.pays(0, 10).await;

    // Its Secret changes: the generation of neither resource does, the hash does.
    let hash = site.mounted().await.0.hash;
    site.apply(&password("hunter3")).await;
    run_everywhere_but(&site, &hash).await;
    site.pays(0, 10).await;

    let after = site.pods().await;
    let same = |pods: &[_]| pods.iter().map(|pod| (uid_of(pod), restarts(pod))).collect::<Vec<_>>();
    assert_eq!(same(&before), same(&after));
    for miner in rack.power_off().await {
        assert_eq!(miner.counts.connects, 1, "{miner:?}");
        assert_eq!(miner.traps, [], "{miner:?}");
    }
}

/// Programmed for the present generation, and then indeed: every Ready pod says the hash of the status.
async fn programmed_everywhere(site: &Site) {
    site.says("Programmed", "True", "AllPodsSynced").await;
    let status = site.proxy().await.status.expect("a status");
    let hash = status.config.expect("a config").hash;
    for pod in site.pods().await.iter().filter(|pod| is_ready(pod)) {
        let shown = page(pod, "/status").await.expect("the pod answers");
        assert_eq!(shown["config"]["hash"], hash.as_str(), "{} {shown:#}", name_of(pod));
    }
}

/// Every pod runs what is mounted, and that is not `old`.
async fn run_everywhere_but(site: &Site, old: &str) {
    eventually("the change is everywhere", PATIENCE, async || {
        let mounted = site.mounted().await.0.hash;
        if mounted == old {
            return Err(format!("{mounted} is mounted still"));
        }
        for pod in site.pods().await {
            let shown = page(&pod, "/status").await?;
            if shown["config"]["hash"] != mounted.as_str() {
                return Err(format!("{} runs {}", name_of(&pod), shown["config"]));
            }
        }
        Ok(())
    })
    .await;
    programmed_everywhere(site).await;
}

#[tokio::test]
async fn a_deleted_stratum_proxy_leaves_nothing_behind() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "gone", &[]).await else { return };
    site.farm(1).await;
    site.ready_pods(1).await;
    let kinds = "serviceaccounts,secrets,configmaps,deployments,replicasets,services,poddisruptionbudgets,pods";
    let selector = format!("app.kubernetes.io/instance={FARM}");
    let owned = ["get", kinds, "--selector", &selector, "--output", "name"];
    let there = site.kubectl(&owned).await;
    for kind in [
        "serviceaccount/",
        "secret/",
        "configmap/",
        "deployment.apps/",
        "service/",
        "poddisruptionbudget.policy/",
        "pod/",
    ] {
        assert!(there.lines().any(|line| line.starts_with(kind)), "no {kind} in\n{there}");
    }
    site.kubectl(&["delete", "stratumproxy", FARM]).await;
    eventually("all is gone", PATIENCE, async || {
        let left = site.kubectl(&owned).await;
        if left.trim().is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}
