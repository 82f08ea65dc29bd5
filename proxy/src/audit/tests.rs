use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;

const LONG: Duration = Duration::from_secs(60);

struct Log {
    directory: TempDir,
    tap: Arc<AuditTap>,
    shown: Audited,
    stop: CancellationToken,
    task: JoinSet<()>,
}

// === impl Log ===

impl Log {
    fn at(place: impl FnOnce(&Path) -> PathBuf) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = AuditSettings {
            to: AuditTo::File(place(directory.path())),
            bytes_max: 4096,
            files: 2,
            pod: Some("farm-0".to_owned()),
        };
        let tap = Arc::<AuditTap>::default();
        let (shown, keep) = keep(settings, Arc::clone(&tap), Telemetry::silent()).unwrap();
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(keep.run(stop.clone()));
        Self { directory, tap, shown, stop, task }
    }

    fn in_a_file() -> Self {
        Self::at(|directory| directory.join("audit.jsonl"))
    }

    fn records(&self, file: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.directory.path().join(file)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a whole line")).collect()
    }

    async fn until(&self, what: &str, is_it: impl Fn(&Self) -> bool) {
        let waited = tokio::time::timeout(LONG, async {
            let mut look = interval(Duration::from_millis(5));
            while !is_it(self) {
                look.tick().await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{what}: {:?}", self.shown));
    }

    async fn ended(&mut self) {
        self.stop.cancel();
        tokio::time::timeout(LONG, self.task.join_next()).await.expect("it ends").unwrap().unwrap();
    }
}

fn act(detail: &str) -> AuditEntry {
    AuditEntry::new(AuditKind::Admin, AuditOutcome::Accepted).detail(detail)
}

#[tokio::test]
async fn records_are_lines_with_time_pod_and_number_for_nobody_else() {
    let mut log = Log::in_a_file();
    log.tap.record(act("first"));
    log.ended().await;
    let records = log.records("audit.jsonl");
    let kinds: Vec<_> =
        records.iter().map(|r| (r["kind"].as_str(), r["outcome"].as_str())).collect();
    let process = |outcome| (Some("process"), Some(outcome));
    let mut wanted = [process("began"), (Some("admin"), Some("accepted")), process("ended")];
    // Which of the first two came first is up to the scheduler.
    if records[0]["kind"] == "admin" {
        wanted.swap(0, 1);
    }
    assert_eq!(kinds, wanted);
    for (place, record) in records.iter().enumerate() {
        assert_eq!((&record["log"], &record["v"]), (&"audit".into(), &1.into()));
        assert_eq!((&record["seq"], &record["pod"]), (&(place + 1).into(), &"farm-0".into()));
        let time = record["time"].as_str().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z') && time.contains('T'), "{time}");
    }
    let mode = fs::metadata(log.directory.path().join("audit.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!((log.shown.counts().written, log.shown.error()), (3, None));
}

#[tokio::test]
async fn a_file_is_begun_anew_before_it_is_too_large_and_so_many_are_kept() {
    let mut log = Log::in_a_file();
    let text = "x".repeat(190);
    for number in 0..200_u64 {
        log.tap.record(act(&text).count(number));
    }
    log.ended().await;
    let mut counts = Vec::new();
    for file in ["audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"] {
        let bytes = fs::metadata(log.directory.path().join(file)).unwrap().len();
        assert!(bytes <= 4096, "{file}: {bytes}");
        counts.extend(log.records(file).iter().filter_map(|record| record["count"].as_u64()));
    }
    assert_eq!(fs::read_dir(log.directory.path()).unwrap().count(), 3);
    assert!(counts.is_sorted() && counts.last() == Some(&199), "{counts:?}");
    assert_eq!(log.shown.counts().lost, 0);
}

#[tokio::test]
async fn who_renames_the_file_has_it_and_another_is_begun() {
    let mut log = Log::in_a_file();
    log.tap.record(act("before"));
    log.until("written", |log| log.shown.counts().written == 2).await;
    let path = |name: &str| log.directory.path().join(name);
    fs::rename(path("audit.jsonl"), path("taken")).unwrap();
    log.tap.record(act("after"));
    log.ended().await;
    let detail = |file: &str, at: usize| log.records(file)[at]["detail"].clone();
    assert_eq!((log.records("taken").len(), detail("audit.jsonl", 0)), (2, "after".into()));
}

#[tokio::test]
async fn what_a_killed_process_left_half_written_spoils_no_line() {
    let log = Log::at(|directory| {
        fs::write(directory.join("audit.jsonl"), "{\"half").unwrap();
        directory.join("audit.jsonl")
    });
    log.until("written", |log| log.shown.counts().written == 1).await;
    let text = fs::read_to_string(log.directory.path().join("audit.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "{\"half"));
}

#[tokio::test]
async fn a_full_disk_is_shown_and_nothing_that_waits_is_lost_when_there_is_room_again() {
    let log = Log::at(|directory| {
        std::os::unix::fs::symlink("/dev/full", directory.join("audit.jsonl")).unwrap();
        directory.join("audit.jsonl")
    });
    log.until("shown", |log| log.shown.error().is_some()).await;
    let error = log.shown.error().unwrap();
    assert!(error.contains("No space left"), "{error}");
    for number in 0..2_000 {
        log.tap.record(act("waits").count(number));
    }
    let counts = log.shown.counts();
    assert!(counts.lost > 0 && counts.queued == 1 + 1024, "bounded: {counts:?}");
    fs::remove_file(log.directory.path().join("audit.jsonl")).unwrap();
    log.until("written again", |log| log.shown.error().is_none()).await;
    log.until("all of them", |log| log.shown.counts().queued == 0).await;
    log.until("the loss is told", |log| {
        let records = log.records("audit.jsonl");
        let lost = records.iter().find(|record| record["kind"] == "lost");
        lost.is_some_and(|record| record["count"] == log.shown.counts().lost)
    })
    .await;
    // The first was in hand when there was no room, 1,024 waited, and the last says what was lost. A record can be
    // read before it is counted.
    log.until("counted", |log| log.shown.counts().written == 1 + 1024 + 1).await;
}

#[tokio::test]
async fn a_place_without_rights_or_a_directory_keeps_nobody_from_ending() {
    let mut log = Log::at(|directory| directory.join("none/audit.jsonl"));
    log.tap.record(act("x"));
    log.until("shown", |log| log.shown.error().is_some()).await;
    log.ended().await;
    assert_eq!(log.shown.counts().written, 0);
}
