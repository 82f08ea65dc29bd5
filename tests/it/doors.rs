//! Who is kept out of one listener, and who is not: by how many there are, for what was sent in the place of TLS, and by hand.

use loka_tests::process::{PATIENCE, Process, free_port};
use loka_tests::rig::Pools;
use loka_tests::terminator::Authority;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::admin_api::ask_as;
use super::client::Client;
use super::pool_tls::secret;
use super::protection::{Site, assert_refused};
use super::tls_dial::{FROM_1_2, NAME, TlsDial};

const HOSTILE: u8 = 2;
const ANOTHER: u8 = 3;

/// Begins like a handshake of TLS, with a message that TLS does not know.
const NONSENSE: [u8; 9] = [0x16, 3, 1, 0, 4, 0xff, 0xff, 0xff, 0xff];

#[tokio::test]
async fn there_are_as_many_miners_as_the_document_says_and_one_more_when_one_has_left() {
    // The two honest ones are among them.
    let site = Site::with("      limits: { maxConnections: 4 }\n").await;
    let mut third = Client::connect_from(HOSTILE, site.port()).await.log_in().await;
    let fourth = Client::connect_from(ANOTHER, site.port()).await.log_in().await;
    assert_refused(Client::connect_from(ANOTHER, site.port()).await).await;
    site.refused("connection_limit", 1).await;
    drop(fourth);
    site.has("miners", 3).await;
    let mut again = Client::connect_from(ANOTHER, site.port()).await.log_in().await;
    assert_refused(Client::connect_from(HOSTILE, site.port()).await).await;
    again.assert_alive().await;
    third.assert_alive().await;
    site.end().await;
}

#[tokio::test]
async fn who_sends_nonsense_in_the_place_of_tls_is_banned_and_miners_mine_on() {
    let (pools, authority) = (Pools::start().await, Authority::new("ours"));
    let pair = authority.issue(&[NAME]);
    let mut documents = pools.documents().await;
    documents.listener = "      tls: { secretRef: { name: miners } }\n      \
                          limits: { ban: { after: 3, for: 1h } }\n"
        .to_owned();
    let shown = secret("miners", &[("tls.crt", &pair.pem()), ("tls.key", &pair.key_pem())]);
    let proxy = Process::start(&format!("{}{shown}", documents.text())).await;
    let dial = TlsDial::new(documents.port, &authority.pem(), FROM_1_2);
    let mut miner = dial.client().await;
    for _ in 0..3 {
        send_nonsense(documents.port).await;
    }
    let counted = "loka_miner_tls_failed_total{listener=\"v1\",reason=\"malformed\"} 3";
    proxy.says("/metrics", counted, |page| page.lines().any(|line| line == counted)).await;
    assert_refused(Client::connect_from(HOSTILE, documents.port).await).await;
    let told = proxy.logged("address banned").await;
    assert_eq!((&told["address"], &told["reason"]), (&"127.0.0.2".into(), &"not_stratum".into()));
    dial.client().await.assert_alive().await;
    miner.assert_alive().await;
}

async fn send_nonsense(port: u16) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, HOSTILE], 0).into()).expect("an address");
    let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await.expect("a port");
    stream.write_all(&NONSENSE).await.expect("the proxy reads");
    let mut alert = Vec::new();
    // A reset is an end as well.
    timeout(PATIENCE, stream.read_to_end(&mut alert)).await.expect("closed").ok();
}

#[tokio::test]
async fn a_ban_by_hand_at_one_listener_keeps_nobody_out_of_another() {
    let port = free_port();
    let site = Site::with(&format!("    - {{ name: v2, port: {port} }}\n")).await;
    let mut here = Client::connect_from(HOSTILE, site.port()).await.log_in().await;
    let mut there = Client::connect_from(HOSTILE, port).await.log_in().await;
    let body = json!({"address": "127.0.0.2", "for": "1h", "listener": "v2"});
    let (code, said) = ask_as(site.proxy.api(), &[], "POST", "/v1/bans", Some(body)).await;
    assert_eq!(code, 200, "{said}");
    there.closed().await;
    assert_refused(Client::connect_from(HOSTILE, port).await).await;
    here.assert_alive().await;
    Client::connect_from(HOSTILE, site.port()).await.log_in().await.assert_alive().await;
    site.end().await;
}
