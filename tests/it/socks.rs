//! Pools by way of a SOCKS5 server: it resolves their names, TLS goes through it, and its failures are told by what it says.

use std::net::SocketAddr;

use loka_tests::books::Books as _;
use loka_tests::documents::Documents;
use loka_tests::process::{Process, eventually, free_port};
use loka_tests::rig::{Pools, miners};
use loka_tests::socks::{Answer, Manners, SocksServer};
use loka_tests::terminator::{Authority, Speech, Terminator};
use tokio::net::TcpListener;

use super::client::Client;
use super::pool_tls::{ca, secret};

/// A name that no name server knows (RFC 2606): who resolves it is the SOCKS server alone.
const NAME: &str = "pool.invalid:3333";

const LOGIN: &str = "  proxy: { socks5: 'SOCKS', credentialsSecretRef: { name: socks } }\n";
const NO_LOGIN: &str = "  proxy: { socks5: 'SOCKS' }\n";

/// Documents with pool alpha by way of a SOCKS server.
async fn documents(pools: &Pools, socks: SocketAddr, proxy: &str) -> Documents {
    let mut documents = pools.documents().await;
    let alpha = &mut documents.pools[0];
    alpha.address = NAME.to_owned();
    alpha.spec = proxy.replace("SOCKS", &socks.to_string());
    documents
}

fn credentials(password: &str) -> String {
    secret("socks", &[("username", "us"), ("password", password)])
}

#[tokio::test]
async fn work_goes_by_way_of_a_socks_server_that_resolves_the_name_and_tls_goes_through() {
    let (pools, authority) = (Pools::start().await, Authority::new("a"));
    let speech = Speech::showing(&authority.issue(&["pool.invalid"]));
    let terminator = Terminator::start(pools.addresses[0], speech).await;
    let answer = Answer::Connected(terminator.address);
    let login = Some(("us", "hunter2-of-socks"));
    let socks = SocksServer::start(Manners { login, answer }).await;
    let mut documents = documents(&pools, socks.address, LOGIN).await;
    documents.pools[0].scheme = "ssl";
    documents.pools[0].spec.push_str("  tls: { caSecretRef: { name: authority } }\n");
    let secrets = format!("{}{}", ca(&authority), credentials("hunter2-of-socks"));
    let proxy = Process::start(&format!("{}{secrets}", documents.text())).await;
    let rack = miners(2, documents.port);
    eventually("alpha pays", || pools.accepted()[0] > 10).await;
    rack.power_off().await;
    let ledger = proxy.quiet_ledger().await;
    ledger.assert_agrees_with_pool("alpha", &pools.pools[0].counts());
    assert_eq!(socks.asked(), [NAME]);
    assert!(!format!("{:?}", proxy.log()).contains("hunter2"), "the log shows the password");
}

#[tokio::test]
async fn a_socks_server_that_changes_is_gone_by_first_and_the_old_one_left_then() {
    let pools = Pools::start().await;
    let manners = Manners { login: None, answer: Answer::Connected(pools.addresses[0]) };
    let (old, new) = (SocksServer::start(manners).await, SocksServer::start(manners).await);
    let mut text = documents(&pools, old.address, NO_LOGIN).await;
    let proxy = Process::start(&text.text()).await;
    proxy.active("alpha").await;
    let mut miner = Client::logged_in(text.port).await;
    text.pools[0].spec = NO_LOGIN.replace("SOCKS", &new.address.to_string());
    proxy.apply(&text.text()).await;
    eventually("by way of the new one", || new.asked() == [NAME]).await;
    eventually("the old one is left", || pools.pools[0].connections().len() == 1).await;
    proxy.active("alpha").await;
    miner.assert_alive().await;
    assert_eq!(pools.pools[1].counts().received, 0);
}

#[tokio::test]
async fn what_a_socks_server_does_not_do_is_told_with_what_it_says() {
    let cases = [
        (
            None,
            Answer::Refused(2),
            NO_LOGIN,
            "socks_refused",
            "do not allow the connection (reply 2)",
        ),
        (None, Answer::Refused(4), NO_LOGIN, "socks_refused", "name is not known (reply 4)"),
        (None, Answer::Refused(5), NO_LOGIN, "socks_refused", "refused the connection (reply 5)"),
        (None, Answer::Silence, NO_LOGIN, "socks_failed", "no answer of the SOCKS5 server within"),
        (Some(("us", "right")), Answer::Silence, LOGIN, "socks_login", "has refused the login"),
        (Some(("us", "right")), Answer::Silence, NO_LOGIN, "socks_login", "wants a login"),
    ];
    for (login, answer, document, reason, said) in cases {
        let pools = Pools::start().await;
        let socks = SocksServer::start(Manners { login, answer }).await;
        assert_told(&pools, socks.address, document, (reason, said)).await;
    }
    // Where nothing listens, and where somebody says nothing.
    let pools = Pools::start().await;
    let nobody = SocketAddr::from(([127, 0, 0, 1], free_port()));
    assert_told(&pools, nobody, NO_LOGIN, ("socks_failed", "the SOCKS5 server 127.0.0.1:")).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = listener.local_addr().expect("an address");
    assert_told(&pools, silent, NO_LOGIN, ("socks_failed", "no answer of the SOCKS5 server")).await;
}

async fn assert_told(
    pools: &Pools,
    socks: SocketAddr,
    document: &str,
    (reason, said): (&str, &str),
) {
    let mut text = documents(pools, socks, document).await;
    text.pools[0].spec.push_str("  timeouts: { connect: 500ms }\n");
    let proxy = Process::start(&format!("{}{}", text.text(), credentials("wrong"))).await;
    proxy.active("beta").await;
    let told = proxy.logged("pool down").await;
    assert_eq!((&told["pool"], &told["reason"]), (&"alpha".into(), &reason.into()), "{told}");
    assert!(told["detail"].as_str().is_some_and(|text| text.contains(said)), "{told}");
    assert!(
        told["remedy"]
            .as_str()
            .is_some_and(|text| text.contains("SOCKS") || text.contains("spec.proxy")),
        "{told}"
    );
    assert_eq!(pools.pools[0].counts().connections, 0);
}

#[tokio::test]
async fn the_allow_list_is_about_the_pool_and_not_about_who_leads_there() {
    let pools = Pools::start().await;
    let manners = Manners { login: None, answer: Answer::Connected(pools.addresses[0]) };
    let socks = SocksServer::start(manners).await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("allow-list.yaml");
    let beta = pools.addresses[1];
    let allow = |hosts: &[(&str, u16)]| {
        let entries: Vec<_> = hosts
            .iter()
            .map(|(host, port)| format!("- {{ host: {host}, port: {port}, accounts: [acct] }}\n"))
            .collect();
        std::fs::write(&file, format!("pools:\n{}", entries.concat())).expect("a file");
    };
    let known = ("127.0.0.1", beta.port());
    allow(&[known, ("pool.invalid", 3333)]);
    let text = documents(&pools, socks.address, NO_LOGIN).await;
    let path = file.to_str().expect("UTF-8");
    let proxy = Process::start_with(&text.text(), &[("STRATUM_ALLOW_LIST", path)]).await;
    proxy.active("alpha").await;
    let mut miner = Client::logged_in(text.port).await;
    // The SOCKS server is none of its business, and the pool's name is.
    allow(&[known, ("127.0.0.1", socks.address.port())]);
    proxy.active("beta").await;
    eventually("alpha is left", || pools.pools[0].connections().is_empty()).await;
    miner.assert_alive().await;
    let asked = socks.asked().len();
    proxy.logged("refused: not on the allow-list").await;
    assert_eq!(socks.asked().len(), asked, "nobody asks for it any more");
}
