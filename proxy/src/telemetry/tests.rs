use std::io;
use std::sync::Mutex;

use loka_ops::log::json_lines;
use tracing_subscriber::layer::SubscriberExt as _;

use super::reasons::CloseReason;
use super::*;

/// What was written to any of its clones.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().map_err(|_| io::ErrorKind::Other)?.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `work` logs, as the JSON format has them.
fn logged(work: impl FnOnce()) -> Vec<serde_json::Value> {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::registry().with(json_lines(move || writer.clone()));
    with_default(subscriber, work);
    let bytes = written.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn closed(trace: TraceRef) -> MinerEvent<'static> {
    let peer = std::net::SocketAddr::from(([10, 0, 0, 7], 40_000));
    let (reason, after) = (CloseReason::Idle, Duration::from_secs(600));
    MinerEvent::Closed { listener: "v1", peer, reason, after, trace }
}

#[test]
fn a_log_line_names_the_peer_and_the_reason() {
    let telemetry = Telemetry::silent();
    let [line] = logged(|| telemetry.emit(closed(TraceRef::NONE))).try_into().unwrap();
    assert_eq!(line["message"], "miner gone");
    assert_eq!(line["listener"], "v1");
    assert_eq!(line["peer"], "10.0.0.7:40000");
    assert_eq!(line["reason"], "idle");
    assert_eq!(line["after_seconds"], 600.0);
    assert!(line["span"].is_null(), "{line}");
}

#[test]
fn a_log_line_of_a_sampled_event_carries_the_ids_of_its_trace() {
    let telemetry = Telemetry::silent();
    let trace = traces::sampled();
    let [line] = logged(|| telemetry.emit(closed(trace))).try_into().unwrap();
    assert_eq!(line["span"]["trace_id"].as_str().map(str::len), Some(32));
    assert_eq!(line["span"]["span_id"].as_str().map(str::len), Some(16));
}

#[test]
fn a_duration_is_logged_to_the_microsecond() {
    let telemetry = Telemetry::silent();
    let after = Duration::from_nanos(1_606_027_414);
    let [line] = logged(|| telemetry.emit(PoolEvent::Up { route: "main", pool: "a", after }))
        .try_into()
        .unwrap();
    assert_eq!(line["after_seconds"], 1.606_027);
}
