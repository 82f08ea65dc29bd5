//! TLS towards pools: shares are credited over it and nothing of them is in the clear; what is not to be trusted is not mined
//! on, and is told; what it is trusted by changes without a miner noticing.

use loka_tests::books::{Books as _, MinerLinks};
use loka_tests::documents::Documents;
use loka_tests::process::{Process, eventually};
use loka_tests::rig::{Pools, miners};
use loka_tests::terminator::{Authority, Pair, Speech, Terminator};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::client::Client;

/// The host of all pools here.
const HOST: &str = "127.0.0.1";

/// The password of pool alpha.
const PASSWORD: &str = "hunter2-of-alpha";

/// A document of a Secret.
pub(crate) fn secret(name: &str, entries: &[(&str, &str)]) -> String {
    let mut text = format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: {name}, namespace: test }}\nstringData:\n"
    );
    for (key, value) in entries {
        let value = value.trim_end().replace('\n', "\n    ");
        text.push_str(&format!("  {key}: |\n    {value}\n"));
    }
    text
}

/// The authority of the pool's certificate, as the documents name it.
pub(crate) fn ca(authority: &Authority) -> String {
    secret("authority", &[("ca.crt", &authority.pem())])
}

/// What the proxy shows of itself.
fn ours(pair: &Pair) -> String {
    secret("us", &[("tls.crt", &pair.pem()), ("tls.key", &pair.key_pem())])
}

/// Documents with pool alpha behind a terminator and TLS terms of its own; pool beta is as it was.
async fn documents(pools: &Pools, terminator: &Terminator, tls: &str) -> Documents {
    let mut documents = pools.documents().await;
    let alpha = &mut documents.pools[0];
    alpha.address = terminator.address.to_string();
    alpha.scheme = "ssl";
    alpha.spec = format!("  passwordSecretRef: {{ name: login }}\n{tls}");
    documents
}

/// All documents in one text.
fn text(documents: &Documents, secrets: &[String]) -> String {
    let login = secret("login", &[("password", PASSWORD)]);
    format!("{}{login}{}", documents.text(), secrets.concat())
}

const BY_CA: &str = "  tls: { caSecretRef: { name: authority } }\n";

#[tokio::test]
async fn shares_over_tls_are_credited_and_nothing_of_them_is_in_the_clear() {
    let (pools, authority) = (Pools::start().await, Authority::new("a"));
    let speech = Speech::showing(&authority.issue(&[HOST]));
    let terminator = Terminator::start(pools.addresses[0], speech).await;
    let documents = documents(&pools, &terminator, BY_CA).await;
    let proxy = Process::start(&text(&documents, &[ca(&authority)])).await;
    let rack = miners(3, documents.port);
    eventually("alpha pays", || pools.accepted()[0] > 20).await;
    let last = rack.power_off().await;
    let ledger = proxy.quiet_ledger().await;
    ledger.assert_agrees_with_pool("alpha", &pools.pools[0].counts());
    let totals = loka_farm::miner::MinerStatus::totals(&last);
    ledger.assert_agrees_with_miners(&totals, MinerLinks::Whole);
    let wire = terminator.wire();
    assert_eq!(wire.first(), Some(&0x16), "the first byte of a handshake");
    assert!(wire.len() > 5_000, "{} bytes of jobs and shares", wire.len());
    for word in [PASSWORD, "acct", "farm", "mining.", "jsonrpc", "{\"id\"", "true"] {
        let found = wire.windows(word.len()).any(|bytes| bytes == word.as_bytes());
        assert!(!found, "{word:?} is on the wire in the clear");
    }
    let logged = format!("{:?}{}", proxy.log(), proxy.status().await);
    assert!(!logged.contains(PASSWORD));
}

/// A way of not being trusted.
struct Case {
    what: &'static str,
    speech: Speech,
    /// The terms of the document.
    tls: &'static str,
    secrets: Vec<String>,
    reason: &'static str,
    /// A part of the remedy.
    remedy: &'static str,
}

fn cases() -> Vec<Case> {
    let (right, wrong) = (Authority::new("right"), Authority::new("wrong"));
    let good = right.issue(&[HOST]);
    let with_ours =
        "  tls: { caSecretRef: { name: authority }, clientCertificateSecretRef: { name: us } }\n";
    let case = |what, speech, tls, reason, remedy| Case {
        what,
        speech,
        tls,
        secrets: vec![ca(&right), ours(&wrong.issue(&["us"]))],
        reason,
        remedy,
    };
    let showing = Speech::showing;
    let (asking, old) = (Speech::asking(&good, &[&right]), Speech::old(&good));
    let pin = "  tls: { pins: ['sha256:0affb0c10affb0c10affb0c10affb0c10affb0c10affb0c10affb0c10affb0c1'] }\n";
    let newer = "  tls: { caSecretRef: { name: authority }, minVersion: TLS1_3 }\n";
    let named = "  tls: { caSecretRef: { name: authority }, serverName: other.example.com }\n";
    let (ended, elsewhere) = (right.issue_ended(&[HOST]), right.issue(&["pool.example.com"]));
    vec![
        case("no public authority", showing(&good), "", "tls_authority", "spec.tls.caSecretRef"),
        case(
            "another authority",
            showing(&wrong.issue(&[HOST])),
            BY_CA,
            "tls_authority",
            "spec.tls.pins",
        ),
        case("over", showing(&ended), BY_CA, "tls_dates", "clock"),
        case("another name", showing(&elsewhere), BY_CA, "tls_name", "spec.tls.serverName"),
        case(
            "not the name that is asked for",
            showing(&good),
            named,
            "tls_name",
            "spec.tls.serverName",
        ),
        case("another pin", showing(&good), pin, "tls_pin", "spec.tls.pins"),
        case("an old version", old, newer, "tls_incompatible", "spec.tls.minVersion"),
        case(
            "it wants ours",
            asking.clone(),
            BY_CA,
            "tls_client_certificate",
            "clientCertificateSecretRef",
        ),
        case(
            "it wants another",
            asking,
            with_ours,
            "tls_client_certificate",
            "clientCertificateSecretRef",
        ),
    ]
}

#[tokio::test]
async fn what_is_not_to_be_trusted_is_not_mined_on_and_is_told_with_the_field() {
    for Case { what, speech, tls, secrets, reason, remedy } in cases() {
        let pools = Pools::start().await;
        let terminator = Terminator::start(pools.addresses[0], speech).await;
        let documents = documents(&pools, &terminator, tls).await;
        let proxy = Process::start(&text(&documents, &secrets)).await;
        assert_told(&proxy, reason, remedy, what).await;
        let mut miner = Client::logged_in(documents.port).await;
        miner.notification("mining.notify").await;
        let alpha = pools.pools[0].counts();
        assert_eq!((alpha.authorizations, alpha.received), (0, 0), "{what}: it has seen the login");
    }
}

/// Beta is mined on, and of alpha the log, the status and the metrics say why not.
async fn assert_told(proxy: &Process, reason: &str, remedy: &str, what: &str) {
    proxy.active("beta").await;
    let told = proxy.logged("pool down").await;
    assert_eq!(
        (&told["pool"], &told["reason"]),
        (&"alpha".into(), &reason.into()),
        "{what}: {told}"
    );
    let said = |field: &Value| field.as_str().is_some_and(|text| text.contains(remedy));
    assert!(said(&told["remedy"]), "{what}: {told}");
    let status = proxy.status().await;
    let pools = status["routes"][0]["pools"].as_array().expect("pools");
    let alpha = pools.iter().find(|pool| pool["name"] == "alpha").expect("alpha");
    assert!(said(&alpha["lastError"]), "{what}: {alpha:#}");
    assert!(alpha["lastError"].as_str().is_some_and(|text| text.starts_with(reason)), "{alpha:#}");
    let labels = format!("{{route=\"main\",pool=\"alpha\",reason=\"{reason}\"}}");
    let (_, page) = proxy.page("/metrics").await;
    assert!(page.contains(&format!("loka_pool_down_total{labels}")), "{what}: {page}");
}

#[tokio::test]
async fn tls_where_it_is_in_the_clear_and_the_other_way_round_is_told() {
    let (pools, authority) = (Pools::start().await, Authority::new("a"));
    let speech = Speech::showing(&authority.issue(&[HOST]));
    let terminator = Terminator::start(pools.addresses[0], speech).await;
    let mut wrong = documents(&pools, &terminator, "").await;
    wrong.pools[0].scheme = "tcp";
    let proxy = Process::start(&text(&wrong, &[])).await;
    assert_told(&proxy, "tls_only", "stratum+ssl://", "TLS on a plain port").await;
    drop(proxy);

    // Speaks first, as some pools do, and not TLS.
    let listener = TcpListener::bind((HOST, 0)).await.expect("a port");
    wrong.pools[0].address = listener.local_addr().expect("an address").to_string();
    wrong.pools[0].scheme = "tls";
    let mut plain = JoinSet::new();
    plain.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let greeting =
                b"{\"id\":null,\"method\":\"client.show_message\",\"params\":[\"hi\"]}\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, greeting).await.ok();
            stream.read_u8().await.ok();
        }
    });
    let proxy = Process::start(&text(&wrong, &[])).await;
    assert_told(&proxy, "tls_not_spoken", "stratum+tcp://", "plain on a TLS port").await;
    drop(proxy);
    plain.abort_all();

    // Takes the connection and says nothing.
    let listener = TcpListener::bind((HOST, 0)).await.expect("a port");
    wrong.pools[0].address = listener.local_addr().expect("an address").to_string();
    wrong.pools[0].spec.push_str("  timeouts: { connect: 300ms }\n");
    let proxy = Process::start(&text(&wrong, &[])).await;
    assert_told(&proxy, "tls_closed", "TLS port", "silence on a TLS port").await;
}

#[tokio::test]
async fn a_pin_stands_in_for_authority_name_and_dates_and_one_of_the_key_outlives_the_certificate()
{
    let (pools, pair) = (Pools::start().await, Pair::of_nobody());
    let terminator = Terminator::start(pools.addresses[0], Speech::showing(&pair)).await;
    let tls = format!("  tls: {{ pins: ['{}'] }}\n", pair.pin());
    let mut documents = documents(&pools, &terminator, &tls).await;
    let proxy = Process::start(&text(&documents, &[])).await;
    proxy.active("alpha").await;
    let mut miner = Client::logged_in(documents.port).await;
    let by_key = format!("  tls: {{ pins: ['{}'] }}\n", pair.key_pin());
    documents.pools[0].spec = documents.pools[0].spec.replace(&tls, &by_key);
    let before = pools.pools[0].counts().connections;
    proxy.apply(&text(&documents, &[])).await;
    eventually("connected anew", || pools.pools[0].counts().connections > before).await;
    eventually("the old one is left", || terminator.live() == 1).await;
    terminator.speak(Speech::showing(&pair.renewed()));
    pools.pools[0].control().drop_connections();
    let before = pools.pools[0].counts().authorizations;
    eventually("let in anew", || pools.pools[0].counts().authorizations > before).await;
    proxy.active("alpha").await;
    miner.assert_alive().await;
}

#[tokio::test]
async fn authorities_and_certificates_of_ours_change_with_the_new_connection_made_first() {
    let pools = Pools::start().await;
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let first = Speech::showing(&old.issue(&[HOST]));
    let terminator = Terminator::start(pools.addresses[0], first).await;
    let mut documents = documents(&pools, &terminator, BY_CA).await;
    let proxy = Process::start(&text(&documents, &[ca(&old)])).await;
    proxy.active("alpha").await;
    let rack = miners(2, documents.port);
    eventually("alpha pays", || pools.accepted()[0] > 5).await;
    let id = || pools.pools[0].connections().first().map(|view| view.id);

    // The pool has another authority from now on; who is connected stays so.
    terminator.speak(Speech::asking(&new.issue(&[HOST]), &[&new]));
    let before = id();
    let us = ours(&new.issue(&["us"]));
    documents.pools[0].spec = documents.pools[0].spec.replace(
        "name: authority }",
        "name: authority }, clientCertificateSecretRef: { name: us }",
    );
    proxy.apply(&text(&documents, &[ca(&new), us])).await;
    eventually("connected anew", || id().is_some_and(|id| Some(id) != before)).await;
    eventually("the old one is left", || terminator.live() == 1).await;

    // A new certificate of ours, nothing else.
    let before = id();
    proxy.apply(&text(&documents, &[ca(&new), ours(&new.issue(&["us"]))])).await;
    eventually("connected anew", || id().is_some_and(|id| Some(id) != before)).await;
    let paid = pools.accepted()[0];
    eventually("alpha pays on", || pools.accepted()[0] > paid + 5).await;
    let last = rack.power_off().await;
    assert_eq!(pools.accepted()[1], 0, "the work never left alpha");
    for miner in &last {
        assert_eq!(miner.counts.connects, 1, "{} reconnected", miner.profile);
    }
    let ledger = proxy.quiet_ledger().await;
    ledger.assert_agrees_with_pool("alpha", &pools.pools[0].counts());
}

#[tokio::test]
async fn an_authority_that_is_none_is_refused_live_and_the_last_good_one_stays() {
    let (pools, authority) = (Pools::start().await, Authority::new("a"));
    let speech = Speech::showing(&authority.issue(&[HOST]));
    let terminator = Terminator::start(pools.addresses[0], speech).await;
    let documents = documents(&pools, &terminator, BY_CA).await;
    let proxy = Process::start(&text(&documents, &[ca(&authority)])).await;
    proxy.active("alpha").await;
    proxy.write(&text(&documents, &[secret("authority", &[("ca.crt", "none")])]));
    let refused = proxy.logged("configuration refused").await;
    let problem = refused["problem"].as_str().expect("a problem");
    for word in ["StratumPool/alpha: spec.tls.caSecretRef: there is no certificate", "remedy: "] {
        assert!(problem.contains(word), "no {word:?} in {problem}");
    }
    assert_eq!(terminator.live(), 1);
}
