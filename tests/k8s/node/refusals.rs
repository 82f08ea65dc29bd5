//! What the canary refuses goes nowhere: not into the mounted Secret, not to another pod.

use std::net::SocketAddr;

use loka_tests::cluster::{Cluster, Image, eventually};
use loka_tests::rig::miners_at;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::site::{FARM, PATIENCE, PORT, Site, image_settings, listener, name_of, page, proxy};

const TAKEN: u16 = 4444;

/// An edit is refused with `reason`; then the canary is killed, and comes back mining.
async fn refused_and_survived(site: &Site, edit: &Value, field: &str, why: &str) {
    let pods = site.ready_pods(2).await;
    site.ready().await;
    let rack = miners_at(8, site.service().await, 400);
    site.pays(0, 4).await;
    let before = site.mounted().await;

    site.apply(edit).await;
    let said = site.says("Programmed", "False", "Rejected").await;
    println!("Programmed=False: {}", said.message);
    let canary = pods.iter().map(name_of).find(|name| said.message.contains(name.as_str()));
    let canary = canary.unwrap_or_else(|| panic!("{} names no pod", said.message));
    assert!(said.message.contains(field), "{} does not name {field}", said.message);
    assert!(said.message.contains(why), "{} does not say {why}", said.message);
    assert_eq!(site.mounted().await, before, "what was refused is mounted");
    for pod in &pods {
        let status = page(pod, "/status").await.expect("the pod answers");
        assert_eq!(status["config"]["hash"], before.0.hash.as_str(), "{}", name_of(pod));
    }
    assert!(rack.power_off().await.iter().all(|miner| miner.counts.connects == 1));

    site.kubectl(&["delete", "pod", &canary, "--grace-period=1"]).await;
    eventually("another pod has come", PATIENCE, async || {
        let pods = site.pods().await;
        let names: Vec<String> = pods.iter().map(name_of).collect();
        if pods.len() == 2 && !names.contains(&canary) { Ok(()) } else { Err(names.join(" ")) }
    })
    .await;
    let pods = site.ready_pods(2).await;
    for pod in &pods {
        let ip = pod.status.as_ref().and_then(|status| status.pod_ip.clone()).expect("an address");
        let rack = miners_at(2, SocketAddr::new(ip.parse().expect("an address"), PORT), 800);
        site.pays(0, 2).await;
        drop(rack.power_off().await);
    }
    assert_eq!(site.mounted().await.0.hash, before.0.hash);

    // The good config again: all is well.
    site.apply(&proxy(&json!({ "replicas": 2 }))).await;
    site.ready().await;
}

#[tokio::test]
async fn a_port_that_something_else_in_the_pod_has_taken_is_refused() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "taken", &[]).await else { return };
    cluster.load(&Image::pod()).await;
    site.farm(2).await;
    for pod in site.ready_pods(2).await {
        take_port(&site, &name_of(&pod)).await;
        let ip = pod.status.as_ref().and_then(|status| status.pod_ip.clone()).expect("an address");
        eventually("the port is taken", PATIENCE, async || {
            TcpStream::connect((ip.as_str(), TAKEN)).await.map(drop)
        })
        .await;
    }
    let listeners = [listener("v1", PORT), listener("second", TAKEN)];
    let edit = proxy(&json!({ "replicas": 2, "listeners": listeners }));
    refused_and_survived(&site, &edit, "spec.listeners[1].port", "in use").await;
}

/// An ephemeral container of the pod listens on the port, as `kubectl debug` would make it.
async fn take_port(site: &Site, pod: &str) {
    let container = json!({ "spec": { "ephemeralContainers": [{
        "name": "taker",
        "image": Image::pod().reference(),
        "imagePullPolicy": "Never",
        "args": ["serve", TAKEN.to_string()],
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "runAsNonRoot": true,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
    }] } });
    let patch = container.to_string();
    let arguments = [
        "patch",
        "pod",
        pod,
        "--subresource=ephemeralcontainers",
        "--type=strategic",
        "--patch",
        &patch,
    ];
    site.kubectl(&arguments).await;
}

fn certificate(name: &str) -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    (cert.pem(), signing_key.serialize_pem())
}

fn tls_secret(certificate: &str, key: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": { "name": "miners-tls" },
        "stringData": { "tls.crt": certificate, "tls.key": key },
    })
}

fn with_tls(more: &Value) -> Value {
    let mut secured = listener("v1-tls", 3334);
    secured["tls"] = json!({ "secretRef": { "name": "miners-tls" } });
    let mut spec = json!({ "replicas": 2, "listeners": [listener("v1", PORT), secured] });
    spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    proxy(&spec)
}

#[tokio::test]
async fn a_certificate_that_does_not_match_its_key_is_refused() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "mismatch", &[]).await else { return };
    site.farm(2).await;
    let (certificate, other) = (certificate("a.test").0, certificate("b.test").1);
    site.apply(&tls_secret(&certificate, &other)).await;
    let field = "spec.listeners[1].tls";
    refused_and_survived(&site, &with_tls(&json!({})), field, "does not match").await;
}

#[tokio::test]
async fn a_config_of_a_newer_schema_is_refused_by_an_older_proxy() {
    let Some(cluster) = Cluster::shared().await else { return };
    let older = Image::proxy().tagged("older").env("STRATUM_SCHEMA_MAX", "1");
    cluster.load(&older).await;
    let settings = image_settings("proxy.image", &older);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let Some(site) = Site::install(&cluster, "older", &settings).await else { return };
    site.farm(2).await;
    let (certificate, key) = certificate("a.test");
    site.apply(&tls_secret(&certificate, &key)).await;
    refused_and_survived(&site, &with_tls(&json!({})), "", "schema").await;
    println!("{FARM} mines on");
}
