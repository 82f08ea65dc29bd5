//! TLS with miners where one of the two sides does not like the other: each has its outcome, and the others mine on. And what
//! somebody between them can read: nothing, where without TLS there is everything.

use std::net::SocketAddr;

use loka_farm::miner::dial::Dial;
use loka_tests::documents::Documents;
use loka_tests::process::{PATIENCE, Process, eventually};
use loka_tests::relay::Relay;
use loka_tests::rig::{Pools, RATE, miners_by};
use loka_tests::terminator::{Authority, Pair};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use super::client::Client;
use super::pool_tls::secret;
use super::tls_dial::{FROM_1_2, NAME, TlsDial};

/// A proxy whose listener shows a certificate.
struct Site {
    pools: Pools,
    documents: Documents,
    proxy: Process,
}

// === impl Site ===

impl Site {
    /// With these further fields of the listener's `tls`.
    async fn showing(pair: &Pair, further: &str) -> Self {
        let pools = Pools::start().await;
        let listener = format!("      tls: {{ secretRef: {{ name: miners }}{further} }}\n");
        let documents = Documents { listener, ..pools.documents().await };
        let proxy = Process::start(&with(&documents, pair)).await;
        Self { pools, documents, proxy }
    }

    fn port(&self) -> u16 {
        self.documents.port
    }

    /// The next failure of a handshake is logged with its reason and remedy, and counted.
    async fn told(&self, skip: usize, what: &str, reason: &str, remedy: &str) {
        let told = self.proxy.logged_after(skip, "no TLS with a miner").await;
        assert_eq!(told["reason"], reason, "{what}: {told}");
        let said = told["remedy"].as_str().is_some_and(|text| text.contains(remedy));
        assert!(said, "{what}: {told}");
        let line = format!("loka_miner_tls_failed_total{{listener=\"v1\",reason=\"{reason}\"}} ");
        self.proxy.says("/metrics", &line, |page| page.contains(&line)).await;
    }
}

fn with(documents: &Documents, pair: &Pair) -> String {
    let pair = secret("miners", &[("tls.crt", &pair.pem()), ("tls.key", &pair.key_pem())]);
    format!("{}{pair}", documents.text())
}

/// What a miner does not trust costs this miner alone, and is told; whoever does trust it mines on.
#[tokio::test]
async fn a_certificate_that_a_miner_does_not_trust_is_told_with_what_to_do() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let site = Site::showing(&ours.issue(&[NAME]), "").await;
    let dial = |authority: &Authority| TlsDial::new(site.port(), &authority.pem(), FROM_1_2);
    let mut honest = dial(&ours).client().await;
    let elsewhere = dial(&ours).to("other.test");
    for (what, dial) in [("of another authority", dial(&theirs)), ("for another name", elsewhere)] {
        let skip = site.proxy.log().len();
        assert!(dial.dial().await.is_err(), "{what}");
        site.told(skip, what, "certificate_refused", "trust").await;
    }
    // It ended years ago: shown all the same, since some miners do not look, and said by us at once.
    let skip = site.proxy.log().len();
    site.proxy.apply(&with(&site.documents, &ours.issue_ended(&[NAME]))).await;
    let ended = site.proxy.logged_after(skip, "the listener's certificate has ended").await;
    assert_eq!(ended["listener"], "v1", "{ended}");
    let skip = site.proxy.log().len();
    assert!(dial(&ours).dial().await.is_err(), "it is over");
    site.told(skip, "over", "certificate_refused", "trust").await;
    // A new one, from another authority: those who trust that are let in, and who was there has stayed.
    site.proxy.apply(&with(&site.documents, &theirs.issue(&[NAME]))).await;
    dial(&theirs).client().await.assert_alive().await;
    assert!(dial(&ours).dial().await.is_err(), "it is another's");
    honest.assert_alive().await;
    honest.notification("mining.notify").await;
}

/// A greeting that offers this version and nothing newer, as software of old writes it.
fn greeting_of(version: u8) -> Vec<u8> {
    let mut hello = vec![3, version];
    hello.extend([7; 32]); // random
    hello.push(0); // no session
    hello.extend([0, 4, 0x00, 0x2f, 0xc0, 0x13]); // two suites that all had
    hello.extend([1, 0]); // no compression
    let length = u8::try_from(hello.len()).expect("short");
    let mut handshake = vec![1, 0, 0, length];
    handshake.append(&mut hello);
    let length = u8::try_from(handshake.len()).expect("short");
    let mut record = vec![0x16, 3, 1, 0, length];
    record.append(&mut handshake);
    record
}

/// No version that is known to be weak is spoken, nor one below the listener's; the miner is told so in TLS's own words.
#[tokio::test]
async fn a_version_of_old_is_not_spoken_and_the_miner_is_told_why() {
    let authority = Authority::new("ours");
    let pair = authority.issue(&[NAME]);
    let site = Site::showing(&pair, "").await;
    for (what, version) in [("SSL 3.0", 0), ("TLS 1.0", 1), ("TLS 1.1", 2)] {
        let skip = site.proxy.log().len();
        let mut stream = TcpStream::connect(("127.0.0.1", site.port())).await.expect("a port");
        stream.write_all(&greeting_of(version)).await.expect("the proxy reads");
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("closed").ok();
        // An alert, fatal: protocol_version, or handshake_failure where what is offered is older than the alert.
        let alert = matches!(*answer, [0x15, 3, _, 0, 2, 2, 70 | 40]);
        assert!(alert, "{what}: {answer:?}");
        site.told(skip, what, "incompatible", "firmware").await;
    }
    let of_1_2 = |port| TlsDial::new(port, &authority.pem(), &[&TLS12]);
    let of_1_3 = |port| TlsDial::new(port, &authority.pem(), &[&TLS13]);
    of_1_2(site.port()).client().await.assert_alive().await;
    of_1_3(site.port()).client().await.assert_alive().await;
    let newer = Site::showing(&pair, ", minVersion: TLS1_3").await;
    assert!(of_1_2(newer.port()).dial().await.is_err());
    newer.told(0, "TLS 1.2", "incompatible", "spec.listeners[].tls.minVersion").await;
    of_1_3(newer.port()).client().await.assert_alive().await;
}

/// Somebody between strikes TLS 1.3 from what a miner offers: neither side goes on with less.
#[tokio::test]
async fn a_downgrade_on_the_way_is_noticed_and_nothing_is_said_over_it() {
    let authority = Authority::new("ours");
    let site = Site::showing(&authority.issue(&[NAME]), "").await;
    // supported_versions: from 1.3 and 1.2 to 1.2 and 1.2.
    let both = [0x00, 0x2b, 0x00, 0x05, 0x04, 0x03, 0x04, 0x03, 0x03];
    let lesser = [0x00, 0x2b, 0x00, 0x05, 0x04, 0x03, 0x03, 0x03, 0x03];
    let relay = Relay::replacing(site.port(), both.to_vec(), lesser.to_vec()).await;
    let dial = TlsDial::new(relay.port, &authority.pem(), FROM_1_2);
    let error = dial.dial().await.expect_err("it is noticed");
    assert!(relay.replaced() > 0, "nothing was struck: {error}");
    site.proxy.logged("no TLS with a miner").await;
    assert!(
        !site.proxy.log().iter().any(|line| line["message"] == "miner subscribed and authorized")
    );
    TlsDial::new(site.port(), &authority.pem(), FROM_1_2).client().await.assert_alive().await;
}

/// Words of a miner and of the proxy that somebody between must not read.
const WORDS: [&str; 7] =
    ["acct", "rig0", "marked-password", "mining.", "deadbeef", "{\"id\"", "result"];

/// Logs in by name and password, sends a share, and waits for its answer.
async fn say_everything<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(stream: S) {
    let mut client = Client::over(stream);
    client.call("mining.subscribe", json!(["it/1"])).await;
    client.call("mining.authorize", json!(["acct.rig0", "marked-password"])).await;
    let job = client.notification("mining.notify").await;
    let params = &job["params"];
    let share = json!(["acct.rig0", params[0], "00000000", params[7], "deadbeef"]);
    client.call("mining.submit", share).await;
}

fn found(wire: &[u8]) -> Vec<&'static str> {
    let is_there = |word: &&str| wire.windows(word.len()).any(|bytes| bytes == word.as_bytes());
    WORDS.into_iter().filter(is_there).collect()
}

/// All bytes of both directions are kept on the way: over TLS none of a name, a password or a share is among them, and the
/// same search finds each where there is no TLS.
#[tokio::test]
async fn who_is_between_a_miner_and_the_proxy_reads_nothing_over_tls() {
    let authority = Authority::new("ours");
    let mut site = Site::showing(&authority.issue(&[NAME]), "").await;
    let relay = Relay::to(site.port()).await;
    let dial = TlsDial::new(relay.port, &authority.pem(), FROM_1_2);
    say_everything(dial.dial().await.expect("TLS")).await;
    let before = site.pools.accepted()[0];
    let address = ([127, 0, 0, 1], relay.port).into();
    let rack = miners_by(&dial, 2, address, RATE);
    eventually("they are paid", || site.pools.accepted()[0] > before + 5).await;
    rack.power_off().await;
    let wire = relay.wire();
    assert_eq!(wire.first(), Some(&0x16), "the first byte of a handshake");
    assert!(wire.len() > 5_000, "{} bytes of jobs and shares", wire.len());
    assert_eq!(found(&wire), [""; 0], "in the clear");
    site.documents.listener.clear();
    site.proxy.apply(&site.documents.text()).await;
    let relay = Relay::to(site.port()).await;
    let address = SocketAddr::from(([127, 0, 0, 1], relay.port));
    say_everything(TcpStream::connect(address).await.expect("a port")).await;
    assert_eq!(found(&relay.wire()), WORDS, "the search finds what is there");
}
