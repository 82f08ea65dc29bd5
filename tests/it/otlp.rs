//! Traces, as a real OpenTelemetry Collector receives them: built from pinned Go modules in `tests/otelcol`
//! (main.go), told what to do by its collector.yaml, read from the file that it writes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use loka_tests::process::{Process, eventually, free_port};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use loka_tests::rig::{Pools, miners};

/// Longest build of the collector: its modules are fetched and compiled the first time.
const BUILD_WITHIN: Duration = Duration::from_secs(20 * 60);

pub(crate) struct Collector {
    _process: Child,
    pub(crate) endpoint: String,
    file: PathBuf,
}

// === impl Collector ===

impl Collector {
    pub(crate) async fn start(directory: &Path) -> Option<Self> {
        let binary = build().await?;
        let address = format!("127.0.0.1:{}", free_port());
        let file = directory.join("spans.json");
        let process = Command::new(binary)
            .arg("--config")
            .arg(source().join("collector.yaml"))
            .env("OTELCOL_ENDPOINT", &address)
            .env("OTELCOL_FILE", &file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the collector starts");
        let listening = || std::net::TcpStream::connect(&address).is_ok();
        eventually("the collector listens", listening).await;
        Some(Self { _process: process, endpoint: format!("http://{address}"), file })
    }

    /// Every span so far.
    pub(crate) fn spans(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let batches = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let each =
            |value: &Value, field: &str| value[field].as_array().cloned().unwrap_or_default();
        batches
            .flat_map(|batch| each(&batch, "resourceSpans"))
            .flat_map(|resource| each(&resource, "scopeSpans"))
            .flat_map(|scope| each(&scope, "spans"))
            .collect()
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("otelcol")
}

/// The collector, or why there is none.
async fn build() -> Option<PathBuf> {
    let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join("otelcol");
    let mut go = Command::new("go");
    go.args(["build", "-trimpath", "-o"]).arg(&binary).arg(".").current_dir(source());
    let output = go.env("CGO_ENABLED", "0").kill_on_drop(true).output();
    let output = timeout(BUILD_WITHIN, output).await.expect("the collector is built in time");
    match output {
        Ok(output) if output.status.success() => Some(binary),
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            println!("SKIPPED: what is seen by a real collector: no Go ({error}); install Go 1.25");
            None
        }
    }
}

fn names(spans: &[Value]) -> BTreeSet<&str> {
    spans.iter().filter_map(|span| span["name"].as_str()).collect()
}

fn attribute<'a>(span: &'a Value, key: &str) -> Option<&'a str> {
    let attributes = span["attributes"].as_array()?;
    attributes.iter().find(|one| one["key"] == key)?["value"]["stringValue"].as_str()
}

#[tokio::test]
async fn traces_reach_a_real_collector() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some(collector) = Collector::start(directory.path()).await else { return };
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
        ("OTEL_TRACES_SAMPLER", "always_on"),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
    ];
    let proxy = Process::start_with(&documents.text(), &environment).await;
    let rack = miners(3, documents.port);
    eventually("alpha pays", || pools.accepted()[0] > 5).await;
    rack.power_off().await;
    proxy.quiet_ledger().await;
    proxy.signal("TERM").await;
    let (status, _) = proxy.ended().await;
    assert_eq!(status.code(), Some(0));
    let wanted = ["config.apply", "connection", "pool.verdict", "share.submit", "share.verify"];
    let complete = || wanted.iter().all(|name| names(&collector.spans()).contains(name));
    eventually("every kind of span arrives", complete).await;
    let spans = collector.spans();
    let named = |name: &str| spans.iter().filter(|span| span["name"] == name).collect::<Vec<_>>();
    let paid = named("share.submit")
        .into_iter()
        .find(|span| attribute(span, "stratum.share.outcome") == Some("pool_accepted"))
        .expect("a share that was paid");
    let part_of_it = |name: &str| {
        named(name).iter().any(|span| {
            span["traceId"] == paid["traceId"] && span["parentSpanId"] == paid["spanId"]
        })
    };
    assert!(part_of_it("share.verify") && part_of_it("pool.verdict"), "{paid:#}");
    assert_eq!(attribute(paid, "loka.pool"), Some("alpha"));
    let text = serde_json::to_string(&spans).expect("JSON");
    assert!(!text.contains("password"), "a password has no place in a span");
}
