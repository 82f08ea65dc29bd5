//! A real OpenTelemetry Collector, whose spans a test reads.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::supervised::{Supervised, supervise};
use super::{Asset, are_there, eventually, files};

const LISTENS_WITHIN: Duration = Duration::from_secs(30);

/// A running collector. It ends when this is dropped, and with the test process.
#[derive(Debug)]
pub struct Collector {
    _process: Supervised,
    address: SocketAddr,
    file: PathBuf,
}

// === impl Collector ===

impl Collector {
    /// Starts one that takes OTLP by gRPC at `address` and keeps what it took in `directory`. `None`, and a line that says so,
    /// where there is no program for it.
    pub async fn start(address: SocketAddr, directory: &Path) -> Option<Self> {
        if !are_there(&[Asset::Otelcol]) {
            return None;
        }
        let file = directory.join("spans.json");
        let config = files::write(directory, "collector.yaml", &config(address, &file));
        let log = directory.join("collector.log");
        let mut command = supervise(Asset::Otelcol.path().as_os_str(), &log);
        command.arg("--config").arg(config);
        let process = Supervised::spawn("otelcol", &mut command);
        eventually("the collector listens", LISTENS_WITHIN, async || {
            TcpStream::connect(address).map_err(|error| {
                format!("{error}: {}", fs::read_to_string(&log).unwrap_or_default())
            })
        })
        .await;
        Some(Self { _process: process, address, file })
    }

    /// What OTEL_EXPORTER_OTLP_ENDPOINT is to be.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every span so far, as OTLP's JSON has it, with the attributes of its process as `resource`.
    pub fn spans(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        // The last line may be half written.
        let batches = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut spans = Vec::new();
        for resource in batches.flat_map(|batch| each(&batch, "resourceSpans")) {
            for scope in each(&resource, "scopeSpans") {
                for mut span in each(&scope, "spans") {
                    span["resource"] = resource["resource"]["attributes"].clone();
                    spans.push(span);
                }
            }
        }
        spans
    }
}

fn each(value: &Value, field: &str) -> Vec<Value> {
    value[field].as_array().cloned().unwrap_or_default()
}

fn config(address: SocketAddr, file: &Path) -> String {
    let file = file.display();
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '{address}'}}}}}}}}
exporters: {{file: {{path: '{file}', flush_interval: 100ms}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [file]}}}}
"
    )
}
