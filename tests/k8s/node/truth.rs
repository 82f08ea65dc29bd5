//! `kubectl get stratum` tells the truth: when all is well, and when it is not.

use loka_tests::cluster::{Cluster, eventually};
use loka_tests::rig::miners_at;
use serde_json::json;

use super::site::{FARM, PATIENCE, PORT, Site, name_of, proxy};

/// The table that a person sees, row by row, a cell by its column.
async fn table(site: &Site, wide: &str) -> Vec<Vec<(String, String)>> {
    let text = site.kubectl(&["get", "stratum", "--output", wide]).await;
    let mut rows = Vec::new();
    let mut columns: Vec<(usize, String)> = Vec::new();
    for line in text.lines() {
        if line.starts_with("NAME") {
            columns = starts(line);
        } else if !line.trim().is_empty() {
            let ends = columns.iter().skip(1).map(|(start, _)| *start).chain([usize::MAX]);
            let cell = |(start, end): (usize, usize)| {
                let end = end.min(line.len());
                line.get(start.min(line.len())..end).unwrap_or_default().trim().to_owned()
            };
            let cells = columns
                .iter()
                .zip(ends)
                .map(|((start, name), end)| (name.clone(), cell((*start, end))));
            rows.push(cells.collect());
        }
    }
    rows
}

fn starts(header: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut at = 0;
    for part in header.split_inclusive("  ") {
        let word = part.trim();
        if !word.is_empty() {
            found.push((at + part.find(word).unwrap_or(0), word.to_owned()));
        }
        at += part.len();
    }
    found
}

async fn cell(site: &Site, row: &str, column: &str) -> String {
    let rows = table(site, "wide").await;
    let found = rows
        .iter()
        .find(|cells| cells.iter().any(|(name, value)| name == "NAME" && value.ends_with(row)));
    let found = found.unwrap_or_else(|| panic!("no row {row} in {rows:?}"));
    let (_, value) = found
        .iter()
        .find(|(name, _)| name == column)
        .unwrap_or_else(|| panic!("no column {column} in {found:?}"));
    value.clone()
}

async fn shows(site: &Site, row: &str, column: &str, wanted: &str) {
    eventually(&format!("{row} {column}={wanted}"), PATIENCE, async || {
        let shown = cell(site, row, column).await;
        if shown == wanted { Ok(()) } else { Err(shown) }
    })
    .await;
    println!("$ kubectl get stratum\n{}", site.kubectl(&["get", "stratum"]).await);
}

#[tokio::test]
async fn the_table_is_true_when_all_is_well_and_when_a_pool_is_down() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "truth", &[]).await else { return };
    site.farm(2).await;
    site.ready_pods(2).await;
    site.ready().await;
    shows(&site, FARM, "READY", "True").await;
    shows(&site, FARM, "CONFIG", "2/2").await;
    shows(&site, FARM, "REPLICAS", "2").await;
    shows(&site, FARM, "POOLS", "2/2").await;
    shows(&site, FARM, "ACCOUNTS", "acct").await;
    shows(&site, "alpha", "AVAILABLE", "True").await;
    // What a miner of the cluster must be given: it works when given.
    let address = cell(&site, FARM, "ADDRESS").await;
    let (name, port) = address.split_once(':').expect("HOST:PORT");
    assert_eq!((name, port), (&*format!("{FARM}.{}.svc", &*site.namespace), "3333"));
    let rack = miners_at(4, site.service().await, 400);
    site.pays(0, 4).await;

    site.pools.pools[0].control().kill();
    shows(&site, FARM, "POOLS", "1/2").await;
    shows(&site, "alpha", "AVAILABLE", "False").await;
    shows(&site, "beta", "AVAILABLE", "True").await;
    // The farm mines on beta: it is ready.
    shows(&site, FARM, "READY", "True").await;
    site.pays(1, 4).await;

    site.pools.pools[1].control().kill();
    shows(&site, FARM, "READY", "False").await;
    shows(&site, FARM, "REASON", "AllPoolsDown").await;

    site.pools.pools[0].control().revive();
    shows(&site, FARM, "READY", "True").await;
    shows(&site, FARM, "POOLS", "1/2").await;
    site.pays(0, 4).await;
    assert!(rack.power_off().await.iter().all(|miner| miner.counts.connects == 1));
}

#[tokio::test]
async fn what_cannot_be_resolved_is_named_and_touches_nothing_that_runs() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "refs", &[]).await else { return };
    site.farm(1).await;
    site.ready_pods(1).await;
    site.ready().await;
    let before = site.mounted().await;

    site.kubectl(&["delete", "secret", "credentials"]).await;
    let said = site.says("ResolvedRefs", "False", "SecretNotFound").await;
    assert!(said.message.contains("credentials"), "{}", said.message);
    shows(&site, FARM, "READY", "False").await;
    shows(&site, FARM, "REASON", "SecretNotFound").await;
    assert_eq!(site.mounted().await, before);

    site.apply(&super::site::password("hunter2")).await;
    site.ready().await;
    site.kubectl(&["delete", "stratumpool", "beta"]).await;
    let said = site.says("ResolvedRefs", "False", "PoolNotFound").await;
    assert!(said.message.contains("beta"), "{}", said.message);
    assert_eq!(site.mounted().await.0.hash, before.0.hash);
    let pods = site.ready_pods(1).await;
    assert_eq!(pods.len(), 1);
}

#[tokio::test]
async fn a_missing_image_and_a_cluster_without_a_fitting_node_are_named() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "images", &[]).await else { return };
    site.farm(1).await;
    site.ready_pods(1).await;
    site.ready().await;

    let image = "loka.test/stratum-proxy:missing";
    site.apply(&proxy(&json!({ "replicas": 1, "image": image }))).await;
    eventually("the missing image is named", PATIENCE, async || {
        let said = site.condition("Progressing").await;
        let names_it = said
            .as_ref()
            .is_some_and(|it| it.reason == "ImageNotPulled" && it.message.contains(image));
        if names_it { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await;
    // The pod that ran runs on until there is another one.
    let ready = site.pods().await.into_iter().filter(super::site::is_ready).count();
    assert_eq!(ready, 1);

    let nowhere = json!({ "replicas": 1, "pod": { "nodeSelector": { "no-such": "node" } } });
    site.apply(&proxy(&nowhere)).await;
    eventually("no node fits", PATIENCE, async || {
        let said = site.condition("Progressing").await;
        let names_it = said.as_ref().is_some_and(|it| it.reason == "Unschedulable");
        if names_it { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await;

    site.apply(&proxy(&json!({ "replicas": 1 }))).await;
    site.ready().await;
    let pods = site.ready_pods(1).await;
    println!("{} serves port {PORT}", name_of(&pods[0]));
}
