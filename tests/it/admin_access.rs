//! Who is let in to the admin API of a running proxy, and where it listens.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use loka_proxy::args::ADMIN_API;
use loka_tests::process::{BY_DEFAULT, Process, run_to_end};
use loka_tests::rig::Pools;
use serde_json::json;
use tokio::net::TcpListener;

use super::admin_api::ask_as;

const TOKEN: &str = "0123456789abcdef-0123";

/// An address of this machine that is not loopback's, if it has one. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[tokio::test]
async fn nobody_is_let_in_but_by_loopback_or_the_token() {
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let files = [("token", TOKEN)];
    let by = ["--admin-api", "0.0.0.0:0", "--admin-token-file", "token"];
    let proxy = Process::start_given(&documents.text(), &files, &by).await;
    let local = SocketAddr::from(([127, 0, 0, 1], proxy.api().port()));
    let get = async |api, headers: &[(&str, &str)]| {
        ask_as(api, headers, "GET", "/v1/sessions", None).await
    };
    let (right, wrong) = (format!("Bearer {TOKEN}"), format!("Bearer {TOKEN}x"));
    assert_eq!(get(local, &[]).await.0, 200);
    assert_eq!(get(local, &[("Host", "localhost")]).await.0, 200);
    for (headers, reason) in [
        (&[("Host", "farm.example")][..], "foreign_host"),
        (&[("Host", "127.0.0.1.farm.example:80")], "foreign_host"),
        (&[("Host", "localhost"), ("Origin", "https://farm.example")], "foreign_origin"),
        (&[("Host", "localhost"), ("Sec-Fetch-Site", "cross-site")], "foreign_origin"),
    ] {
        let (code, said) = get(local, headers).await;
        assert!(code == 403 && said["remedy"].is_string(), "{code} {said}");
        assert_eq!(said["error"], format!("not let in: {reason}"));
    }
    // An act is no other: nothing is done.
    let host = [("Host", "farm.example")];
    let (code, _) = ask_as(local, &host, "POST", "/v1/drain", Some(json!({}))).await;
    assert_eq!(code, 403);
    assert!(proxy.status().await.get("draining").is_none());
    // No path tells a stranger whether it is there.
    assert_eq!(ask_as(local, &host, "GET", "/v1/no-such-path", None).await.0, 403);
    let name = [("Host", "farm.example"), ("Authorization", right.as_str())];
    assert_eq!(get(local, &name).await.0, 200, "the token is enough");

    let Some(own) = own_address() else {
        println!("not tested: this machine has no address but loopback");
        return;
    };
    let far = SocketAddr::new(own, proxy.api().port());
    let (code, said) = get(far, &[("Host", "localhost")]).await;
    assert_eq!((code, &said["error"]), (401, &"not let in: no_token".into()), "{said}");
    assert_eq!(get(far, &[("Authorization", &right)]).await.0, 200);
    let (code, said) = ask_as(
        far,
        &[("Authorization", &right)],
        "POST",
        "/v1/bans",
        Some(json!({"address": "192.0.2.9", "for": "1m"})),
    )
    .await;
    assert_eq!(code, 200, "{said}");
    let audit = proxy.logged("done by hand").await;
    assert_eq!((&audit["who"], &audit["from"]), (&"token".into(), &own.to_string().into()));
    fs::write(proxy.beside("token"), format!("{TOKEN}y")).expect("a file");
    assert_eq!(get(far, &[("Authorization", &right)]).await.0, 401, "it was replaced");
    for _ in 0..10 {
        get(far, &[("Authorization", &wrong)]).await;
    }
    let new = format!("Bearer {TOKEN}y");
    assert_eq!(get(far, &[("Authorization", &new)]).await.0, 429, "too many wrong ones");
    assert_eq!(get(local, &[]).await.0, 200, "whoever is on the machine is not kept out");
    let (_, metrics) = proxy.page("/metrics").await;
    let counted = "loka_admin_denied_total{reason=\"wrong_token\"} 5";
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
    let has_token = proxy.log().iter().any(|line| line.to_string().contains(TOKEN));
    assert!(!has_token, "the token is in the log");
    // Neither on the miners' port nor where the probes are.
    assert_eq!(proxy.page("/v1/sessions").await.0, 404);
}

#[tokio::test]
async fn off_loopback_without_a_token_file_nobody_is_let_in_and_a_short_token_does_not_start() {
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let proxy = Process::start_given(&documents.text(), &[], &["--admin-api", "0.0.0.0:0"]).await;
    if let Some(own) = own_address() {
        let far = SocketAddr::new(own, proxy.api().port());
        let token = format!("Bearer {TOKEN}");
        for headers in [&[][..], &[("Authorization", token.as_str())]] {
            let (code, said) = ask_as(far, headers, "GET", "/v1/sessions", None).await;
            assert_eq!(code, 403);
            assert!(
                said["remedy"].as_str().is_some_and(|it| it.contains("--admin-token-file")),
                "{said}"
            );
        }
    }
    fs::write(proxy.beside("token"), "short").expect("a file");
    let (file, token) = (proxy.file(), proxy.beside("token"));
    let arguments = [
        "run",
        "-f",
        file.to_str().expect("UTF-8"),
        "--admin",
        "127.0.0.1:0",
        "--admin-token-file",
        token.to_str().expect("UTF-8"),
    ];
    let ended = run_to_end(&arguments, &[]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(
        ended.text.contains("--admin-token-file") && ended.text.contains("openssl rand"),
        "{}",
        ended.text
    );
    assert!(!ended.text.contains("short"), "{}", ended.text);
}

#[tokio::test]
async fn an_address_that_is_asked_for_and_cannot_be_had_is_an_error() {
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("farm.yaml");
    fs::write(&file, documents.text()).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let arguments = ["run", "-f", file, "--admin", "127.0.0.1:0", "--admin-api", &address];
    let ended = run_to_end(&arguments, &[]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(
        ended.text.contains(&format!("--admin-api {address}: cannot listen")),
        "{}",
        ended.text
    );
}

#[tokio::test]
async fn where_somebody_else_has_the_default_address_the_proxy_mines_without_the_api() {
    let pools = Pools::start().await;
    // By us, or by whoever else has it.
    let _taken = TcpListener::bind(ADMIN_API).await;
    let proxy = Process::start_with(&pools.documents().await.text(), &[BY_DEFAULT]).await;
    let told = proxy.logged("running without the admin API").await;
    assert!(told["remedy"].as_str().is_some_and(|it| it.contains("--admin-api")), "{told}");
    proxy.active("alpha").await;
}
