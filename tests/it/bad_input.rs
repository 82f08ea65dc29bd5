//! Bad input: an error that names the field or the peer, the value and the remedy; what can go on, goes on.

use loka_farm::pool::{Accounts, PoolSettings};
use loka_tests::books::Books as _;
use loka_tests::process::{Process, run_to_end};
use serde_json::json;
use tempfile::TempDir;

use super::client::Client;
use loka_tests::rig::{Pools, alpha, beta};

/// Runs `check` and `run` on a document; both must refuse it with all of `words`.
async fn assert_refused(document: &str, code: i32, words: &[&str]) {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("farm.yaml");
    std::fs::write(&file, document).expect("a file");
    let file = file.to_str().expect("a plain path");
    for command in ["check", "run"] {
        let ended = run_to_end(&[command, "-f", file], &[]).await;
        assert_eq!(ended.code, Some(code), "{command}: {}", ended.text);
        for word in words {
            assert!(ended.text.contains(word), "{command} does not say {word:?}: {}", ended.text);
        }
    }
}

#[tokio::test]
async fn documents_that_are_wrong_are_refused_with_place_value_and_remedy() {
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let good = documents.text();
    let cases: &[(&str, &str, &[&str])] = &[
        ("port: ", "port: [", &["farm.yaml"]),
        ("failback:", "failbak:", &["spec.routes[0].failbak", "failback"]),
        ("stratum+tcp://", "http://", &["spec.endpoints[0].url", "stratum+tcp://"]),
        ("account: acct", "account: \"\"", &["spec.account"]),
        ("poolRef: { name: alpha }", "poolRef: { name: alhpa }", &["alhpa", "alpha"]),
        ("failback: { after: 1s }", "failback: { after: soon }", &["failback.after", "soon"]),
    ];
    for (from, to, words) in cases {
        let wrong = good.replacen(from, to, 1);
        assert_ne!(wrong, good, "{from}");
        assert_refused(&wrong, 1, words).await;
    }
}

#[tokio::test]
async fn a_missing_secret_names_every_place_where_it_was_looked_for() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    documents.pools[0].spec = "  passwordSecretRef: { name: creds }\n".to_owned();
    let words = ["creds", "password", "STRATUM_SECRET_CREDS_PASSWORD"];
    assert_refused(&documents.text(), 1, &words).await;
}

#[tokio::test]
async fn a_missing_file_is_wrong_usage() {
    let ended = run_to_end(&["run", "-f", "no-such-file.yaml"], &[]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.text);
    assert!(ended.text.contains("no-such-file.yaml"), "{}", ended.text);
}

#[tokio::test]
async fn a_port_in_use_names_the_listener_the_address_and_the_remedy() {
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let _holder = tokio::net::TcpListener::bind(("127.0.0.1", documents.port)).await.unwrap();
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("farm.yaml");
    std::fs::write(&file, documents.text()).unwrap();
    let arguments =
        ["run", "--bind", "127.0.0.1", "--admin", "127.0.0.1:0", "-f", file.to_str().unwrap()];
    let ended = run_to_end(&arguments, &[]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    let field = "spec.listeners[0].port";
    for word in [field, "listener v1", &format!("127.0.0.1:{}", documents.port), "ss -ltnp"] {
        assert_eq!(ended.text.matches(word).count(), 1, "{word:?} in {}", ended.text);
    }
    assert!(!ended.text.contains("configuration applied"), "{}", ended.text);
    assert!(pools.pools.iter().all(|pool| pool.counts().connections == 0), "nobody is dialled");
}

#[tokio::test]
async fn a_pool_that_refuses_the_login_is_named_and_the_next_one_is_mined_on() {
    let first = PoolSettings { accounts: Accounts::Only(vec!["nobody".to_owned()]), ..alpha() };
    let pools = Pools::of([first, beta()]).await;
    let documents = pools.documents().await;
    let proxy = Process::start(&documents.text()).await;
    proxy.active("beta").await;
    let refused = proxy.logged("pool refused the login").await;
    assert_eq!(refused["pool"], "alpha", "{refused}");
    assert_eq!(refused["user"], "acct.farm", "{refused}");
    assert!(refused["remedy"].is_string(), "{refused}");
    Client::logged_in(documents.port).await.notification("mining.notify").await;
}

#[tokio::test]
async fn a_miner_that_sends_garbage_is_let_go_and_the_others_go_on() {
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let proxy = Process::start(&documents.text()).await;
    proxy.active("alpha").await;
    let mut honest = Client::logged_in(documents.port).await;
    let long = format!("{{\"id\":1,\"method\":\"{}\"}}\n", "x".repeat(100_000));
    let deep = format!("{}\n", "[".repeat(10_000));
    let tls = "\u{16}\u{3}\u{1}\n";
    let nonsense = "{\"id\": }\n".repeat(200);
    let garbage = [long.as_str(), "GET / HTTP/1.1\r\n\r\n", tls, &nonsense];
    for bytes in garbage {
        let mut hostile = Client::connect(documents.port).await;
        hostile.send(bytes).await;
        hostile.closed().await;
        honest.assert_alive().await;
    }
    let mut hostile = Client::connect(documents.port).await;
    hostile.send(&deep).await;
    let odd = json!([1, 2, 3]).to_string() + "\n";
    hostile.send(&odd).await;
    honest.assert_alive().await;
    let submit = json!(["acct.it", "no such job", "0000", "00000000", "00000000"]);
    assert_eq!(honest.call("mining.submit", submit).await["error"][0], 21);
    let ledger = proxy.ledger().await;
    ledger.assert_balanced();
    assert_eq!(ledger.total.received, 1, "{:?}", ledger.total);
}
