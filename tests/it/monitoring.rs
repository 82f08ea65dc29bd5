//! The dashboards and the alert rules of the chart on a real Prometheus that scrapes a real proxy: every panel shows something of
//! a farm that mines and has had its troubles, a well farm rings nothing, and one without pools does.
//!
//! `cargo xtask test --only monitoring` runs it, and brings the Prometheus.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use loka_farm::http::fetch;
use loka_tests::cluster::eventually;
use loka_tests::process::{PATIENCE, Process, free_port};
use loka_tests::rig::{Pools, everybody_is_paid, miners};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::client::Client;

/// Where Prometheus is installed, as the root of a file system.
const ROOT: &str = "LOKA_PROMETHEUS_ROOT";

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/loka-stratum");

/// The dashboards of proxies. The operator's metrics are there from its start, at zero, and the house rules know their names.
const DASHBOARDS: [&str; 3] = ["farm", "pools", "proxies"];

/// What Grafana puts into queries.
const PUT_IN: [(&str, &str); 3] =
    [("$__rate_interval", "15s"), ("$namespace", ".*"), ("$stratumproxy", ".*")];

/// Metrics that appear with an event that does not happen here.
const UNHEARD: [&str; 12] = [
    "loka_admin_acts_total",
    "loka_admin_denied_total",
    "loka_miner_logins_refused_total",
    "loka_miner_refused_total",
    "loka_miner_tls_failed_total",
    "loka_pool_login_refused_total",
    "loka_pool_misbehaved_total",
    "loka_pool_reconnects_asked_total",
    "loka_pool_suspected_total",
    "loka_pool_unverified_jobs_total",
    "loka_proxy_spans_exported_total",
    "loka_shares_pool_rejected_total",
];

/// One that scrapes a proxy every second, and evaluates the chart's rules as often.
struct Prometheus {
    address: SocketAddr,
    _child: Child,
    _directory: TempDir,
}

/// A query of a panel, and where it stands.
struct Query {
    place: String,
    text: String,
}

// === impl Prometheus ===

impl Prometheus {
    async fn watching(root: &Path, proxy: &Process) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let rules = format!("{CHART}/alerts/stratum.yaml");
        let target = proxy.admin().to_string();
        let labels = json!({"namespace": "mining", "stratumproxy": "farm", "pod": "farm-0"});
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{
                "job_name": "stratum",
                "static_configs": [{"targets": [target], "labels": labels}],
            }],
        });
        // JSON is YAML.
        let file = directory.path().join("prometheus.yml");
        fs::write(&file, config.to_string()).expect("a file");
        let child = Command::new(root.join("usr/bin/prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.path().join("log")).expect("a file"))
            .kill_on_drop(true)
            .spawn()
            .expect("Prometheus starts");
        let prometheus = Self { address, _child: child, _directory: directory };
        eventually("Prometheus is ready", PATIENCE, async || {
            match fetch(address, "/-/ready").await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        prometheus
    }

    async fn ask(&self, path: &str) -> Value {
        let (code, text) = fetch(self.address, path).await.expect("Prometheus answers");
        assert_eq!(code, 200, "{path}: {text}");
        serde_json::from_str::<Value>(&text).expect("JSON")["data"].take()
    }

    /// How many series answer a query.
    async fn series(&self, query: &str) -> usize {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let data = self.ask(&format!("/api/v1/query?query={escaped}")).await;
        data["result"].as_array().expect("a result").len()
    }

    /// The alerts that ring, or are about to.
    async fn alerts(&self) -> BTreeSet<String> {
        let found = self.ask("/api/v1/alerts").await;
        let alerts = found["alerts"].as_array().expect("alerts");
        alerts
            .iter()
            .filter_map(|alert| Some(alert["labels"]["alertname"].as_str()?.to_owned()))
            .collect()
    }

    /// Waits until every rule has been evaluated; then none rings.
    async fn is_silent(&self) {
        eventually("every rule is evaluated", PATIENCE, async || {
            let rules = self.ask("/api/v1/rules").await;
            let groups = rules["groups"].as_array().expect("groups");
            match groups.iter().flat_map(rules_of).find(|rule| rule["health"] != "ok") {
                Some(rule) => {
                    Err(format!("{}: {}: {}", rule["name"], rule["health"], rule["lastError"]))
                }
                None => Ok(()),
            }
        })
        .await;
        assert_eq!(self.alerts().await, BTreeSet::new());
    }

    /// Waits until these ring, or are about to.
    async fn rings(&self, wanted: &[&str]) {
        eventually("the alerts", PATIENCE, async || {
            let found = self.alerts().await;
            match wanted.iter().all(|name| found.contains(*name)) {
                true => Ok(()),
                false => Err(format!("{found:?}")),
            }
        })
        .await;
    }
}

fn rules_of(group: &Value) -> Vec<Value> {
    group["rules"].as_array().cloned().unwrap_or_default()
}

fn queries() -> Vec<Query> {
    let mut found = Vec::new();
    for dashboard in DASHBOARDS {
        let text = fs::read_to_string(format!("{CHART}/dashboards/{dashboard}.json"));
        let json: Value = serde_json::from_str(&text.expect("a dashboard")).expect("JSON");
        for panel in json["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let text = target["expr"].as_str().expect("a query").to_owned();
                let fill = |text: String, (mark, value): (&str, &str)| text.replace(mark, value);
                let text = PUT_IN.into_iter().fold(text, fill);
                found.push(Query { place: format!("{dashboard}: {}", panel["title"]), text });
            }
        }
    }
    found
}

/// The metrics that a query names.
fn metrics(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_');
    words.filter(|word| word.starts_with("loka_"))
}

fn given() -> Option<PathBuf> {
    let root = env::var_os(ROOT).map(PathBuf::from);
    if root.is_none() {
        println!("SKIPPED: monitoring: no Prometheus; run cargo xtask test --only monitoring");
    }
    root
}

/// Trouble that leaves its trace in the metrics.
async fn trouble(pools: &Pools, proxy: &Process, port: u16) {
    let mut miner = Client::logged_in(port).await;
    let params = json!(["acct.it", "ffffff", "00000000", "69560000", "00000000"]);
    assert_eq!(miner.call("mining.submit", params).await["error"][0], 21, "no such job");
    let mut browser = Client::connect(port).await;
    browser.send("GET / HTTP/1.1\r\n\r\n").await;
    browser.closed().await;
    pools.pools[0].control().go_silent();
    proxy.active("beta").await;
}

#[tokio::test]
async fn every_panel_shows_something_and_alerts_ring_when_there_is_no_pool_and_not_before() {
    let Some(root) = given() else { return };
    let (pools, directory) = (Pools::start().await, tempfile::tempdir().expect("a directory"));
    let documents = pools.documents().await;
    let state = directory.path().join("state");
    let (state, audit) = (state.to_string_lossy(), directory.path().join("audit.jsonl"));
    let audit = audit.to_string_lossy();
    let arguments = ["--state", &*state, "--audit", &*audit, "--memory-budget", "1073741824"];
    let proxy = Process::start_in(&documents.text(), &arguments, &[]).await;
    proxy.active("alpha").await;
    let rack = miners(6, documents.port);
    everybody_is_paid(&rack).await;
    let prometheus = Prometheus::watching(&root, &proxy).await;
    prometheus.is_silent().await;
    trouble(&pools, &proxy, documents.port).await;

    for Query { place, text } in queries() {
        eventually(&place, PATIENCE, async || {
            if prometheus.series(&text).await > 0 {
                return Ok(());
            }
            let (_, page) = proxy.page("/metrics").await;
            let absent: Vec<&str> = metrics(&text).filter(|name| !page.contains(name)).collect();
            let is_unheard = absent.iter().all(|name| UNHEARD.contains(name));
            match absent.is_empty() || !is_unheard {
                true => Err(format!("shows nothing: {text} (absent: {absent:?})")),
                false => Ok(()),
            }
        })
        .await;
    }

    pools.pools[1].control().kill();
    prometheus.rings(&["StratumNoPool", "StratumPoolDown"]).await;
    drop(rack);
}
