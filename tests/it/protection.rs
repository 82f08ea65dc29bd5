//! Hostile visitors: each is refused, answered or closed in time and counted, and two honest miners mine on meanwhile, on the
//! connections that they had.

use std::time::Duration;

use loka_farm::miner::dial::{Dial, TcpDial};
use loka_farm::miner::rack::Rack;
use loka_tests::books::Books as _;
use loka_tests::documents::Documents;
use loka_tests::process::{PATIENCE, Process, eventually};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, interval, timeout};

use super::client::Client;
use loka_tests::rig::{Pools, RATE, everybody_is_paid, miners_by};

/// Where the hostile ones come from; the honest miners are at 127.0.0.1.
const HOSTILE: u8 = 2;
const ANOTHER: u8 = 3;

/// "At once", on a busy machine, and far from every timeout that a test waits for.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A proxy with two honest miners.
pub(crate) struct Site {
    pub(crate) pools: Pools,
    pub(crate) documents: Documents,
    pub(crate) proxy: Process,
    pub(crate) rack: Rack,
}

// === impl Site ===

impl Site {
    /// With these lines of the listener.
    pub(crate) async fn with(listener: &str) -> Self {
        Self::of(listener, |port| TcpDial { address: ([127, 0, 0, 1], port).into() }).await
    }

    /// Where the honest miners connect by a way of their own.
    pub(crate) async fn of<D: Dial>(listener: &str, dial: impl FnOnce(u16) -> D) -> Self {
        Self::made(listener, "", dial).await
    }

    /// With these further documents.
    pub(crate) async fn beside(listener: &str, further: &str) -> Self {
        Self::made(listener, further, |port| TcpDial { address: ([127, 0, 0, 1], port).into() })
            .await
    }

    async fn made<D: Dial>(listener: &str, further: &str, dial: impl FnOnce(u16) -> D) -> Self {
        let pools = Pools::start().await;
        let documents = Documents { listener: listener.to_owned(), ..pools.documents().await };
        let proxy = Process::start(&format!("{}{further}", documents.text())).await;
        proxy.active("alpha").await;
        let port = documents.port;
        let rack = miners_by(&dial(port), 2, ([127, 0, 0, 1], port).into(), RATE);
        let site = Self { pools, documents, proxy, rack };
        site.mines_on().await;
        site
    }

    pub(crate) fn port(&self) -> u16 {
        self.documents.port
    }

    /// Waits until the honest miners have been paid for some more shares.
    pub(crate) async fn mines_on(&self) {
        let before = self.pools.accepted()[0];
        eventually("the honest miners mine on", || self.pools.accepted()[0] >= before + 3).await;
    }

    /// Waits until a counter of the listener is this: an end may be seen before it is counted.
    pub(crate) async fn counted(&self, metric: &str, reason: &str, expected: u64) {
        let line = format!("{metric}_total{{listener=\"v1\",reason=\"{reason}\"}} {expected}");
        self.proxy.says("/metrics", &line, |page| page.lines().any(|it| it == line)).await;
    }

    /// Its documents as they are now, with these further ones.
    pub(crate) async fn apply(&self, further: &str) {
        self.proxy.apply(&format!("{}{further}", self.documents.text())).await;
    }

    /// So many newcomers were refused for this reason.
    pub(crate) async fn refused(&self, reason: &str, expected: u64) {
        self.counted("loka_miner_refused", reason, expected).await;
    }

    /// So many sessions ended for this reason.
    async fn closed(&self, reason: &str, expected: u64) {
        self.counted("loka_miner_closed", reason, expected).await;
    }

    /// Sends what no miner does, from an address, and waits for the end.
    async fn garbage(&self, host: u8) {
        let mut client = Client::connect_from(host, self.port()).await;
        client.send("GET / HTTP/1.1\r\nHost: farm\r\n\r\n").await;
        client.closed().await;
    }

    /// Waits until `/status` has this number at the listener.
    pub(crate) async fn has(&self, field: &str, count: u64) {
        let is_it = |page: &str| {
            let status: Value = serde_json::from_str(page).expect("a status");
            status["listeners"][0][field] == count
        };
        self.proxy.says("/status", &format!("{field} {count}"), is_it).await;
    }

    /// The honest miners had no trouble, and the books agree.
    pub(crate) async fn end(self) {
        self.mines_on().await;
        everybody_is_paid(&self.rack).await;
        for miner in self.rack.power_off().await {
            assert_eq!(miner.counts.connects, 1, "{} had to reconnect", miner.profile);
        }
        let ledger = self.proxy.quiet_ledger().await;
        ledger.assert_agrees_with_pool("alpha", &self.pools.pools[0].counts());
    }
}

/// Asserts that a connection is closed without a word, at once.
pub(crate) async fn assert_refused(mut client: Client) {
    let before = Instant::now();
    assert_eq!(client.closed().await, [0; 0]);
    assert!(before.elapsed() < AT_ONCE, "left waiting for {:?}", before.elapsed());
}

#[tokio::test]
async fn miners_of_one_address_are_bounded_and_the_bound_changes_live() {
    let limit = |max| format!("      limits: {{ maxConnectionsPerAddress: {max} }}\n");
    let mut site = Site::with(&limit(2)).await;
    let mut first = Client::connect_from(HOSTILE, site.port()).await.log_in().await;
    let second = Client::connect_from(HOSTILE, site.port()).await.log_in().await;
    assert_refused(Client::connect_from(HOSTILE, site.port()).await).await;
    site.refused("address_connections", 1).await;
    let told = site.proxy.logged("miner refused").await;
    assert!(told["remedy"].as_str().is_some_and(|text| text.contains("exempt")), "{told}");
    drop(Client::connect_from(ANOTHER, site.port()).await.log_in().await);
    site.has("miners", 4).await;
    drop(second);
    site.has("miners", 3).await;
    let mut again = Client::connect_from(HOSTILE, site.port()).await.log_in().await;
    site.documents.listener = limit(1);
    site.proxy.apply(&site.documents.text()).await;
    // Those who are in stay, however many they are.
    first.assert_alive().await;
    again.assert_alive().await;
    assert_refused(Client::connect_from(HOSTILE, site.port()).await).await;
    site.documents.listener =
        "      limits: { maxConnectionsPerAddress: 1, exempt: [127.0.0.2/32] }\n".to_owned();
    site.proxy.apply(&site.documents.text()).await;
    Client::connect_from(HOSTILE, site.port()).await.log_in().await.assert_alive().await;
    site.end().await;
}

#[tokio::test]
async fn one_address_connects_only_so_often() {
    // One token comes back in half a minute.
    let site = Site::with("      limits: { connectsPerMinutePerAddress: 2 }\n").await;
    for _ in 0..2 {
        drop(Client::connect_from(HOSTILE, site.port()).await.log_in().await);
    }
    for _ in 0..10 {
        assert_refused(Client::connect_from(HOSTILE, site.port()).await).await;
    }
    site.refused("address_connects", 10).await;
    Client::connect_from(ANOTHER, site.port()).await.log_in().await.assert_alive().await;
    site.end().await;
}

#[tokio::test]
async fn silent_connections_are_bounded_and_miners_do_not_count_among_them() {
    let limits = "maxHandshakes: 6, maxHandshakesPerAddress: 4, handshakeTimeout: 1m";
    let site = Site::with(&format!("      limits: {{ {limits} }}\n")).await;
    site.has("handshakes", 0).await;
    let mut miners = Vec::new();
    for _ in 0..8 {
        miners.push(Client::connect_from(HOSTILE, site.port()).await.log_in().await);
    }
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(Client::connect_from(HOSTILE, site.port()).await);
    }
    site.has("handshakes", 4).await;
    assert_refused(Client::connect_from(HOSTILE, site.port()).await).await;
    site.refused("address_handshakes", 1).await;
    for _ in 0..2 {
        silent.push(Client::connect_from(ANOTHER, site.port()).await);
    }
    site.has("handshakes", 6).await;
    assert_refused(Client::connect_from(ANOTHER, site.port()).await).await;
    site.refused("handshakes", 1).await;
    site.mines_on().await;
    silent.pop();
    site.has("handshakes", 5).await;
    Client::connect_from(ANOTHER, site.port()).await.log_in().await.assert_alive().await;
    site.end().await;
}

#[tokio::test]
async fn an_address_that_sends_garbage_is_banned_and_let_in_again_when_the_time_is_over() {
    let site = Site::with("      limits: { ban: { after: 3, for: 5s } }\n").await;
    for _ in 0..3 {
        site.garbage(HOSTILE).await;
    }
    let told = site.proxy.logged("address banned").await;
    assert_eq!((&told["address"], &told["reason"]), (&"127.0.0.2".into(), &"not_stratum".into()));
    site.has("bannedAddresses", 1).await;
    assert_refused(Client::connect_from(HOSTILE, site.port()).await).await;
    site.refused("banned", 1).await;
    site.counted("loka_miner_bans", "not_stratum", 1).await;
    drop(Client::connect_from(ANOTHER, site.port()).await.log_in().await);
    site.has("bannedAddresses", 0).await;
    Client::connect_from(HOSTILE, site.port()).await.log_in().await.assert_alive().await;
    let bans = site.proxy.log();
    let bans = bans.iter().filter(|line| line["message"] == "address banned").count();
    assert_eq!(bans, 1, "said once");
    site.end().await;
}

/// The honest miners' own address sends garbage: a whole farm may stand behind one.
#[tokio::test]
async fn where_honest_miners_are_the_address_is_not_banned() {
    let site = Site::with("      limits: { ban: { after: 1, for: 1h } }\n").await;
    for _ in 0..10 {
        site.garbage(1).await;
    }
    site.has("bannedAddresses", 0).await;
    Client::logged_in(site.port()).await.assert_alive().await;
    site.end().await;
}

#[tokio::test]
async fn shares_that_are_all_invalid_are_each_answered_and_then_their_address_is_banned() {
    let limits = "submitsPerSecond: 1000, submitBurst: 1000, ban: { after: 2, for: 1h }";
    let site = Site::with(&format!("      limits: {{ {limits} }}\n")).await;
    let mut client = Client::connect_from(HOSTILE, site.port()).await.log_in().await;
    for id in 1000..1400 {
        let params = json!(["acct.it", "no such job", "00000000", "00000000", "00000000"]);
        let line = json!({"id": id, "method": "mining.submit", "params": params});
        client.send(&format!("{line}\n")).await;
    }
    let said = client.closed().await;
    let answered = said.iter().filter(|line| line["error"][0] == 21).count();
    assert_eq!(answered, 400);
    site.closed("banned", 1).await;
    assert_eq!(site.proxy.logged("address banned").await["reason"], "invalid_shares");
    assert_refused(Client::connect_from(HOSTILE, site.port()).await).await;
    site.end().await;
}

#[tokio::test]
async fn who_has_the_wrong_port_is_closed_at_once_and_told_in_the_log_what_to_do() {
    let site = Site::with("      limits: { handshakeTimeout: 1m }\n").await;
    for (bytes, reason, remedy) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], "tls_on_plain_port", "stratum+tcp"),
        (b"GET /metrics HTTP/1.1\r\nHost: farm\r\n\r\n", "http", "admin address"),
        (b"POST / HTTP/1.1\r\n", "http", "admin address"),
        (b"PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n", "proxy_header_forbidden", "Required"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", "proxy_header_forbidden", "Required"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "not_stratum", "scans"),
    ] {
        let (skip, before) = (site.proxy.log().len(), Instant::now());
        let mut stream = TcpStream::connect(("127.0.0.1", site.port())).await.expect("a port");
        stream.write_all(bytes).await.expect("the proxy reads");
        let mut answer = Vec::new();
        // A reset is an end as well.
        timeout(AT_ONCE, stream.read_to_end(&mut answer)).await.expect("closed at once").ok();
        assert!(before.elapsed() < AT_ONCE && answer.is_empty(), "{reason}: {answer:?}");
        let told = site.proxy.logged_after(skip, "miner gone").await;
        assert_eq!(told["reason"], reason, "{told}");
        assert!(told["remedy"].as_str().is_some_and(|text| text.contains(remedy)), "{told}");
    }
    site.closed("http", 2).await;
    site.end().await;
}

/// One byte at a time, and never a whole handshake.
#[tokio::test]
async fn a_handshake_that_trickles_in_is_closed_by_the_handshake_timeout_in_total() {
    let site = Site::with("      limits: { handshakeTimeout: 2s }\n").await;
    let mut stream = TcpStream::connect(("127.0.0.1", site.port())).await.expect("a port");
    let before = Instant::now();
    let line = b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"";
    let bytes = line.iter().copied().chain(std::iter::repeat(b'x'));
    let mut pace = interval(Duration::from_millis(20));
    for byte in bytes {
        pace.tick().await;
        if stream.write_all(&[byte]).await.is_err() {
            break;
        }
        assert!(before.elapsed() < PATIENCE, "it may go on for ever");
    }
    assert!(before.elapsed() >= Duration::from_secs(2), "{:?}", before.elapsed());
    site.closed("handshake_timeout", 1).await;
    site.end().await;
}

/// A slow writer that is a miner is served.
#[tokio::test]
async fn a_miner_that_writes_single_bytes_is_served() {
    let site = Site::with("").await;
    let mut client = Client::connect_from(HOSTILE, site.port()).await;
    for line in [
        "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n",
        "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"acct.slow\",\"x\"]}\n",
    ] {
        for byte in line.chars() {
            client.send(&byte.to_string()).await;
        }
    }
    client.notification("mining.notify").await;
    site.end().await;
}

#[tokio::test]
async fn a_miner_that_does_not_read_is_closed_when_its_queue_is_full() {
    let limits = "submitsPerSecond: 10000, submitBurst: 100000";
    let site = Site::with(&format!("      limits: {{ {limits} }}\n")).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut stream = socket.connect(([127, 0, 0, 1], site.port()).into()).await.expect("a port");
    let id = "x".repeat(200);
    let line = format!("{{\"id\":\"{id}\",\"method\":\"no.such\",\"params\":[]}}\n");
    let flood = async { while stream.write_all(line.as_bytes()).await.is_ok() {} };
    timeout(PATIENCE, flood).await.expect("closed");
    site.closed("slow_reader", 1).await;
    site.end().await;
}

#[tokio::test]
async fn a_line_without_end_is_closed_at_its_limit() {
    let site = Site::with("").await;
    let mut stream = TcpStream::connect(("127.0.0.1", site.port())).await.expect("a port");
    let chunk = [b'{'; 65_536];
    let mut sent = 0_u64;
    // 100 MB, of which a fraction is taken.
    while sent < 100_000_000 && stream.write_all(&chunk).await.is_ok() {
        sent += chunk.len() as u64;
    }
    assert!(sent < 100_000_000, "all of it was read");
    site.closed("line_too_long", 1).await;
    site.end().await;
}

/// Ends in the middle of a handshake, resets by the hundred, and silence: each gives its place back.
#[tokio::test]
async fn storms_of_resets_and_of_silence_leave_nothing_behind() {
    let site = Site::with("      limits: { handshakeTimeout: 3s }\n").await;
    let mut silent = Vec::new();
    for number in 0..300 {
        let mut client = Client::connect_from(HOSTILE, site.port()).await;
        match number % 3 {
            0 => silent.push(client),
            1 => client.send("{\"id\":1,\"method\":\"mining.subscribe\",\"par").await,
            _ => {
                client.send("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n").await;
                // With its answer unread, closing is a reset.
                client.reset();
            }
        }
    }
    site.mines_on().await;
    site.has("miners", 2).await;
    site.has("handshakes", 0).await;
    site.closed("handshake_timeout", 100).await;
    drop(silent);
    site.end().await;
}
