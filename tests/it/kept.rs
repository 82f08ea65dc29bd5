//! A proxy that is killed, or told to end, and started again on the same `--state`.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use loka_farm::miner::MinerStatus;
use loka_farm::miner::rack::Rack;
use loka_farm::profile::Profile;
use loka_tests::books::{Books as _, MinerLinks};
use loka_tests::documents::Documents;
use loka_tests::process::{Process, eventually, run_to_end};
use serde_json::Value;
use tempfile::TempDir;

use loka_tests::rig::{DIFFICULTY, NAMES, Pools, miners};

/// Far more than the second between two writes: what a machine that does ten other things may need.
const WRITTEN_WITHIN: Duration = Duration::from_secs(8);

/// Pools, and a document by which every share is due: miners are asked for more than pools are.
async fn all_due() -> (Pools, Documents) {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    documents.spec = "  drain: { timeout: 8s }\n".to_owned();
    documents.difficulty = 2.0 * DIFFICULTY * 100.0;
    (pools, documents)
}

async fn start(documents: &Documents, state: &TempDir) -> Process {
    let state = state.path().to_str().expect("a path");
    Process::start_with(&documents.text(), &[("STRATUM_STATE_DIR", state)]).await
}

/// The sum of one count in the file.
fn kept(state: &Path, count: &str) -> u64 {
    let Ok(text) = fs::read_to_string(state.join("ledger.json")) else { return 0 };
    let ledger: Value = serde_json::from_str(&text).expect("a whole file at any moment");
    let rows = ledger["rows"].as_array().expect("rows");
    rows.iter().map(|row| row["counts"][count].as_u64().expect("a count")).sum()
}

fn acknowledged(rack: &Rack) -> u64 {
    rack.statuses().iter().map(|miner| miner.counts.accepted).sum()
}

#[tokio::test]
async fn after_a_sigkill_the_ledger_goes_on_from_its_last_write() {
    let state = tempfile::tempdir().expect("a directory");
    let (pools, documents) = all_due().await;
    // So that shares are on their way at any moment.
    pools.pools[0].control().answer_submits_late(Duration::from_millis(700));
    let proxy = start(&documents, &state).await;
    let rack = miners(Profile::all().len(), documents.port);
    eventually("alpha pays", || pools.accepted()[0] > 60).await;
    let seen = proxy.ledger().await.total;
    // A truth about the past, to hold the file against: who was told yes by when.
    let mut told = Vec::new();
    let beginning = SystemTime::now();
    eventually("a write later than what was seen, with shares on their way", || {
        told.push((SystemTime::now(), acknowledged(&rack)));
        let long_enough = beginning.elapsed().is_ok_and(|time| time > WRITTEN_WITHIN);
        let is_later = kept(state.path(), "received") >= seen.received;
        long_enough && is_later && kept(state.path(), "outstanding") > 0
    })
    .await;
    proxy.signal("KILL").await;
    let killed = SystemTime::now();
    assert_eq!(proxy.ended().await.0.code(), None);
    let last = rack.power_off().await;
    eventually("the pool has read everything", || pools.pools[0].connections().is_empty()).await;
    let of_file = |count: &str| kept(state.path(), count);
    let (outstanding, held) = (of_file("outstanding"), of_file("held"));

    let proxy = start(&documents, &state).await;
    let said = proxy.logged("the ledger goes on from a process that was killed").await;
    assert_eq!((&said["unanswered"], &said["lost"]), (&outstanding.into(), &held.into()));
    let ledger = proxy.ledger().await;
    ledger.assert_balanced();
    let total = &ledger.total;
    assert!(ledger.is_quiet(), "{total:?}");
    assert_eq!((total.received, total.due), (of_file("received"), of_file("due")));
    assert!(total.received >= seen.received && total.pool_accepted >= seen.pool_accepted);
    let killed_of = |reasons: &std::collections::BTreeMap<String, u64>| {
        reasons.get("killed").copied().unwrap_or_default()
    };
    assert_eq!((killed_of(&total.unanswered), killed_of(&total.lost)), (outstanding, held));
    let (_, metrics) = proxy.page("/metrics").await;
    let counted = metrics.lines().filter(|line| {
        line.starts_with("loka_shares_unanswered_total{") && line.contains("reason=\"killed\"")
    });
    let counted: u64 = counted.filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok()).sum();
    assert_eq!(counted, outstanding, "{metrics}");

    // What is missing was sent after the last write.
    let long_ago = killed - WRITTEN_WITHIN;
    let told = told.iter().rev().find(|(at, _)| *at <= long_ago).map(|(_, told)| *told);
    let told = told.expect("it was watched for long enough");
    let sent: u64 = last.iter().map(|miner| miner.counts.submitted).sum();
    let received: u64 = pools.pools.iter().map(|pool| pool.counts().received).sum();
    assert!(total.accepted >= told, "{told} acknowledged by then, {total:?}");
    assert!(received >= total.due - held, "{received} at the pools, {total:?}");
    let missing = received.saturating_sub(total.due);
    assert!(missing <= sent - told, "{missing} missing, {} sent since", sent - told);

    // The counts go on.
    pools.pools[0].control().answer_submits();
    let paid = total.pool_accepted;
    let rack = miners(3, documents.port);
    let before = pools.accepted()[0];
    eventually("alpha pays again", || pools.accepted()[0] > before + 5).await;
    rack.power_off().await;
    let after = proxy.quiet_ledger().await.total;
    assert!(after.pool_accepted > paid + 5, "{after:?}");
    assert_eq!(killed_of(&after.unanswered), outstanding);
}

#[tokio::test]
async fn after_a_sigterm_the_ledger_goes_on_exactly() {
    let state = tempfile::tempdir().expect("a directory");
    let (pools, documents) = all_due().await;
    let mut all: Vec<MinerStatus> = Vec::new();
    for life in 1..=2_u64 {
        let proxy = start(&documents, &state).await;
        let rack = miners(Profile::all().len(), documents.port);
        eventually("alpha pays", || pools.accepted()[0] > 40 * life).await;
        proxy.signal("TERM").await;
        let (status, log) = proxy.ended().await;
        assert_eq!(status.code(), Some(0), "{log:#?}");
        all.extend(rack.power_off().await);
        eventually("the pool has read everything", || pools.pools[0].connections().is_empty())
            .await;
    }
    let proxy = start(&documents, &state).await;
    proxy.logged("the ledger goes on from its last end").await;
    let ledger = proxy.ledger().await;
    ledger.assert_balanced();
    assert!(ledger.is_quiet(), "{:?}", ledger.total);
    for reasons in [&ledger.total.unanswered, &ledger.total.lost] {
        assert_eq!(reasons.get("killed"), None, "{:?}", ledger.total);
    }
    for (name, pool) in NAMES.iter().zip(&pools.pools) {
        ledger.assert_agrees_with_pool(name, &pool.counts());
    }
    ledger.assert_agrees_with_miners(&MinerStatus::totals(&all), MinerLinks::Cut);
    assert!(ledger.total.pool_accepted > 80, "{:?}", ledger.total);
    let status = proxy.status().await;
    assert!(status["ledger"]["begun"].as_u64() > Some(0), "{status:#}");
    assert_eq!(status["ledger"].get("error"), None, "{status:#}");
}

#[tokio::test]
async fn a_second_process_does_not_start_on_the_same_state() {
    let state = tempfile::tempdir().expect("a directory");
    let (_pools, documents) = all_due().await;
    let proxy = start(&documents, &state).await;
    let file = proxy.file();
    let directory = state.path().to_str().expect("a path");
    let file = file.to_str().expect("a path");
    let line = ["run", "-f", file, "--state", directory, "--admin", "127.0.0.1:0"];
    let ended = run_to_end(&line, &[]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(ended.text.contains("another stratum-proxy has it"), "{}", ended.text);
    assert_eq!(proxy.page("/livez").await.0, 200);
}
