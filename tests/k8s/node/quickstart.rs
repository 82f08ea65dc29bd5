//! The quick start of README.md as it is written: the script, the chart without values, the two documents, the practice
//! pool, and an accepted share. Only building images and making the cluster is left out.

use loka_tests::cluster::{Cluster, Image, Kubeconfig};
use serde_json::Value;

const SCRIPT: &str = "deploy/kind/up.sh";

/// The tag that the chart looks for: its version, which is that of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Of the release, and of the documents.
const NAMESPACES: [&str; 2] = ["stratum", "mining"];

/// Alone: this operator looks after every namespace. It may find the resource definitions of the other tests, which belong
/// to its release (`site::define`), or make them.
#[tokio::test]
async fn the_quick_start_ends_with_an_accepted_share() {
    let Some(cluster) = Cluster::exclusive().await else { return };
    for namespace in NAMESPACES {
        let there = cluster.try_kubectl(&["get", "namespace", namespace]).await;
        // It is deleted at the end, so it had better be ours.
        assert!(there.is_err(), "the cluster has a namespace {namespace} already");
    }
    for image in [Image::proxy(), Image::operator(), Image::practice()] {
        let name = image.repository().trim_start_matches("loka.test/");
        let image = image.clone().named(&format!("docker.io/library/{name}")).tagged(VERSION);
        cluster.load(&image).await;
    }

    let said =
        cluster.try_script(SCRIPT, &["apply"]).await.unwrap_or_else(|error| panic!("{error}"));

    println!("{said}");
    assert!(said.contains("job.batch/accepted-share condition met"), "{said}");
    let job = ["get", "job", "accepted-share", "-n", "mining"];
    let job = cluster.json(&job).await.expect("the job");
    assert_eq!(job["status"]["succeeded"], 1, "{job:#}");
    assert_eq!(cells(&said, "stratumproxy.stratum.loka.dev/quickstart")[1], "True", "{said}");
    let pool = cells(&said, "stratumpool.stratum.loka.dev/practice");
    assert!(pool.contains(&"practice") && pool.contains(&"True"), "{said}");
    // The judge's own books are the last line, as in README.md.
    let books: Value = serde_json::from_str(said.lines().last().expect("a line")).expect("JSON");
    let accepted = books["accounts"]["practice"]["accepted"].as_u64();
    assert!(accepted >= Some(1), "{books:#}");
    remove(&cluster).await;
}

/// A line of the tables at the end, by its first cell; what was waited for is told in lines that begin like it.
fn cells<'a>(table: &'a str, first: &str) -> Vec<&'a str> {
    let mut lines = table.lines().rev().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = lines.find(|cells| cells.len() > 2 && cells[0] == first);
    found.unwrap_or_else(|| panic!("no {first} in {table}"))
}

/// The documents first, while somebody is there to look after them.
async fn remove(cluster: &Kubeconfig) {
    cluster.kubectl(&["delete", "namespace", "mining", "--timeout=120s"]).await;
    cluster.helm(&["uninstall", "stratum", "-n", "stratum", "--wait", "--timeout", "120s"]).await;
    cluster.kubectl(&["delete", "namespace", "stratum", "--timeout=120s"]).await;
}
