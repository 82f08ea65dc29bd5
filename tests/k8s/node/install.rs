//! From `helm install` and two documents to shares on a pool: what is made, who may do what, and from where one mines.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Service};
use kube::api::{Api, ListParams};
use loka_tests::cluster::{Cluster, eventually};
use loka_tests::rig::miners_at;
use serde_json::{Value, json};

use super::site::{FARM, Site, listener, name_of, page, proxy};

/// What the operator makes of one StratumProxy.
const CHILDREN: [&str; 6] = [
    "serviceaccount/farm",
    "secret/farm-config",
    "configmap/farm-control",
    "deployment.apps/farm",
    "service/farm",
    "poddisruptionbudget.policy/farm",
];

/// Miners behind one address.
const BEHIND_NAT: usize = 300;

#[tokio::test]
async fn two_documents_become_owned_labelled_and_powerless_pods_that_mine() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "install", &[]).await else { return };
    site.farm(2).await;
    site.ready_pods(2).await;
    site.ready().await;
    let uid = site.proxy().await.metadata.uid.expect("a uid");
    for child in CHILDREN {
        let text = site.kubectl(&["get", child, "--output", "json"]).await;
        let object: Value = serde_json::from_str(&text).expect("JSON");
        let owner = &object["metadata"]["ownerReferences"][0];
        assert_eq!(
            (owner["uid"].as_str(), owner["controller"].as_bool()),
            (Some(uid.as_str()), Some(true)),
            "{child}"
        );
        let labels = &object["metadata"]["labels"];
        for (label, value) in [
            ("app.kubernetes.io/name", "stratum-proxy"),
            ("app.kubernetes.io/instance", FARM),
            ("app.kubernetes.io/managed-by", "stratum-operator"),
        ] {
            assert_eq!(labels[label], value, "{child}");
        }
    }
    let account = format!("--as=system:serviceaccount:{}:{FARM}", &*site.namespace);
    for (verb, what) in [
        ("get", "secrets"),
        ("list", "pods"),
        ("get", "stratumproxies.stratum.loka.dev"),
        ("create", "pods"),
    ] {
        let answer = site.try_kubectl(&["auth", "can-i", verb, what, &account]).await;
        assert!(answer.is_err_and(|said| said.contains("no")), "a proxy may {verb} {what}");
    }
    let rack = miners_at(20, site.service().await, 400);
    site.pays(0, 20).await;
    let miners = rack.power_off().await;
    assert!(miners.iter().all(|miner| miner.counts.connects == 1));
}

/// Node address and node port of the farm's Service.
async fn node_port(site: &Site) -> Vec<SocketAddr> {
    let services: Api<Service> = Api::namespaced(site.client.clone(), &site.namespace);
    let service = services.get(FARM).await.expect("the Service");
    let ports = service.spec.and_then(|spec| spec.ports).expect("ports");
    let port = ports.first().and_then(|port| port.node_port).expect("a node port");
    let port = u16::try_from(port).expect("a port");
    let nodes: Api<Node> = Api::all(site.client.clone());
    let nodes = nodes.list(&ListParams::default()).await.expect("a list");
    let addresses =
        nodes.items.into_iter().flat_map(|node| node.status).flat_map(|status| status.addresses);
    addresses
        .flatten()
        .filter(|address| address.type_ == "InternalIP")
        .map(|address| SocketAddr::new(address.address.parse().expect("an address"), port))
        .collect()
}

/// The addresses that the pods saw miners come from.
async fn peers(site: &Site) -> BTreeSet<IpAddr> {
    let mut peers = BTreeSet::new();
    for pod in site.pods().await {
        let log = site.kubectl(&["logs", &name_of(&pod)]).await;
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let greetings = lines.filter(|line| line["message"] == "miner subscribed and authorized");
        peers.extend(
            greetings
                .filter_map(|line| line["peer"].as_str()?.parse::<SocketAddr>().ok())
                .map(|peer| peer.ip()),
        );
    }
    peers
}

#[tokio::test]
async fn a_farm_behind_one_address_mines_through_a_node_port_and_keeps_its_address() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "nat", &[]).await else { return };
    site.farm(2).await;
    let mut wide = listener("v1", super::site::PORT);
    wide["limits"] = json!({ "maxConnections": 1000 });
    let service = json!({ "type": "NodePort", "externalTrafficPolicy": "Local" });
    let spec = json!({ "replicas": 2, "listeners": [wide], "service": service });
    site.apply(&proxy(&spec)).await;
    site.ready_pods(2).await;
    site.ready().await;
    // Local: only a node with a ready pod answers; the address that a miner must be given is one that does.
    let given = site.proxy().await.status.and_then(|status| status.address).expect("an address");
    let given: SocketAddr = given.parse().unwrap_or_else(|_| panic!("{given} is no address"));
    let addresses = node_port(&site).await;
    assert!(addresses.contains(&given), "{given} is none of {addresses:?}");
    let rack = miners_at(BEHIND_NAT, given, 60);
    eventually("all mine", Duration::from_secs(180), async || {
        let mut connected = 0;
        for pod in site.pods().await {
            let status = page(&pod, "/status").await?;
            connected += status["listeners"][0]["miners"].as_u64().unwrap_or(0);
        }
        let mining = rack
            .statuses()
            .iter()
            .filter(|miner| miner.state == loka_farm::miner::MinerState::Mining)
            .count();
        if connected >= BEHIND_NAT as u64 && mining == BEHIND_NAT {
            Ok(())
        } else {
            Err(format!("{connected} connected, {mining} mine"))
        }
    })
    .await;
    site.pays(0, 60).await;
    assert_eq!(peers(&site).await, BTreeSet::from_iter(cluster.host_address()));
    let miners = rack.power_off().await;
    assert!(miners.iter().all(|miner| miner.counts.connects == 1));
}
