//! Pods go: by a rolling update, by a scale-down, by SIGKILL. What was acknowledged is at its pool.

use k8s_openapi::api::core::v1::Pod;
use loka_farm::miner::MinerStatus;
use loka_farm::miner::rack::Rack;
use loka_tests::cluster::{Cluster, Image, eventually};
use loka_tests::rig::miners_at;
use serde_json::{Value, json};

use super::site::{PATIENCE, Site, name_of, proxy, uid_of};

/// A farm whose every share is as hard as the pool's, so that each that is acknowledged must be at a pool.
fn all_due(more: &Value) -> Value {
    let difficulty = json!({ "initial": "0.0004m", "min": "0.0004m", "max": "0.0004m" });
    let mut spec = json!({ "listeners": [{ "name": "v1", "port": super::site::PORT, "difficulty": difficulty }] });
    spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    proxy(&spec)
}

/// Acknowledged to miners, and received by pools; what nobody answered, by what the miners saw.
async fn settle(site: &Site, rack: Rack) -> (u64, u64, Vec<MinerStatus>) {
    let last = rack.power_off().await;
    eventually("the pools have read everything", PATIENCE, async || {
        let quiet = site.ledgers().await.values().all(loka_tests::books::Ledger::is_quiet);
        if quiet { Ok(()) } else { Err("shares are on their way") }
    })
    .await;
    let acknowledged = last.iter().map(|miner| miner.counts.accepted).sum();
    let received = site.pools.pools.iter().map(|pool| pool.counts().received).sum();
    (acknowledged, received, last)
}

#[tokio::test]
async fn a_rolling_update_and_a_scale_down_under_load_lose_no_acknowledged_share() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "rolling", &[]).await else { return };
    let next = Image::proxy().tagged("next");
    cluster.load(&next).await;
    site.farm(2).await;
    site.apply(&all_due(&json!({ "replicas": 2 }))).await;
    let before = site.ready_pods(2).await;
    site.ready().await;
    let rack = miners_at(16, site.service().await, 400);
    site.pays(0, 20).await;

    site.apply(&all_due(&json!({ "replicas": 2, "image": next.reference() }))).await;
    eventually("both pods are new", PATIENCE, async || {
        let now: Vec<String> = site.pods().await.iter().map(uid_of).collect();
        let old = before.iter().map(uid_of).filter(|uid| now.contains(uid)).count();
        if old == 0 && now.len() == 2 { Ok(()) } else { Err(format!("{old} old of {}", now.len())) }
    })
    .await;
    site.ready_pods(2).await;
    site.pays(0, 20).await;

    site.apply(&all_due(&json!({ "replicas": 1, "image": next.reference() }))).await;
    site.ready_pods(1).await;
    site.pays(0, 20).await;
    site.ready().await;

    let (acknowledged, received, last) = settle(&site, rack).await;
    let refused: u64 = last.iter().map(|miner| miner.counts.rejected.total()).sum();
    println!("{acknowledged} acknowledged, {received} at the pools, {refused} refused");
    assert!(acknowledged > 60, "{acknowledged}");
    assert!(received >= acknowledged, "{acknowledged} acknowledged, {received} at the pools");
}

#[tokio::test]
async fn what_a_killed_pod_takes_with_it_is_counted() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "killed", &[]).await else { return };
    site.farm(2).await;
    site.apply(&all_due(&json!({ "replicas": 2 }))).await;
    let pods: Vec<Pod> = site.ready_pods(2).await;
    site.ready().await;
    let rack = miners_at(16, site.service().await, 400);
    site.pays(0, 20).await;
    super::processes::kill(&name_of(&pods[0])).expect("its process");
    site.pays(0, 20).await;
    site.ready_pods(2).await;
    site.ready().await;
    let (acknowledged, received, last) = settle(&site, rack).await;
    // Every share of a miner has one end: answered, or cut off with its connection.
    let submitted: u64 = last.iter().map(|miner| miner.counts.submitted).sum();
    let refused: u64 = last.iter().map(|miner| miner.counts.rejected.total()).sum();
    let unanswered: u64 = last.iter().map(|miner| miner.counts.unanswered).sum();
    println!(
        "{submitted} submitted: {acknowledged} acknowledged, {refused} refused, {unanswered} cut off; {received} at the pools"
    );
    assert_eq!(submitted, acknowledged + refused + unanswered);
    assert!(received >= acknowledged, "{acknowledged} acknowledged, {received} at the pools");
}
