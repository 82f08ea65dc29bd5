//! One change, from the reconcile to each pod: what a real OpenTelemetry Collector wrote of it.

use std::net::SocketAddr;

use loka_tests::cluster::{Cluster, Collector, eventually};
use serde_json::{Value, json};

use super::site::{PATIENCE, Site, proxy, route};

fn attribute<'v>(span: &'v Value, key: &str) -> Option<&'v Value> {
    let found = span["attributes"].as_array()?.iter().find(|attribute| attribute["key"] == key)?;
    found["value"].as_object()?.values().next()
}

#[tokio::test]
async fn each_pods_config_apply_is_linked_to_the_reconcile_that_published_it() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(host) = cluster.host_address() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let address = SocketAddr::new(host, 4317);
    let Some(collector) = Collector::start(address, directory.path()).await else { return };
    let endpoint = collector.endpoint();
    let settings = [format!("proxy.otlpEndpoint={endpoint}"), format!("otlpEndpoint={endpoint}")];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let Some(site) = Site::install(&cluster, "traces", &settings).await else { return };
    site.farm(2).await;
    site.ready_pods(2).await;
    site.ready().await;
    site.apply(&proxy(&json!({ "replicas": 2, "routes": [route(&["beta", "alpha"])] }))).await;
    site.ready().await;
    let hash = site.mounted().await.0.hash;
    eventually("both pods' spans link to the reconcile's", PATIENCE, async || {
        let spans = collector.spans();
        let wanted = Value::from(hash.as_str());
        let of_hash = |span: &&Value| attribute(span, "loka.config.hash") == Some(&wanted);
        let applied: Vec<&Value> =
            spans.iter().filter(|span| span["name"] == "config.apply").filter(of_hash).collect();
        let linked = applied.iter().filter(|span| {
            let to = &span["links"][0]["traceId"];
            spans.iter().any(|other| {
                other["traceId"] == *to
                    && other["name"] != "config.apply"
                    && other["spanId"] == span["links"][0]["spanId"]
            })
        });
        let linked = linked.count();
        if linked >= 2 {
            Ok(())
        } else {
            Err(format!("{linked} of {} linked, {} spans", applied.len(), spans.len()))
        }
    })
    .await;
}
