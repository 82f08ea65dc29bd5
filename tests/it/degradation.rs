//! What goes on when something around the proxy is missing or full: each row of docs/degradation.md that needs a real kernel.
//! Two honest miners mine the whole time, on the connections that they had, and the books agree at the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use loka_farm::miner::rack::Rack;
use loka_farm::pool::PoolSettings;
use loka_tests::books::Books as _;
use loka_tests::documents::Documents;
use loka_tests::process::{PATIENCE, Process, eventually};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::audit::AuditLog;
use super::client::Client;
use loka_tests::rig::{Pools, alpha, beta, everybody_is_paid, miners, unix_now};

/// Idle connections that a test opens at most.
const CROWD_MAX: usize = 4_000;

/// A farm, and a proxy that lacks something.
struct Site {
    pools: Pools,
    documents: Documents,
    proxy: Process,
    rack: Rack,
}

// === impl Site ===

impl Site {
    async fn with(environment: &[(&str, &str)]) -> Self {
        let pools = Pools::start().await;
        let documents = pools.documents().await;
        let proxy = Process::start_with(&documents.text(), environment).await;
        Self::of(pools, documents, proxy).await
    }

    async fn of(pools: Pools, documents: Documents, proxy: Process) -> Self {
        proxy.active("alpha").await;
        let rack = miners(2, documents.port);
        let site = Self { pools, documents, proxy, rack };
        site.mines_on().await;
        site
    }

    /// Waits until the honest miners have been paid for some more shares.
    async fn mines_on(&self) {
        let wanted = self.pools.accepted()[0] + 3;
        eventually("alpha pays", || self.pools.accepted()[0] >= wanted).await;
    }

    /// Waits until `/status` is as `is_it` wants it.
    async fn says(&self, what: &str, is_it: impl Fn(&Value) -> bool) {
        let is_it = |page: &str| is_it(&serde_json::from_str(page).expect("a status"));
        self.proxy.says("/status", what, is_it).await;
    }

    /// Waits until a metric is at least this much.
    async fn counts(&self, series: &str, least: f64) {
        let is_it = |page: &str| value(page, series).is_some_and(|value| value >= least);
        self.proxy.says("/metrics", &format!("{series} {least}"), is_it).await;
    }

    /// It is in service all the same.
    async fn is_ready(&self) {
        assert_eq!(self.proxy.page("/readyz").await.0, 200);
    }

    /// The honest miners had no trouble, and the books agree.
    async fn end(self) {
        self.mines_on().await;
        everybody_is_paid(&self.rack).await;
        for miner in self.rack.power_off().await {
            assert_eq!(miner.counts.connects, 1, "{} had to reconnect", miner.profile);
        }
        let ledger = self.proxy.quiet_ledger().await;
        ledger.assert_agrees_with_pool("alpha", &self.pools.pools[0].counts());
    }

    /// Opens idle connections until one of them is refused for `reason`.
    async fn crowd(&self, reason: &str) -> Vec<TcpStream> {
        let series = format!("loka_miner_refused_total{{listener=\"v1\",reason=\"{reason}\"}}");
        let (mut crowd, port) = (Vec::new(), self.documents.port);
        while crowd.len() < CROWD_MAX {
            for _ in 0..50 {
                crowd.push(TcpStream::connect(("127.0.0.1", port)).await.expect("a port"));
            }
            let (_, page) = self.proxy.page("/metrics").await;
            if value(&page, &series).is_some_and(|refused| refused >= 1.0) {
                return crowd;
            }
        }
        panic!("{CROWD_MAX} came in: {:#}", self.proxy.status().await["room"]);
    }

    /// Somebody new is let in, within the time that leavers need to be seen.
    async fn admits(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let client = async {
                let mut client = Client::connect(self.documents.port).await;
                client
                    .try_send(b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n")
                    .await;
                client.next().await.ok().flatten().is_some()
            };
            if timeout(Duration::from_secs(5), client).await.unwrap_or(false) {
                return;
            }
            assert!(Instant::now() < deadline, "{:#}", self.proxy.status().await["room"]);
        }
    }

    /// Sets a limit of the running process.
    fn limit_descriptors(&self, soft: u64) {
        // Of the soft limit alone.
        let (id, limit) = (self.proxy.id().to_string(), format!("--nofile={soft}:"));
        let set = Command::new("prlimit").args(["--pid", &id, &limit]).status();
        assert!(set.expect("prlimit of util-linux").success());
    }
}

/// The value of a series in an exposition.
fn value(page: &str, series: &str) -> Option<f64> {
    let line = page.lines().find(|line| line.starts_with(series))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Bytes that the kernel says a process has.
fn resident(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
    let kib = line.split_whitespace().nth(1).expect("a number");
    kib.parse::<f64>().expect("a number") * 1024.0
}

/// A file system of its own that can be full.
struct Disk {
    directory: TempDir,
}

// === impl Disk ===

impl Disk {
    /// Of a mebibyte; none where this test may not mount any.
    fn small(test: &str) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "loka-test"]).arg(directory.path());
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self { directory });
        }
        println!("SKIPPED: {test}: no right to mount a file system; run as root");
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn fill(&self) {
        let whole = fs::write(self.path("ballast"), vec![0; 2 << 20]);
        assert_eq!(whole.expect_err("it is full").raw_os_error(), Some(28));
    }

    fn empty(&self) {
        fs::remove_file(self.path("ballast")).expect("the ballast");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.directory.path()).status().ok();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

#[tokio::test]
async fn a_full_disk_costs_no_share_and_the_ledger_is_kept_again_when_there_is_room() {
    let Some(disk) = Disk::small("a full disk for the ledger") else { return };
    let site = Site::with(&[("STRATUM_STATE_DIR", text(&disk.path("state")))]).await;
    site.says("a kept ledger", |status| status["ledger"].get("error").is_none()).await;
    disk.fill();
    site.says("that it is not", |status| status["ledger"]["error"].is_string()).await;
    let told = site.proxy.logged("cannot keep the ledger").await;
    assert!(told["error"].as_str().is_some_and(|text| text.contains("No space")), "{told}");
    site.counts("loka_ledger_keep_failures_total", 2.0).await;
    site.is_ready().await;
    site.mines_on().await;
    disk.empty();
    site.proxy.logged("the ledger is kept again").await;
    site.says("that it is", |status| status["ledger"].get("error").is_none()).await;
    site.end().await;
}

#[tokio::test]
async fn a_full_disk_for_the_audit_log_costs_no_share_and_no_record_that_there_is_room_for() {
    let Some(disk) = Disk::small("a full disk for the audit log") else { return };
    let log = AuditLog(disk.path("audit.jsonl"));
    let site = Site::with(&[("STRATUM_AUDIT", text(&log.0))]).await;
    eventually("logins are written", || log.text().contains("acct.rig1")).await;
    disk.fill();
    // More than what is left of the last page.
    for _ in 0..30 {
        drop(Client::logged_in(site.documents.port).await);
    }
    site.says("that it is not written", |status| status["audit"]["error"].is_string()).await;
    site.counts("loka_audit_failed", 1.0).await;
    site.counts("loka_audit_write_failures_total", 2.0).await;
    site.is_ready().await;
    site.mines_on().await;
    disk.empty();
    site.proxy.logged("the audit log is written again").await;
    site.says("nothing that waits", |status| status["audit"]["queued"] == 0).await;
    let records = log.records();
    for (place, record) in records.iter().enumerate() {
        assert_eq!(record["seq"], place + 1, "each whole, in order, and once");
    }
    let logins = records.iter().filter(|record| record["kind"] == "login").count();
    assert_eq!(logins, 32);
    site.end().await;
}

/// It takes connections and says nothing, and then it is gone.
#[tokio::test]
async fn a_collector_that_hangs_and_then_goes_costs_spans_and_nothing_else() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let mut collector = JoinSet::new();
    collector.spawn(async move {
        let mut taken = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            taken.push(stream);
        }
    });
    let site = Site::with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
        ("OTEL_TRACES_SAMPLER", "always_on"),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
    ])
    .await;
    site.mines_on().await;
    collector.shutdown().await;
    site.counts("loka_proxy_spans_exported_total{result=\"failed\"}", 1.0).await;
    site.is_ready().await;
    site.mines_on().await;
    site.end().await;
}

#[tokio::test]
async fn near_the_memory_budget_newcomers_are_refused_and_who_is_there_is_paid() {
    let resident = {
        let site = Site::with(&[]).await;
        site.says("what it has", |s| s["room"]["memory"]["residentBytes"] != 0).await;
        site.proxy.status().await["room"]["memory"]["residentBytes"].as_u64().expect("a number")
    };
    // Two mebibytes beyond what it has without a crowd: some hundred connections.
    let budget = ((resident + (2 << 20)) * 16 / 15).max(16 << 20).to_string();
    let site = Site::with(&[("STRATUM_MEMORY_BUDGET", &budget)]).await;
    site.says("a look", |s| s["room"]["memory"]["residentBytes"] != 0).await;
    let crowd = site.crowd("memory").await;
    site.says("why", |status| status["room"]["refusingFor"] == "memory").await;
    site.counts("loka_refusing{reason=\"memory\"}", 1.0).await;
    site.is_ready().await;
    site.mines_on().await;
    drop(crowd);
    site.says("room again", |status| status["room"].get("refusingFor").is_none()).await;
    site.admits().await;
    site.end().await;
}

#[tokio::test]
async fn near_the_limit_of_descriptors_newcomers_are_refused_and_pools_can_still_be_reached() {
    let site = Site::with(&[]).await;
    site.limit_descriptors(200);
    site.says("the limit", |status| status["room"]["descriptors"]["limit"] == 200).await;
    let crowd = site.crowd("descriptors").await;
    site.says("why", |status| status["room"]["refusingFor"] == "descriptors").await;
    site.is_ready().await;
    // A pool that is lost is had again, and a document is read.
    site.pools.pools[0].control().drop_connections();
    site.proxy
        .apply(&site.documents.text().replace("failback: { after: 1s }", "failback: { after: 2s }"))
        .await;
    site.proxy.active("alpha").await;
    site.mines_on().await;
    drop(crowd);
    site.admits().await;
    site.end().await;
}

/// A crowd that the limits of its address keep out takes no room from anybody, however fast it comes.
#[tokio::test]
async fn whoever_is_kept_out_by_a_limit_keeps_nobody_else_out_for_want_of_room() {
    const STRANGERS: u32 = 600;
    const LET_IN: u32 = 10;
    let pools = Pools::start().await;
    let listener = format!("      limits: {{ connectsPerMinutePerAddress: {LET_IN} }}\n");
    let documents = Documents { listener, ..pools.documents().await };
    let proxy = Process::start(&documents.text()).await;
    let site = Site::of(pools, documents, proxy).await;
    site.limit_descriptors(200);
    site.says("the limit", |status| status["room"]["descriptors"]["limit"] == 200).await;
    for _ in 0..STRANGERS {
        drop(Client::connect_from(9, site.documents.port).await);
    }
    let refused =
        |reason: &str| format!("loka_miner_refused_total{{listener=\"v1\",reason=\"{reason}\"}}");
    // A slow machine gives its address time for some more.
    site.counts(&refused("address_connects"), f64::from(STRANGERS - 2 * LET_IN)).await;
    let (_, page) = site.proxy.page("/metrics").await;
    assert_eq!(value(&page, &refused("descriptors")), None, "{page}");
    site.admits().await;
    site.end().await;
}

/// Below what is open already: nothing can be accepted at all.
#[tokio::test]
async fn where_nothing_can_be_accepted_the_listener_neither_spins_nor_ends() {
    let site = Site::with(&[]).await;
    site.limit_descriptors(5);
    let series = "loka_miner_accept_failures_total{listener=\"v1\"}";
    let waiting = TcpStream::connect(("127.0.0.1", site.documents.port)).await.expect("a backlog");
    let begun = Instant::now();
    // The admin server can accept nothing either: it is looked at afterwards.
    site.proxy.logged("cannot accept a miner").await;
    site.mines_on().await;
    site.mines_on().await;
    let lasted = begun.elapsed();
    site.limit_descriptors(1024);
    site.admits().await;
    let (_, page) = site.proxy.page("/metrics").await;
    let failures = value(&page, series).expect("counted");
    let most = 2.0 + lasted.as_secs_f64() * 11.0 + 10.0 * 5.0;
    assert!(failures >= 1.0 && failures <= most, "{failures} in {lasted:?}");
    drop(waiting);
    site.end().await;
}

/// What is accounted for a session, against what a process really grows by.
#[tokio::test]
async fn a_thousand_sessions_take_about_what_is_accounted_for_them() {
    const SESSIONS: u64 = 1_000;
    let site = Site::with(&[]).await;
    let memory = async || {
        let page = site.proxy.page("/metrics").await.1;
        let accounted = value(&page, "loka_memory_bytes{kind=\"sessions\"}").expect("a gauge");
        (resident(site.proxy.id()), accounted)
    };
    // Allocators, threads and tables have what they need once.
    let mut warm = Vec::new();
    for _ in 0..200 {
        warm.push(Client::logged_in(site.documents.port).await);
    }
    site.says("them", |status| status["listeners"][0]["miners"] == 202).await;
    let (resident_before, accounted_before) = memory().await;
    let (mut crowd, port) = (JoinSet::new(), site.documents.port);
    for _ in 0..SESSIONS {
        crowd.spawn(Client::logged_in(port));
    }
    let crowd = crowd.join_all().await;
    site.says("them", |status| status["listeners"][0]["miners"] == 202 + SESSIONS).await;
    let (resident_then, accounted_then) = memory().await;
    let grown = resident_then - resident_before;
    let accounted = accounted_then - accounted_before;
    let factor = grown / accounted;
    println!("{SESSIONS} sessions: {grown} bytes of {accounted} accounted, {factor:.2}");
    // ADR 0001: a page may be begun, and the allocator rounds; nothing may be left out that is as large as a session.
    assert!((0.5..=1.25).contains(&factor), "{grown} for {accounted}");
    assert_eq!(crowd.len() as u64 + 200, SESSIONS + warm.len() as u64);
    site.end().await;
}

/// Pools whose clocks are two hours away from ours, on either side: nTime is theirs, and nobody judges it by another clock.
#[tokio::test]
async fn pools_whose_clocks_are_wrong_are_mined_on_and_pay() {
    const AWAY: u32 = 2 * 3600;
    for (before, after) in [(AWAY, 0), (0, AWAY)] {
        let base_unix_time = unix_now() - before + after;
        let settings = [alpha(), beta()];
        let settings = settings.map(|pool| PoolSettings { base_unix_time, ..pool });
        let pools = Pools::of(settings).await;
        let documents = pools.documents().await;
        let proxy = Process::start(&documents.text()).await;
        Site::of(pools, documents, proxy).await.end().await;
    }
}

/// The system's own resolver, with a name server that swallows every question, and then answers.
#[tokio::test]
async fn a_name_server_that_says_nothing_costs_the_pool_that_it_names_and_no_other() {
    const SERVER: &str = "127.66.0.1:53";
    let Ok(server) = UdpSocket::bind(SERVER).await else {
        println!("SKIPPED: a name server that says nothing: no right to be one; run as root");
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let resolver = directory.path().join("resolv.conf");
    fs::write(&resolver, "nameserver 127.66.0.1\noptions timeout:1 attempts:1\n").expect("a file");
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    documents.pools[0].address = format!("pool.test:{}", pools.addresses[0].port());
    documents.pools[0].spec = "  timeouts: { connect: 1s }\n".to_owned();
    let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
    let by = ["unshare", "--mount", "sh", "-c", script, text(&resolver)];
    let path = [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")];
    let proxy = Process::start_through(&by, &documents.text(), &path).await;
    let rack = miners(2, documents.port);
    eventually("beta pays", || pools.accepted()[1] > 5).await;
    let down = proxy.logged("pool down").await;
    assert_eq!((&down["pool"], &down["action"]), (&"alpha".into(), &"retry".into()), "{down}");
    assert!(down["detail"].as_str().is_some_and(|text| text.contains("name")), "{down}");
    assert_eq!(proxy.page("/readyz").await.0, 200);
    let mut answers = JoinSet::new();
    answers.spawn(answer(server));
    proxy.active("alpha").await;
    let paid = pools.accepted()[0];
    eventually("alpha pays", || pools.accepted()[0] > paid + 3).await;
    for miner in rack.power_off().await {
        assert_eq!(miner.counts.connects, 1, "{} had to reconnect", miner.profile);
    }
    proxy.quiet_ledger().await.assert_agrees_with_pool("beta", &pools.pools[1].counts());
}

/// Every name stands for loopback.
async fn answer(server: UdpSocket) {
    let mut question = [0; 512];
    while let Ok((len, from)) = server.recv_from(&mut question).await {
        // Header, then one question: a name, its type and its class; what follows is an extension that need not be heeded.
        let name = question[12..len].iter().position(|byte| *byte == 0).expect("a name") + 13;
        let is_v4 = question[name..name + 2] == [0, 1];
        let mut reply = question[..2].to_vec();
        reply.extend([0x81, 0x80, 0, 1, 0, u8::from(is_v4), 0, 0, 0, 0]);
        reply.extend(&question[12..name + 4]);
        if is_v4 {
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
        }
        server.send_to(&reply, from).await.ok();
    }
}
