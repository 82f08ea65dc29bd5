//! How long a change takes to every pod of twenty: from the write to the last acknowledgement.
//!
//! What is asserted is the order of events. The times are printed, as a distribution, by
//! `cargo xtask propagation`; they say something about a machine, so no test depends on them.

use std::env;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use loka_api::conditions::ConditionStatus;
use loka_api::stratum_proxy::StratumProxy;
use loka_tests::cluster::Cluster;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::site::{FARM, PATIENCE, Site, page, proxy};

const PODS: i32 = 20;

/// Edits, where the measurement does not ask for more.
const EDITS: usize = 5;

/// Number of edits.
const VARIABLE: &str = "LOKA_EDITS";

#[tokio::test]
async fn programmed_is_said_only_after_the_last_of_twenty_pods_has_acknowledged() {
    let Some(cluster) = Cluster::shared().await else { return };
    let edits = env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(EDITS);
    let Some(site) = Site::install(&cluster, "twenty", &[]).await else { return };
    site.farm(PODS).await;
    // A request of next to nothing: twenty pods are to fit on a machine of two cores.
    let pod = json!({ "resources": { "requests": { "cpu": "1m", "memory": "8Mi" } } });
    let spec = json!({ "replicas": PODS, "pod": pod });
    site.apply(&proxy(&spec)).await;
    let pods = site.ready_pods(PODS.unsigned_abs() as usize).await;
    site.ready().await;

    let api: Api<StratumProxy> = Api::namespaced(site.client.clone(), &site.namespace);
    let only = watcher::Config::default().fields(&format!("metadata.name={FARM}"));
    let mut changes = Box::pin(watcher(api.clone(), only).applied_objects());
    let mut times = Vec::new();
    let mut last_sequence = 0;
    for edit in 0..edits {
        let seconds = 20 + edit;
        let patch = json!({ "spec": { "drain": { "timeout": format!("{seconds}s") } } });
        let begun = Instant::now();
        let written = api.patch(FARM, &PatchParams::default(), &Patch::Merge(&patch)).await;
        let generation = written.expect("a write").metadata.generation.expect("a generation");
        let hash = timeout(PATIENCE, async {
            loop {
                let seen = changes.try_next().await.expect("a watch").expect("no end");
                if let Some((hash, sequence)) = programmed(&seen, generation) {
                    assert!(sequence > last_sequence, "{sequence} after {last_sequence}");
                    last_sequence = sequence;
                    return hash;
                }
            }
        })
        .await
        .unwrap_or_else(|_| panic!("edit {edit}, generation {generation}: never programmed"));
        times.push(begun.elapsed());
        // Programmed was said: then each of them runs it, now.
        for pod in &pods {
            let shown = page(pod, "/status").await.expect("the pod answers");
            assert_eq!(shown["config"]["hash"], hash.as_str(), "edit {edit}: {shown:#}");
        }
    }
    print(&mut times);
}

/// Hash and sequence, if this generation is said to run on every Ready pod.
fn programmed(proxy: &StratumProxy, generation: i64) -> Option<(String, i64)> {
    let status = proxy.status.as_ref()?;
    let said = status.conditions.iter().find(|condition| condition.type_ == "Programmed")?;
    let now = said.status == ConditionStatus::True && said.observed_generation == Some(generation);
    let config = status.config.as_ref()?;
    (now && config.generation == generation).then(|| (config.hash.clone(), config.sequence))
}

fn print(times: &mut [Duration]) {
    times.sort();
    let at = |percent: usize| {
        let index = (times.len() * percent).div_ceil(100);
        times[index.clamp(1, times.len()) - 1].as_secs_f64() * 1e3
    };
    println!("write to last ACK on {PODS} pods, {} edits, milliseconds:", times.len());
    println!("     min      p50      p90      p99      max");
    println!("{:8.0} {:8.0} {:8.0} {:8.0} {:8.0}", at(0), at(50), at(90), at(99), at(100));
}
