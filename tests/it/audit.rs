//! The audit log of the shipped program: who did what, who is paid, and nobody's secrets.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use loka_farm::miner::rack::Rack;
use loka_farm::pool::ReconnectTo;
use loka_tests::documents::Documents;
use loka_tests::process::{Process, eventually};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::client::Client;
use loka_tests::rig::{Pools, miners};

/// In every place that a secret can be given in.
const MARK: &str = "MARKED-SECRET";

/// A proxy with an audit log.
pub(crate) struct Audited {
    pub(crate) proxy: Process,
    pub(crate) log: AuditLog,
}

/// The files of an audit log.
pub(crate) struct AuditLog(pub(crate) PathBuf);

// === impl Audited ===

impl Audited {
    pub(crate) async fn start(documents: &Documents, directory: &Path) -> Self {
        let path = directory.join("audit.jsonl");
        let text = path.to_str().expect("a path");
        let environment = [("STRATUM_AUDIT", text), ("POD_NAME", "farm-0")];
        let proxy = Process::start_with(&documents.text(), &environment).await;
        Self { proxy, log: AuditLog(path) }
    }
}

// === impl AuditLog ===

impl AuditLog {
    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.0).unwrap_or_default()
    }

    pub(crate) fn records(&self) -> Vec<Value> {
        let text = self.text();
        // The last line may be on its way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Waits for a record of this kind and outcome for which `is_it` holds.
    pub(crate) async fn has(
        &self,
        kind: &str,
        outcome: &str,
        is_it: impl Fn(&Value) -> bool,
    ) -> Value {
        let of_it = |record: &Value| {
            record["kind"] == kind && record["outcome"] == outcome && is_it(record)
        };
        eventually(&format!("{kind} {outcome}"), || self.records().iter().any(of_it)).await;
        self.records().into_iter().find(|record| of_it(record)).expect("it was there")
    }
}

fn any(_: &Value) -> bool {
    true
}

/// Documents with a mark in every password.
async fn marked(pools: &Pools) -> Documents {
    let mut documents = pools.documents().await;
    let secret = format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: pool, namespace: test }}\n\
         stringData: {{ password: {MARK} }}\n"
    );
    for pool in &mut documents.pools {
        pool.spec = "  passwordSecretRef: { name: pool }\n".to_owned();
    }
    documents.pools[1].spec += &secret;
    documents.listener = "      limits: { ban: { after: 1, for: 1h } }\n".to_owned();
    documents.spec = "  drain: { timeout: 5s }\n".to_owned();
    documents
}

async fn hostile(port: u16) {
    let mut client = Client::connect_from(2, port).await;
    client.send("GET / HTTP/1.1\r\nHost: farm\r\n\r\n").await;
    client.closed().await;
}

#[tokio::test]
async fn who_logs_in_who_is_paid_and_what_was_decided_is_written_down_in_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let pools = Pools::start().await;
    let mut documents = marked(&pools).await;
    let Audited { proxy, log } = Audited::start(&documents, directory.path()).await;
    let paid = |account: &str| {
        let mut paid = pools.addresses.map(|address| format!("{account} at {address}"));
        paid.sort();
        serde_json::to_value(paid).expect("JSON")
    };
    let applied = log.has("config", "applied", any).await;
    assert_eq!(applied["change"]["paid"], paid("acct"), "{applied}");
    assert!(applied["hash"].is_string() && applied["from"].is_string(), "{applied}");
    let rack = miners(2, documents.port);
    let login = log.has("login", "accepted", |login| login["worker"] == "acct.rig1").await;
    assert_eq!((&login["listener"], &login["pod"]), (&"v1".into(), &"farm-0".into()), "{login}");
    assert!(login["address"].as_str().is_some_and(|at| at.starts_with("127.0.0.1:")), "{login}");

    for pool in &mut documents.pools {
        pool.account = "mallory".to_owned();
    }
    proxy.apply(&documents.text()).await;
    let applied = log.has("config", "applied", |it| it["change"]["paid"] == paid("mallory")).await;
    let change = &applied["change"];
    assert_eq!(change["paidBefore"], paid("acct"), "{applied}");
    assert_eq!(change["pools"]["changed"], serde_json::json!(["main/alpha", "main/beta"]));
    let good = documents.text();
    proxy.write(&good.replace("poolRef: { name: beta }", "poolRef: { name: nobody }"));
    let refused = log.has("config", "refused", any).await;
    assert!(refused["problems"][0].as_str().is_some_and(|it| it.contains("nobody")), "{refused}");
    proxy.write(&good);

    pools.pools[0].control().inject(
        b"{\"id\":null,\"method\":\"client.reconnect\",\"params\":[\"evil.example\",3333,0]}\n",
    );
    let asked = log.has("pool_redirect", "refused", any).await;
    assert_eq!((&asked["pool"], &asked["route"]), (&"alpha".into(), &"main".into()), "{asked}");
    assert!(asked["to"].as_str().is_some_and(|to| to.contains("evil.example")), "{asked}");
    pools.pools[0].control().reconnect(&ReconnectTo::Same);
    log.has("pool_redirect", "accepted", |asked| asked["pool"] == "alpha").await;

    hostile(documents.port).await;
    log.has("ban", "began", |ban| ban["reason"] == "not_stratum").await;
    hostile(documents.port).await;
    log.has("refusal", "refused", |refused| refused["reason"] == "banned").await;

    ends(proxy, rack, &log).await;
}

/// Told to end; then the whole log is looked at.
async fn ends(proxy: Process, rack: Rack, log: &AuditLog) {
    let counted = proxy.status().await;
    assert_eq!(counted["audit"]["lost"], 0, "{counted:#}");
    proxy.signal("TERM").await;
    assert_eq!(proxy.ended().await.0.code(), Some(0));
    rack.power_off().await;
    let records = log.records();
    for (place, record) in records.iter().enumerate() {
        assert_eq!(record["seq"], place + 1, "nothing is missing: {record}");
        assert_eq!((&record["log"], &record["v"]), (&"audit".into(), &1.into()), "{record}");
        let time = record["time"].as_str().expect("a time");
        assert!(time.ends_with('Z') && time.contains('T'), "{time}");
    }
    let has = |kind: &str, outcome: &str| {
        records.iter().any(|record| record["kind"] == kind && record["outcome"] == outcome)
    };
    for (kind, outcome) in [
        ("process", "began"),
        ("listener", "opened"),
        ("pool_login", "accepted"),
        ("route", "moved"),
        ("drain", "began"),
        ("drain", "ended"),
        ("listener", "closed"),
    ] {
        assert!(has(kind, outcome), "no {kind} {outcome} in {records:#?}");
    }
    assert_eq!(records.last().map(|last| &last["outcome"]), Some(&"ended".into()));
    let text = log.text();
    assert!(!text.contains(MARK), "a secret: {text}");
    let mode = fs::metadata(&log.0).expect("the log").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// As after a power cut, and far more than the log takes one by one.
#[tokio::test]
async fn a_storm_of_logins_is_written_in_part_and_counted_whole() {
    const MINERS: u64 = 2_000;
    let directory = tempfile::tempdir().expect("a directory");
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let Audited { proxy, log } = Audited::start(&documents, directory.path()).await;
    proxy.active("alpha").await;
    let (mut storm, port) = (JoinSet::new(), documents.port);
    for _ in 0..MINERS {
        storm.spawn(async move { Client::logged_in(port).await });
    }
    let held = storm.join_all().await;
    let sum = || {
        let mut sums = BTreeMap::<&str, u64>::new();
        for record in log.records() {
            if record["kind"] == "login" {
                *sums.entry("login").or_default() += 1;
            } else if record["kind"] == "summary" && record["reason"] == "login" {
                *sums.entry("summary").or_default() += record["count"].as_u64().expect("a count");
            }
        }
        sums
    };
    eventually("every login is told of", || sum().values().sum::<u64>() == MINERS).await;
    let sums = sum();
    assert!(sums.contains_key("summary"), "a crowd, in seconds: {sums:?}");
    assert_eq!(held.len() as u64, MINERS);
    let status = proxy.status().await;
    assert_eq!(
        (&status["audit"]["lost"], &status["audit"]["summarised"]),
        (&0.into(), &sums["summary"].into())
    );
}

#[tokio::test]
async fn a_file_that_is_renamed_is_begun_anew_and_no_record_is_between_the_two() {
    let directory: TempDir = tempfile::tempdir().expect("a directory");
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let Audited { proxy, log } = Audited::start(&documents, directory.path()).await;
    log.has("pool_login", "accepted", any).await;
    let taken = AuditLog(directory.path().join("taken"));
    fs::rename(&log.0, &taken.0).expect("a rename");
    drop(Client::logged_in(documents.port).await);
    log.has("login", "accepted", any).await;
    proxy.signal("TERM").await;
    assert_eq!(proxy.ended().await.0.code(), Some(0));
    let all = [taken.records(), log.records()].concat();
    let numbers: Vec<u64> = all.iter().filter_map(|record| record["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=all.len() as u64).collect::<Vec<_>>());
    assert!(all.len() > 5, "{all:#?}");
}
