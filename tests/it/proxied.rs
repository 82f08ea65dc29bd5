//! Behind a load balancer that speaks the PROXY protocol: where a miner is from is what the header says, and a header counts
//! only where it may come from.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use loka_farm::miner::dial::Dial;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::client::Client;
use super::protection::{Site, assert_refused};

/// The load balancer is at 127.0.0.1, and so are the honest miners behind it.
const REQUIRED: &str =
    "      proxyProtocol: { mode: Required, from: [127.0.0.1/32, '2001:db8::/32'] }\n";

/// How version 2 begins.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A way to the listener by the load balancer.
#[derive(Clone, Debug)]
struct Balanced {
    port: u16,
    header: Vec<u8>,
}

// === impl Balanced ===

impl Balanced {
    fn new(port: u16) -> Self {
        Self { port, header: v1("198.51.100.1") }
    }

    async fn client(&self, header: &[u8]) -> Client {
        let way = Self { header: header.to_vec(), ..self.clone() };
        Client::over(way.dial().await.expect("the listener listens"))
    }
}

impl Dial for Balanced {
    type Stream = TcpStream;

    async fn dial(&self) -> io::Result<TcpStream> {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&self.header).await?;
        Ok(stream)
    }
}

fn v1(from: &str) -> Vec<u8> {
    format!("PROXY TCP4 {from} 10.0.0.1 40000 3333\r\n").into_bytes()
}

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let len = u16::try_from(block.len()).expect("short").to_be_bytes();
    [V2, &[command, family], &len, block].concat()
}

/// Of IPv6, with a TLV behind the addresses.
fn v2_ipv6(last: u8) -> Vec<u8> {
    let mut source = [0; 16];
    source[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb9]);
    source[15] = last;
    let tlv = [0x04, 0x00, 0x02, 0xca, 0xfe];
    v2(0x21, 0x21, &[&source[..], &[0; 16], &[0x9c, 0x40, 0x0d, 0x05], &tlv].concat())
}

async fn site(limits: &str) -> (Site, Balanced) {
    let site = Site::of(&format!("{REQUIRED}{limits}"), Balanced::new).await;
    let way = Balanced::new(site.port());
    (site, way)
}

/// Logs in, and waits until the log says where it is from.
async fn logged_in_from(site: &Site, client: Client, address: &str) -> Client {
    let skip = site.proxy.log().len();
    let client = client.log_in().await;
    let told = site.proxy.logged_after(skip, "miner subscribed and authorized").await;
    assert_eq!(told["peer"], address, "{told}");
    client
}

#[tokio::test]
async fn a_header_of_either_version_says_where_a_miner_is_from() {
    let (site, way) = site("").await;
    let ipv4 = [203, 0, 113, 9, 10, 0, 0, 1, 0x9c, 0x40, 0x0d, 0x05];
    for (header, address) in [
        (v1("203.0.113.7"), "203.0.113.7:40000"),
        (v2(0x21, 0x11, &ipv4), "203.0.113.9:40000"),
        (v2_ipv6(7), "[2001:db9::7]:40000"),
    ] {
        let client = way.client(&header).await;
        logged_in_from(&site, client, address).await.assert_alive().await;
    }
    // The load balancer for itself, and one that does not know: the connection's own address.
    for header in [v2(0x20, 0x00, &[]), v2(0x21, 0x00, &[]), b"PROXY UNKNOWN\r\n".to_vec()] {
        let client = way.client(&header).await;
        let own = client.local_addr().to_string();
        logged_in_from(&site, client, &own).await.assert_alive().await;
    }
    site.end().await;
}

#[tokio::test]
async fn limits_and_bans_are_for_the_address_in_the_header() {
    let limits = "      limits: { maxConnectionsPerAddress: 2, ban: { after: 2, for: 1h } }\n";
    let (site, way) = site(limits).await;
    let one = way.client(&v1("203.0.113.7")).await.log_in().await;
    let _two = way.client(&v1("203.0.113.7")).await.log_in().await;
    assert_refused(way.client(&v1("203.0.113.7")).await).await;
    site.refused("address_connections", 1).await;
    way.client(&v1("203.0.113.8")).await.log_in().await.assert_alive().await;
    drop(one);
    for _ in 0..2 {
        let mut hostile = way.client(&v1("203.0.113.66")).await;
        hostile.send("GET / HTTP/1.1\r\n\r\n").await;
        hostile.closed().await;
    }
    assert_eq!(site.proxy.logged("address banned").await["address"], "203.0.113.66");
    assert_refused(way.client(&v1("203.0.113.66")).await).await;
    site.refused("banned", 1).await;
    // By the load balancer, the others come as before.
    way.client(&v1("203.0.113.8")).await.log_in().await.assert_alive().await;
    site.end().await;
}

#[tokio::test]
async fn whoever_is_not_the_load_balancer_or_sends_no_header_is_closed_at_once() {
    let (site, way) = site("").await;
    let mut spoofer = Client::connect_from(2, site.port()).await;
    // It may be gone before it has said so much.
    spoofer.try_send(&v1("203.0.113.7")).await;
    assert_refused(spoofer).await;
    site.refused("proxy_untrusted", 1).await;
    let long = [b"PROXY UNKNOWN ", &[b'x'; 200][..], b"\r\n"].concat();
    let subscribe = b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n";
    for (header, reason, count) in [
        (&subscribe[..], "proxy_header_missing", 1),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\0", "proxy_header_missing", 2),
        (&long, "proxy_header_too_long", 1),
        (&v2(0x21, 0x11, &[0; 521]), "proxy_header_too_long", 2),
        (&v1("999.0.113.7"), "proxy_header_malformed", 1),
        (&v2(0x21, 0x11, &[1, 2, 3]), "proxy_header_malformed", 2),
    ] {
        assert_refused(way.client(header).await).await;
        site.refused(reason, count).await;
    }
    let before = Instant::now();
    let mut slow = way.client(b"PROXY TCP4 203.").await;
    assert_eq!(slow.closed().await, [0; 0]);
    assert!(before.elapsed() >= Duration::from_secs(3), "{:?}", before.elapsed());
    site.refused("proxy_header_late", 1).await;
    // Who looks whether the port is open is no event.
    drop(way.client(b"").await);
    site.has("miners", 2).await;
    site.refused("disconnected", 1).await;
    site.end().await;
}

#[tokio::test]
async fn a_load_balancer_that_comes_is_for_new_miners_only() {
    let mut site = Site::of("", |port| Balanced { port, header: Vec::new() }).await;
    let mut before = Client::connect_from(2, site.port()).await.log_in().await;
    site.documents.listener = REQUIRED.to_owned();
    site.proxy.apply(&site.documents.text()).await;
    before.assert_alive().await;
    assert_refused(Client::connect_from(2, site.port()).await).await;
    let way = Balanced::new(site.port());
    let client = way.client(&v1("203.0.113.7")).await;
    let mut behind = logged_in_from(&site, client, "203.0.113.7:40000").await;
    site.documents.listener = REQUIRED.replace("Required", "Forbidden");
    site.proxy.apply(&site.documents.text()).await;
    behind.assert_alive().await;
    before.assert_alive().await;
    Client::connect_from(2, site.port()).await.log_in().await.assert_alive().await;
    let mut with_header = way.client(&v1("203.0.113.7")).await;
    assert_eq!(with_header.closed().await, [0; 0]);
    site.end().await;
}
