//! Pools that mean harm, one row each (docs/hostile-peers.md): what they send, what becomes of their connection and within what time,
//! that miners go on on the next pool, that memory stays bounded, and that nobody knocks at them without end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use loka_tests::process::Process;
use loka_tests::rig::Pools;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::client::Client;

/// What the first pool of the document may take: short, so that rows that end by it end soon.
const TIMEOUTS: &str = "  timeouts: { connect: 1s, handshake: 1s, firstJob: 1s }\n";

/// From the start of the proxy until people are told. The longest row needs two timeouts of a second.
const TOLD_WITHIN: Duration = Duration::from_secs(15);

/// Resident memory of the proxy, in KiB: several times what it takes with nobody hostile, and a part of what is thrown at it.
const MEMORY_KIB_MAX: u64 = 96 * 1024;

/// Bytes that one connection has taken of a line without end: the limit is 256 KiB, the rest are buffers of the kernel.
const TAKEN_MAX: usize = 16 * 1024 * 1024;

/// Dials until people are told: they come after 0, 250, 500 ms and so on.
const DIALS_MAX: usize = 12;

/// How a pool means harm.
#[derive(Clone, Debug)]
enum Harm {
    /// Says this over and over, without listening.
    Floods(&'static [u8]),
    /// Answers the subscription so.
    Subscribes(&'static str),
    /// Lets in, and says this instead of a job.
    Says(String),
    /// Reads, and says nothing.
    Mute,
    /// Does not even read.
    Deaf,
    /// Closes when it hears this.
    LeavesAt(&'static str),
    /// Resets whoever comes.
    Resets,
}

/// What there is of it.
#[derive(Clone, Debug, Default)]
struct Seen {
    dials: Arc<AtomicUsize>,
    /// The most that a connection has taken of what was said to it.
    taken: Arc<AtomicUsize>,
}

async fn hostile(harm: Harm) -> (SocketAddr, Seen, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let seen = Seen::default();
    let (mut tasks, counted) = (JoinSet::new(), seen.clone());
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            counted.dials.fetch_add(1, Ordering::Relaxed);
            connections.spawn(one(stream, harm.clone(), counted.clone()));
        }
    });
    (address, seen, tasks)
}

/// One connection, to the end that the proxy makes of it; what it breaks on the way is the purpose.
async fn one(mut stream: TcpStream, harm: Harm, seen: Seen) {
    match &harm {
        Harm::Resets => {
            stream.set_zero_linger().ok();
            return;
        }
        Harm::Deaf => {
            // For as long as the test goes on.
            std::future::pending::<()>().await;
            return;
        }
        Harm::Floods(said) => {
            let said = said.repeat(64 * 1024 / said.len());
            let mut taken = 0;
            // A part that was not taken comes next: a line that is cut would be harm of another kind.
            while let Ok(count) = stream.write(&said[taken % said.len()..]).await {
                taken += count;
                seen.taken.fetch_max(taken, Ordering::Relaxed);
            }
            return;
        }
        Harm::Subscribes(_) | Harm::Says(_) | Harm::Mute | Harm::LeavesAt(_) => {}
    }
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let line: Value = serde_json::from_str(&line).expect("JSON");
        let method = line["method"].as_str().unwrap_or_default();
        let result = match (&harm, method) {
            (Harm::Mute, _) => continue,
            (Harm::LeavesAt(at), method) if *at == method => return,
            (Harm::Subscribes(result), "mining.subscribe") => {
                serde_json::from_str(result).expect("JSON")
            }
            (_, "mining.subscribe") => json!([[], "0a0b0c0d", 8]),
            (_, "mining.configure") => json!({}),
            _ => json!(true),
        };
        let mut answer =
            format!("{}\n", json!({"id": line["id"], "result": result, "error": null}));
        if let (Harm::Says(said), "mining.authorize") = (&harm, method) {
            answer.push_str(said);
        }
        if write.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A row: what the pool does, and one of these reasons for not mining on it.
async fn row(what: &str, harm: Harm, reasons: &[&str]) {
    let pools = Pools::start().await;
    let (address, seen, _tasks) = hostile(harm).await;
    let mut documents = pools.documents().await;
    documents.pools[0].address = address.to_string();
    documents.pools[0].spec = TIMEOUTS.to_owned();
    let start = Instant::now();
    let proxy = Process::start(&documents.text()).await;
    proxy.active("beta").await;
    let mut miner = Client::logged_in(documents.port).await;
    let told = proxy.logged("pool down").await;
    assert!(start.elapsed() < TOLD_WITHIN, "{what}: told after {:?}", start.elapsed());
    let reason = told["reason"].as_str().expect("a reason");
    assert!(told["pool"] == "alpha" && reasons.contains(&reason), "{what}: {told}");
    assert!(told["remedy"].is_string(), "{what}: {told}");
    let dials = seen.dials.load(Ordering::Relaxed);
    assert!((1..=DIALS_MAX).contains(&dials), "{what}: dialled {dials} times");
    let taken = seen.taken.load(Ordering::Relaxed);
    // What is worked off is no measure: it goes on until the time-out.
    assert!(reasons != ["misbehaved"] || taken < TAKEN_MAX, "{what}: {taken} bytes were taken");
    miner.notification("mining.notify").await;
    miner.assert_alive().await;
    let memory = resident_kib(&proxy);
    assert!(memory < MEMORY_KIB_MAX, "{what}: {memory} KiB");
    let log = format!("{:?}", proxy.log());
    assert!(!log.contains("\\u{1b}") && log.len() < 1 << 20, "{what}: it writes our log");
}

fn resident_kib(proxy: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.id())).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}

#[tokio::test]
async fn a_pool_that_does_harm_before_it_lets_us_in_is_left_for_the_next() {
    let misbehaved = &["misbehaved"][..];
    for (what, harm, reasons) in [
        ("a line without end", Harm::Floods(b"aaaaaaaa"), misbehaved),
        ("lines that are no Stratum", Harm::Floods(b"what is this\n"), misbehaved),
        ("noughts", Harm::Floods(&[0; 64]), misbehaved),
        (
            "answers that nobody has asked for, without end",
            Harm::Floods(b"{\"id\":987654321,\"result\":true,\"error\":null}\n"),
            misbehaved,
        ),
        ("silence", Harm::Mute, &["handshake_timeout"]),
        ("it does not read", Harm::Deaf, &["handshake_timeout"]),
        ("it leaves in the middle", Harm::LeavesAt("mining.subscribe"), &["disconnected"]),
        ("it resets everybody", Harm::Resets, &["disconnected", "connect_failed"]),
    ] {
        row(what, harm, reasons).await;
    }
}

#[tokio::test]
async fn a_pool_whose_terms_cannot_be_worked_with_is_left_for_the_next() {
    let e1_of_33 = r#"[[],"000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f00",4]"#;
    for (what, result) in [
        ("extranonce2 of 0 bytes", r#"[[],"00",0]"#),
        ("extranonce2 of 255 bytes", r#"[[],"00",255]"#),
        ("extranonce1 that is no hex", r#"[[],"zz",4]"#),
        ("extranonce1 of 33 bytes", e1_of_33),
        ("another type", r#"{"a":[[[[]]]]}"#),
        ("true", "true"),
    ] {
        row(what, Harm::Subscribes(result), &["misbehaved", "handshake_timeout"]).await;
    }
}

#[tokio::test]
async fn a_pool_that_says_harmful_things_instead_of_a_job_is_left_for_the_next() {
    let line = |method: &str, params: Value| {
        format!("{}\n", json!({"id": null, "method": method, "params": params}))
    };
    let notify = |coinb1: &str, branches: usize| {
        let branches = vec!["00".repeat(32); branches];
        let previous = "00".repeat(32);
        let params = json!([
            "1", previous, coinb1, "00", branches, "20000000", "1705ae3a", "6a000000", true
        ]);
        line("mining.notify", params)
    };
    let deep = format!("{{\"id\":7,\"result\":{}{}}}\n", "[".repeat(50_000), "]".repeat(50_000));
    let difficulties = ["0", "-5", "1e400", "\"NaN\"", "\"Infinity\""].map(|it| {
        format!("{{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[{it}]}}\n")
    });
    let twice = "{\"id\":3,\"result\":true,\"error\":null}\n".repeat(2_000);
    let no_job = &["first_job_timeout"][..];
    for (what, said, reasons) in [
        ("a job with 1,000 branches", notify("00", 1_000), no_job),
        ("a job with a coinbase of 64 KiB", notify(&"00".repeat(64 * 1024), 0), no_job),
        ("a job longer than a line", notify(&"00".repeat(1 << 20), 0), &["misbehaved"]),
        ("a job that is no hex", notify("zz", 1), no_job),
        ("deep JSON", deep, no_job),
        ("difficulties that are none", difficulties.concat(), no_job),
        ("the same answer 2,000 times", twice, no_job),
        (
            "another host to connect to",
            line("client.reconnect", json!(["evil.example", 3333, 0])),
            no_job,
        ),
        (
            "words for our log",
            line("client.show_message", json!([format!("\u{1b}[2J\r\n{}", "x".repeat(100_000))])),
            no_job,
        ),
        ("seventeen lines that are none", "nonsense\n".repeat(17), &["misbehaved"]),
    ] {
        row(what, Harm::Says(said), reasons).await;
    }
}
