//! A pod of the operator without its operator: from the mounted snapshot, or the last known good one.

use loka_tests::process::{Process, eventually};
use tokio::net::TcpListener;

use super::client::Client;
use loka_tests::rig::{Pools, miners};

/// An operator that is not there.
const NOBODY: [&str; 6] =
    ["--control", "127.0.0.1:1", "--control-ca", "ca.crt", "--control-token", "token"];

#[tokio::test]
async fn a_pod_mines_from_the_mounted_snapshot_whether_or_not_the_operator_is_there() {
    for further in [&[][..], &NOBODY] {
        let pools = Pools::start().await;
        let documents = pools.documents().await;
        let snapshot = documents.snapshot(3);
        let pod = Process::start_pod(Some(&snapshot.to_file()), None, further).await;
        pod.ready(200).await;
        let rack = miners(2, documents.port);
        eventually("paid work", || pools.accepted()[0] > 2).await;
        let config = pod.status().await["config"].clone();
        assert_eq!(config["sequence"], 3, "{config:#}");
        assert_eq!(config["source"], "mounted", "{config:#}");
        assert_eq!(config["hash"], snapshot.identity.hash.as_str(), "{config:#}");
        assert_eq!(config["stream"]["connected"].as_bool(), (!further.is_empty()).then_some(false));
        assert_eq!(pod.kept(), Some(snapshot.to_file()));
        drop(rack);
    }
}

#[tokio::test]
async fn a_mounted_snapshot_that_is_damaged_is_shown_and_the_last_known_good_one_mines() {
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let good = documents.snapshot(2).to_file();
    let damaged = documents.snapshot(3).to_file().replace("acct", "evil");
    let pod = Process::start_pod(Some(&damaged), Some(&good), &[]).await;
    pod.ready(200).await;
    let _rack = miners(2, documents.port);
    eventually("paid work", || pools.accepted()[0] > 2).await;
    let config = pod.status().await["config"].clone();
    assert_eq!((&config["sequence"], &config["source"]), (&2.into(), &"lastGood".into()));
    let problem = config["refused"]["problems"][0].as_str().expect("a problem");
    assert!(
        problem.contains("snapshot.json") && problem.contains("changed on its way"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_newer_mounted_snapshot_is_applied_to_a_running_farm() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    let pod = Process::start_pod(Some(&documents.snapshot(1).to_file()), None, &[]).await;
    pod.active("alpha").await;
    let mut miner = Client::logged_in(documents.port).await;
    documents.pools.reverse();
    pod.mount(&documents.snapshot(2).to_file());
    pod.active("beta").await;
    miner.assert_alive().await;
    assert_eq!(pod.status().await["config"]["sequence"], 2);
}

#[tokio::test]
async fn without_a_valid_snapshot_a_pod_stays_up_says_why_and_mines_when_one_comes() {
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let pod = Process::start_pod(None, None, &NOBODY).await;
    let holder = TcpListener::bind(("127.0.0.1", documents.port)).await.expect("the port");
    pod.logged("configuration refused").await;
    let said = pod.ready(503).await;
    assert!(said.starts_with("no valid configuration yet: mounted/snapshot.json"), "{said}");
    pod.mount(&documents.snapshot(1).to_file());
    // A port that cannot be had at the very start is no reason to go, and is had later.
    pod.logged("cannot listen for miners").await;
    let said = pod.ready(503).await;
    assert!(said.starts_with("listener v1: "), "{said}");
    drop(holder);
    pod.ready(200).await;
    Client::logged_in(documents.port).await.assert_alive().await;
    pod.signal("TERM").await;
    assert_eq!(pod.ended().await.0.code(), Some(0));
}
