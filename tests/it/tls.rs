//! Miners over TLS: they mine like others, and neither a new certificate nor a wrong one closes anybody.

use std::net::SocketAddr;

use loka_farm::miner::dial::Dial;
use loka_farm::profile::Profile;
use loka_tests::books::{Books as _, MinerLinks};
use loka_tests::documents::Documents;
use loka_tests::process::{Process, eventually};
use rcgen::{CertificateParams, KeyPair};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::client::Client;
use super::tls_dial::{FROM_1_2, NAME, TlsDial};
use loka_tests::rig::{Pools, RATE, miners_by};

/// What the listener says of TLS.
pub(crate) const TLS: &str = "      tls: { secretRef: { name: miners } }\n";

/// A certificate of its own issuer.
pub(crate) struct Pair {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

// === impl Pair ===

impl Pair {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([NAME.to_owned()]).expect("a name");
        Self { certificate: params.self_signed(&key).expect("a certificate"), key }
    }

    /// A Secret with this certificate, and the key of `key`.
    fn secret(&self, key: &Self) -> String {
        let indented = |pem: &str| pem.trim_end().replace('\n', "\n    ");
        format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: miners, namespace: test }}\n\
             type: kubernetes.io/tls\nstringData:\n  tls.crt: |\n    {}\n  tls.key: |\n    {}\n",
            indented(&self.certificate.pem()),
            indented(&key.key.serialize_pem()),
        )
    }

    /// The documents of a listener that shows this certificate.
    pub(crate) fn shown_by(&self, documents: &Documents) -> String {
        format!("{}{}", documents.text(), self.secret(self))
    }

    fn is_shown_on(&self, stream: &TlsStream<TcpStream>) -> bool {
        let shown = stream.get_ref().1.peer_certificates().expect("a certificate");
        shown == [self.certificate.der().clone()]
    }
}

/// A miner that trusts these.
pub(crate) fn dial_of(port: u16, trusted: &[&Pair]) -> TlsDial {
    let trusted: String = trusted.iter().map(|pair| pair.certificate.pem()).collect();
    TlsDial::new(port, &trusted, FROM_1_2)
}

/// A farm whose listener speaks TLS.
async fn documents(pools: &Pools) -> Documents {
    Documents { listener: TLS.to_owned(), ..pools.documents().await }
}

/// Asserts that so many handshakes have failed for this reason.
async fn counted(proxy: &Process, reason: &str, count: u64) {
    let labels = format!("{{listener=\"v1\",reason=\"{reason}\"}}");
    let line = format!("loka_miner_tls_failed_total{labels} {count}");
    let (_, page) = proxy.page("/metrics").await;
    assert!(page.lines().any(|found| found == line), "no {line} in\n{page}");
}

#[tokio::test]
async fn every_firmware_mines_over_tls_through_a_failover_on_one_connection() {
    let (pools, pair) = (Pools::start().await, Pair::new());
    let documents = documents(&pools).await;
    let proxy = Process::start(&pair.shown_by(&documents)).await;
    let dial = dial_of(documents.port, &[&pair]);
    let rack =
        miners_by(&dial, Profile::all().len(), ([127, 0, 0, 1], documents.port).into(), RATE);
    eventually("alpha pays", || pools.accepted()[0] > 40).await;
    pools.pools[0].control().kill();
    proxy.active("beta").await;
    let before = pools.accepted()[1];
    eventually("beta pays", || pools.accepted()[1] > before + 40).await;
    let last = rack.power_off().await;
    let ledger = proxy.quiet_ledger().await;
    ledger.assert_agrees_with_pool("beta", &pools.pools[1].counts());
    let totals = loka_farm::miner::MinerStatus::totals(&last);
    ledger.assert_agrees_with_miners(&totals, MinerLinks::Whole);
    for miner in &last {
        assert_eq!(miner.traps, [], "{}", miner.profile);
        assert_eq!(miner.counts.connects, 1, "{} reconnected", miner.profile);
        assert!(miner.counts.accepted > 0, "{} found nothing", miner.profile);
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_miners_and_closes_none_of_the_old() {
    let pools = Pools::start().await;
    let (old, new) = (Pair::new(), Pair::new());
    let documents = documents(&pools).await;
    let proxy = Process::start(&old.shown_by(&documents)).await;
    let dial = dial_of(documents.port, &[&old, &new]);
    assert!(old.is_shown_on(&dial.dial().await.expect("TLS")));
    let mut before = dial.client().await;
    proxy.apply(&new.shown_by(&documents)).await;
    // The same dial: a session that it resumed would not have shown the new one.
    let stream = dial.dial().await.expect("TLS");
    assert!(new.is_shown_on(&stream), "the old one is shown still");
    Client::over(stream).log_in().await.assert_alive().await;
    before.assert_alive().await;
    before.notification("mining.notify").await;
}

#[tokio::test]
async fn tls_that_comes_or_goes_is_for_new_miners_only() {
    let (pools, pair) = (Pools::start().await, Pair::new());
    let mut documents = documents(&pools).await;
    let secret = pair.secret(&pair);
    let with_secret = |documents: &Documents| format!("{}{secret}", documents.text());
    documents.listener.clear();
    let proxy = Process::start(&with_secret(&documents)).await;
    let dial = dial_of(documents.port, &[&pair]);
    let mut plain = Client::logged_in(documents.port).await;
    TLS.clone_into(&mut documents.listener);
    proxy.apply(&with_secret(&documents)).await;
    let mut encrypted = dial.client().await;
    plain.assert_alive().await;
    documents.listener.clear();
    proxy.apply(&with_secret(&documents)).await;
    let mut again = Client::logged_in(documents.port).await;
    for client in [&mut plain, &mut again] {
        client.assert_alive().await;
    }
    encrypted.assert_alive().await;
}

#[tokio::test]
async fn a_miner_in_the_clear_is_closed_at_once_on_a_port_with_tls_and_told_in_the_log() {
    let (pools, pair) = (Pools::start().await, Pair::new());
    let documents = documents(&pools).await;
    let proxy = Process::start(&pair.shown_by(&documents)).await;
    let mut honest = dial_of(documents.port, &[&pair]).client().await;
    let mut plain = Client::connect(documents.port).await;
    plain.send("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n").await;
    assert_eq!(plain.closed().await, [0; 0]);
    let told = proxy.logged("no TLS with a miner").await;
    assert_eq!((&told["listener"], &told["reason"]), (&"v1".into(), &"not_tls".into()), "{told}");
    assert!(told["remedy"].as_str().is_some_and(|text| text.contains("stratum+ssl")), "{told}");
    counted(&proxy, "not_tls", 1).await;
    // One who does not trust the certificate is another matter.
    let stranger = dial_of(documents.port, &[]);
    assert!(stranger.dial().await.is_err());
    let skip = proxy.log().iter().position(|line| line == &told).map_or(0, |at| at + 1);
    let told = proxy.logged_after(skip, "no TLS with a miner").await;
    assert_eq!(told["reason"], "certificate_refused", "{told}");
    counted(&proxy, "certificate_refused", 1).await;
    honest.assert_alive().await;
}

#[tokio::test]
async fn a_tls_greeting_on_a_port_in_the_clear_is_closed_at_once() {
    let (pools, pair) = (Pools::start().await, Pair::new());
    let documents = pools.documents().await;
    let proxy = Process::start(&documents.text()).await;
    let dialled = dial_of(documents.port, &[&pair]).dial().await;
    assert!(dialled.is_err());
    assert_eq!(proxy.logged("miner gone").await["reason"], "tls_on_plain_port");
    Client::logged_in(documents.port).await.assert_alive().await;
}

#[tokio::test]
async fn a_handshake_of_tls_counts_among_those_under_way() {
    let (pools, pair) = (Pools::start().await, Pair::new());
    let mut documents = documents(&pools).await;
    documents.listener.push_str("      limits: { maxHandshakesPerAddress: 1 }\n");
    let proxy = Process::start(&pair.shown_by(&documents)).await;
    let dial = dial_of(documents.port, &[&pair]);
    let mut miner = dial.client().await;
    let mut half = Client::connect(documents.port).await;
    half.send("\u{16}\u{3}\u{1}").await;
    assert!(dial.dial().await.is_err(), "there is a handshake under way");
    let refused = proxy.logged("miner refused").await;
    assert_eq!(refused["reason"], "address_handshakes", "{refused}");
    drop(half);
    proxy.logged("gone before TLS").await;
    dial.client().await.assert_alive().await;
    miner.assert_alive().await;
}

/// First the load balancer's header in the clear, then TLS from end to end.
#[tokio::test]
async fn a_load_balancers_header_comes_before_tls() {
    let (pools, pair) = (Pools::start().await, Pair::new());
    let mut documents = documents(&pools).await;
    documents.listener.push_str("      proxyProtocol: { mode: Required, from: [127.0.0.1/32] }\n");
    let proxy = Process::start(&pair.shown_by(&documents)).await;
    let dial = dial_of(documents.port, &[&pair]);
    let address = SocketAddr::from(([127, 0, 0, 1], documents.port));
    let mut stream = TcpStream::connect(address).await.expect("a port");
    let header = b"PROXY TCP4 203.0.113.7 10.0.0.1 40000 3333\r\n";
    stream.write_all(header).await.expect("the proxy reads");
    let stream = dial.over(stream).await.expect("TLS");
    Client::over(stream).log_in().await.assert_alive().await;
    let told = proxy.logged("miner subscribed and authorized").await;
    assert_eq!(told["peer"], "203.0.113.7:40000", "{told}");
    assert!(dial.dial().await.is_err(), "TLS without a header");
    let refused = proxy.logged("miner refused").await;
    assert_eq!(refused["reason"], "proxy_header_missing", "{refused}");
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused_live_and_the_last_good_pair_stays() {
    let pools = Pools::start().await;
    let (good, other) = (Pair::new(), Pair::new());
    let documents = documents(&pools).await;
    let proxy = Process::start(&good.shown_by(&documents)).await;
    let dial = dial_of(documents.port, &[&good, &other]);
    let mut miner = dial.client().await;
    proxy.write(&format!("{}{}", documents.text(), other.secret(&good)));
    let refused = proxy.logged("configuration refused").await;
    let problem = refused["problem"].as_str().expect("a problem");
    for word in ["spec.listeners[0].tls.secretRef", "does not match", "remedy: "] {
        assert!(problem.contains(word), "no {word:?} in {problem}");
    }
    assert!(good.is_shown_on(&dial.dial().await.expect("TLS")));
    miner.assert_alive().await;
    let key = good.key.serialize_pem();
    let line = key.lines().nth(1).expect("a key in PEM");
    assert!(!format!("{:?}", proxy.log()).contains(line), "the log shows the key");
}
