//! The operator dies, at each step of publishing and at other times; the API server is away. Miners go on.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use loka_farm::miner::rack::Rack;
use loka_tests::cluster::{Cluster, eventually};
use loka_tests::rig::miners_at;
use serde_json::json;
use tokio::time::Instant;

use super::site::{OPERATOR, PATIENCE, Site, name_of, page, proxy, restarts, route};

/// Where the operator aborts itself: the sequence is persisted; the canary has acknowledged and nothing is mounted;
/// the Secret is mounted and nobody else was sent it; all were.
const STEPS: [&str; 4] = ["persist", "canary", "mounted", "push"];

async fn operators(site: &Site) -> Vec<Pod> {
    let pods: Api<Pod> = Api::namespaced(site.client.clone(), &site.namespace);
    let selector = "app.kubernetes.io/name=stratum-operator";
    pods.list(&ListParams::default().labels(selector)).await.expect("a list").items
}

/// Waits until every pod holds its stream: else a change could reach it by way of the mounted file first.
async fn streams_are_held(site: &Site) {
    eventually("streams", PATIENCE, async || {
        for pod in site.pods().await {
            let status = page(&pod, "/status").await?;
            if status["config"]["stream"]["connected"] != true {
                return Err(format!("{} {}", name_of(&pod), status["config"]));
            }
        }
        Ok(())
    })
    .await;
}

async fn power_off_whole(rack: Rack) {
    for miner in rack.power_off().await {
        assert_eq!(miner.counts.connects, 1, "{miner:?}");
    }
}

#[tokio::test]
async fn an_operator_that_dies_at_any_step_of_publishing_leaves_no_pod_stuck() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "steps", &[]).await else { return };
    site.farm(2).await;
    site.ready_pods(2).await;
    site.ready().await;
    let rack = miners_at(8, site.service().await, 400);
    site.pays(0, 4).await;
    for (index, step) in STEPS.into_iter().enumerate() {
        let before = site.mounted().await.0;
        let name = "extraEnv[0].name=STRATUM_OPERATOR_ABORT_AFTER";
        let value = format!("extraEnv[0].value={step}");
        site.helm("upgrade", &[name, &value, "replicas=1"]).await;
        streams_are_held(&site).await;
        let first = if index % 2 == 0 { ["beta", "alpha"] } else { ["alpha", "beta"] };
        site.apply(&proxy(&json!({ "replicas": 2, "routes": [route(&first)] }))).await;
        eventually(&format!("the operator has died after {step}"), PATIENCE, async || {
            let died: i32 = operators(&site).await.iter().map(restarts).sum();
            if died > 0 { Ok(()) } else { Err(died) }
        })
        .await;
        // The next one does not die: else it would at the same step, as often as it comes there.
        site.helm("upgrade", &["replicas=1"]).await;
        site.ready().await;
        let after = site.mounted().await.0;
        assert!(after.sequence > before.sequence, "{step}: {before} then {after}");
        let status = site.proxy().await.status.and_then(|status| status.config).expect("a config");
        assert_eq!(u64::try_from(status.sequence), Ok(after.sequence), "{step}");
        for pod in site.pods().await {
            let shown = page(&pod, "/status").await.expect("the pod answers");
            assert_eq!(shown["config"]["hash"], after.hash.as_str(), "{step}: {}", name_of(&pod));
            assert_eq!(shown["config"]["sequence"], after.sequence, "{step}: {}", name_of(&pod));
        }
        println!("died after {step}: {before} then {after}");
        site.pays(if index % 2 == 0 { 1 } else { 0 }, 4).await;
    }
    power_off_whole(rack).await;
}

#[tokio::test]
async fn a_pod_that_starts_without_the_operator_mines_from_its_mounted_snapshot() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "alone", &[]).await else { return };
    site.farm(2).await;
    let pods = site.ready_pods(2).await;
    site.ready().await;
    site.kubectl(&["scale", "deployment", OPERATOR, "--replicas=0"]).await;
    eventually("no operator", PATIENCE, async || {
        let left = operators(&site).await.len();
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
    site.kubectl(&["delete", "pod", &name_of(&pods[0]), "--grace-period=1"]).await;
    eventually("another pod is ready", PATIENCE, async || {
        let names: Vec<String> = site.pods().await.iter().map(name_of).collect();
        if names.contains(&name_of(&pods[0])) { Err(names.join(" ")) } else { Ok(()) }
    })
    .await;
    let now = site.ready_pods(2).await;
    let new = now.iter().find(|pod| name_of(pod) != name_of(&pods[1])).expect("a new pod");
    let shown = page(new, "/status").await.expect("the pod answers");
    assert_eq!(shown["config"]["source"], "mounted", "{shown:#}");
    let rack = miners_at(8, site.service().await, 400);
    site.pays(0, 8).await;
    // An edit waits, and is everywhere once the operator is back.
    let edit = proxy(&json!({ "replicas": 2, "routes": [route(&["beta", "alpha"])] }));
    site.apply(&edit).await;
    site.kubectl(&["scale", "deployment", OPERATOR, "--replicas=1"]).await;
    site.ready().await;
    site.pays(1, 8).await;
    power_off_whole(rack).await;
}

#[tokio::test]
async fn miners_go_on_while_the_api_server_is_away_for_a_minute() {
    let Some(mut cluster) = Cluster::exclusive().await else { return };
    let Some(site) = Site::install(&cluster, "away", &[]).await else { return };
    site.farm(2).await;
    site.ready_pods(2).await;
    site.ready().await;
    let rack = miners_at(8, site.service().await, 400);
    site.pays(0, 4).await;
    let Some(machines) = cluster.machines() else { return };
    machines.stop_api_server();
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        site.pays(0, 4).await;
    }
    machines.resume_api_server().await;
    let edit = proxy(&json!({ "replicas": 2, "routes": [route(&["beta", "alpha"])] }));
    site.apply(&edit).await;
    site.ready().await;
    site.pays(1, 4).await;
    power_off_whole(rack).await;
}

/// The pod that holds the Lease.
async fn leader(site: &Site) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(site.client.clone(), &site.namespace);
    let lease = leases.get_opt(OPERATOR).await.expect("an answer")?;
    lease.spec?.holder_identity.filter(|holder| !holder.is_empty())
}

#[tokio::test]
async fn of_two_operators_one_leads_and_the_other_takes_over() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "two", &["replicas=2"]).await else { return };
    site.farm(2).await;
    site.ready_pods(2).await;
    site.ready().await;
    let rack = miners_at(8, site.service().await, 400);
    let first = leader(&site).await.expect("a leader");
    let both = operators(&site).await;
    assert_eq!(both.len(), 2);
    let pod = both.iter().find(|pod| first.contains(&name_of(pod))).expect("the leader's pod");

    // The leader stands still, as on a machine that is out of memory, for longer than its lease.
    let stopped = super::processes::freeze(&name_of(pod)).expect("its process");
    let taken = Instant::now();
    eventually("the other leads", PATIENCE, async || {
        let now = leader(&site).await;
        if now.as_ref().is_some_and(|now| *now != first) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    println!("taken over after {:?}", taken.elapsed());
    let edit = proxy(&json!({ "replicas": 2, "routes": [route(&["beta", "alpha"])] }));
    site.apply(&edit).await;
    site.ready().await;
    let (mounted, version) = site.mounted().await;
    let status = site.proxy().await;

    // It wakes, believing that it leads: it must write nothing, and end.
    let ended: i32 = operators(&site).await.iter().map(restarts).sum();
    drop(stopped);
    eventually("the old leader has ended", PATIENCE, async || {
        let now: i32 = operators(&site).await.iter().map(restarts).sum();
        if now > ended { Ok(()) } else { Err(now) }
    })
    .await;
    assert_eq!(site.mounted().await, (mounted, version));
    let after = site.proxy().await;
    assert_eq!(after.metadata.resource_version, status.metadata.resource_version);
    site.pays(1, 8).await;
    power_off_whole(rack).await;
}
