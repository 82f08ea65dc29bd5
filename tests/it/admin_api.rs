//! The admin API of a running proxy, and `stratum-proxy ctl`: what is seen, what is done, and who is not let in. Honest miners
//! go on beside each act.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use loka_tests::books::Books as _;
use loka_tests::documents::Documents;
use loka_tests::process::{PATIENCE, Process, eventually, free_port};
use loka_tests::rig::Pools;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, timeout};

use super::client::Client;
use super::protection::{Site, assert_refused};

const HOSTILE: u8 = 2;
const ANOTHER: u8 = 3;

/// Asks as whoever says these headers; loopback is asked by its name unless they say another.
pub(crate) async fn ask_as(
    api: SocketAddr,
    headers: &[(&str, &str)],
    method: &str,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let mut stream = TcpStream::connect(api).await.expect("the API listens");
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        head.push_str(&format!("Host: {api}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    if !body.is_empty() {
        let length = body.len();
        head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time").expect("text");
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("HTTP");
    let (_, text) = answer.split_once("\r\n\r\n").expect("a body");
    (code, serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
}

async fn see(proxy: &Process, path: &str) -> Value {
    let (code, answer) = ask_as(proxy.api(), &[], "GET", path, None).await;
    assert_eq!(code, 200, "{path}: {answer}");
    answer
}

async fn done(proxy: &Process, method: &str, path: &str, body: Option<Value>) -> String {
    let (code, answer) = ask_as(proxy.api(), &[], method, path, body).await;
    assert_eq!(code, 200, "{method} {path}: {answer}");
    answer["done"].as_str().expect("what was done").to_owned()
}

async fn not_done(proxy: &Process, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
    let (code, answer) = ask_as(proxy.api(), &[], method, path, body).await;
    assert!(code >= 400, "{method} {path}: {answer}");
    let said =
        |field: &str| answer[field].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    (code, format!("{}; {}", said("error"), said("remedy")))
}

/// Waits until what is seen at a path is as it should be.
async fn sees(proxy: &Process, path: &str, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    let mut pace = interval(Duration::from_millis(20));
    loop {
        let seen = see(proxy, path).await;
        if is_it(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "{path} does not say {what}: {seen:#}");
        pace.tick().await;
    }
}

/// The number of the session of a connection.
async fn id_of(proxy: &Process, client: &Client) -> u64 {
    let address = client.local_addr().to_string();
    let page = see(proxy, "/v1/sessions").await;
    let sessions = page["sessions"].as_array().expect("sessions");
    let own = sessions.iter().find(|session| session["address"] == *address);
    own.and_then(|session| session["id"].as_u64()).unwrap_or_else(|| panic!("{address}: {page}"))
}

/// How often the audit was told of an act, with this result.
fn audited(proxy: &Process, kind: &str, on: &str, result: &str) -> usize {
    let log = proxy.log();
    let is_it = |line: &&Value| {
        line["target"] == "audit"
            && line["act"] == kind
            && line["on"] == on
            && line["result"] == result
            && line["who"] == "loopback"
            && line["from"] == "127.0.0.1"
    };
    log.iter().filter(is_it).count()
}

/// Waits until it was: the log is read behind the answer.
async fn was_audited(proxy: &Process, kind: &str, on: &str, result: &str) {
    let what = format!("the audit has {kind} of {on}: {result}");
    eventually(&what, || audited(proxy, kind, on, result) > 0).await;
}

#[tokio::test]
async fn sessions_are_shown_with_what_they_do_by_filter_and_in_pages() {
    let site = Site::with("").await;
    let mut client = Client::connect_from(HOSTILE, site.port()).await.log_in().await;
    let id = id_of(&site.proxy, &client).await;
    let page = sees(&site.proxy, "/v1/sessions", "all at work", |page| {
        let sessions = page["sessions"].as_array().expect("sessions");
        let is_paid = |of: &Value| {
            of["shares"]["due"].as_u64() > Some(0) && of["hashrate"].as_f64() > Some(0.0)
        };
        page["total"] == 3 && sessions.iter().filter(|of| is_paid(of)).count() == 2
    })
    .await;
    let sessions = page["sessions"].as_array().expect("sessions");
    let rig = sessions.iter().find(|session| session["worker"] == "acct.rig0").expect("a miner");
    for (field, value) in [("listener", "v1"), ("route", "main"), ("pool", "alpha")] {
        assert_eq!(rig[field], value, "{rig}");
    }
    assert!(rig["userAgent"].is_string() && rig["lastShare"].as_u64() >= rig["since"].as_u64());
    assert!(rig["difficulty"].as_f64() > Some(0.0), "{rig}");

    let one = see(&site.proxy, &format!("/v1/sessions/{id}")).await;
    assert_eq!((&one["worker"], &one["userAgent"]), (&"acct.it".into(), &"it/1".into()), "{one}");
    assert_eq!(one["shares"]["accepted"], 0);
    let count = async |filter: &str| {
        see(&site.proxy, &format!("/v1/sessions?{filter}")).await["total"].clone()
    };
    assert_eq!(count("address=127.0.0.2").await, 1);
    assert_eq!(count("address=127.0.0.1&listener=v1").await, 2);
    assert_eq!(count("worker=acct.it").await, 1);
    assert_eq!(count("listener=v2").await, 0);

    let mut after = 0;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let page = see(&site.proxy, &format!("/v1/sessions?limit=1&after={after}")).await;
        after = page["sessions"][0]["id"].as_u64().expect("one");
        seen.push(after);
        assert_eq!(page["next"].as_u64(), (seen.len() < 3).then_some(after));
    }
    assert!(seen.is_sorted() && seen.len() == 3, "{seen:?}");

    let worker = see(&site.proxy, "/v1/workers/acct.rig1").await;
    assert_eq!(worker["connections"].as_array().map(Vec::len), Some(1));
    assert!(worker["shares"]["accepted"].as_u64() > Some(0), "{worker}");
    let (code, said) = not_done(&site.proxy, "GET", "/v1/workers/acct.rig9", None).await;
    assert!(code == 404 && said.contains("no worker acct.rig9"), "{code} {said}");
    let (code, said) = not_done(&site.proxy, "GET", "/v1/sessions?wroker=x", None).await;
    assert!(code == 422 && said.contains("wroker"), "{code} {said}");
    client.assert_alive().await;
    drop(client);
    sees(&site.proxy, "/v1/sessions", "two", |page| page["total"] == 2).await;
    site.end().await;
}

#[tokio::test]
async fn whoever_is_kicked_is_asked_to_reconnect_and_every_share_is_answered() {
    let site = Site::with("").await;
    let mut client = Client::connect_from(HOSTILE, site.port()).await.log_in().await;
    let mut other = Client::connect_from(ANOTHER, site.port()).await.log_in().await;
    let id = id_of(&site.proxy, &client).await;
    done(&site.proxy, "DELETE", &format!("/v1/sessions/{id}"), None).await;
    client.notification("client.reconnect").await;
    client.closed().await;
    assert_eq!(site.proxy.logged("miner gone").await["reason"], "kicked");
    let (code, said) = not_done(&site.proxy, "DELETE", &format!("/v1/sessions/{id}"), None).await;
    assert!(code == 404 && said.contains("/v1/sessions"), "{code} {said}");

    // A miner with shares on their way, again and again.
    for _ in 0..2 {
        done(&site.proxy, "DELETE", "/v1/workers/acct.rig0", None).await;
        let path = "/v1/sessions?worker=acct.rig0";
        let before = see(&site.proxy, path).await["sessions"][0]["id"].clone();
        sees(&site.proxy, path, "it is back, and mines", |page| {
            let session = &page["sessions"][0];
            page["total"] == 1
                && session["id"] != before
                && session["shares"]["due"].as_u64() > Some(0)
        })
        .await;
    }
    other.assert_alive().await;
    drop(other);
    was_audited(&site.proxy, "kick", &format!("session {id}"), "refused").await;
    assert_eq!(audited(&site.proxy, "kick", "worker acct.rig0", "done"), 2);
    let metrics = site.proxy.page("/metrics").await.1;
    assert!(
        metrics.contains("loka_admin_acts_total{kind=\"kick\",result=\"refused\"} 1"),
        "{metrics}"
    );

    let ledger_pool = &site.pools.pools[0];
    let mut submitted = 0;
    for miner in site.rack.power_off().await {
        let counts = miner.counts;
        let connects = if miner.worker == "acct.rig0" { 3 } else { 1 };
        assert_eq!(counts.connects, connects, "{}", miner.profile);
        assert_eq!(counts.unanswered, 0, "{}: {counts:?}", miner.profile);
        submitted += counts.submitted;
    }
    let ledger = site.proxy.quiet_ledger().await;
    ledger.assert_agrees_with_pool("alpha", &ledger_pool.counts());
    assert_eq!(ledger.total.received, submitted);
}

#[tokio::test]
async fn an_address_is_banned_by_hand_for_its_time_and_let_in_again() {
    let site = Site::with("      limits: { exempt: [127.0.0.9/32] }\n").await;
    let mut client = Client::connect_from(HOSTILE, site.port()).await.log_in().await;
    let ban = |address: &str, lasts: &str| Some(json!({"address": address, "for": lasts}));
    let said = done(&site.proxy, "POST", "/v1/bans", ban("127.0.0.2", "1h")).await;
    assert!(said.contains("1 connection(s) let go"), "{said}");
    client.closed().await;
    assert_refused(Client::connect_from(HOSTILE, site.port()).await).await;
    site.refused("banned", 1).await;
    Client::connect_from(ANOTHER, site.port()).await.log_in().await.assert_alive().await;
    let bans = see(&site.proxy, "/v1/bans").await;
    let held = &bans["bans"][0];
    assert_eq!((&held["address"], &held["by"]), (&"127.0.0.2".into(), &"hand".into()), "{bans}");
    assert!((3500..=3600).contains(&held["remainingSeconds"].as_u64().expect("a time")), "{bans}");

    done(&site.proxy, "DELETE", "/v1/bans/127.0.0.2", None).await;
    Client::connect_from(HOSTILE, site.port()).await.log_in().await.assert_alive().await;
    done(&site.proxy, "POST", "/v1/bans", ban("127.0.0.2", "1s")).await;
    site.has("bannedAddresses", 0).await;
    Client::connect_from(HOSTILE, site.port()).await.log_in().await.assert_alive().await;

    for (body, code, part) in [
        (ban("127.0.0.9", "1h"), 422, "exempt"),
        (ban("127.0.0.2", "1000h"), 422, "720h"),
        (ban("127.0.0.2", "soon"), 422, "10m"),
        (ban("rig7", "1h"), 422, "address"),
        (Some(json!({"address": "127.0.0.2", "for": "1h", "listner": "v1"})), 422, "listner"),
        (
            Some(json!({"address": "127.0.0.2", "for": "1h", "listener": "v11"})),
            404,
            "name one of v1",
        ),
        (None, 422, "JSON"),
    ] {
        let (answered, said) = not_done(&site.proxy, "POST", "/v1/bans", body).await;
        assert!(answered == code && said.contains(part), "{answered} {said}");
    }
    let (code, _) = not_done(&site.proxy, "DELETE", "/v1/bans/127.0.0.77", None).await;
    assert_eq!(code, 404);
    was_audited(&site.proxy, "ban", "127.0.0.9", "refused").await;
    site.end().await;
}

#[tokio::test]
async fn a_pin_by_hand_outlives_a_change_of_the_configuration_and_says_so() {
    let mut site = Site::with("").await;
    let pin = |pool: &str| Some(json!({ "pool": pool }));
    done(&site.proxy, "POST", "/v1/routes/main/pin", pin("beta")).await;
    site.proxy.active("beta").await;
    let was_pinned = async |site: &Site| {
        let status = site.proxy.status().await;
        let pin = &status["routes"][0]["pinnedByHand"];
        assert_eq!(pin["pool"], "beta", "{status:#}");
        pin["missing"] == true
    };
    assert!(!was_pinned(&site).await);
    site.documents.spec = "  observability: { logLevel: Debug }\n".to_owned();
    site.proxy.apply(&site.documents.text()).await;
    site.documents.failback = "2s";
    site.proxy.apply(&site.documents.text()).await;
    assert!(!was_pinned(&site).await);
    assert_eq!(site.proxy.status().await["routes"][0]["activePool"], "beta");
    // The pool goes, and the route runs as it can; it comes back, and the pin holds again.
    let beta = site.documents.pools.pop().expect("two pools");
    site.proxy.apply(&site.documents.text()).await;
    site.proxy.active("alpha").await;
    assert!(was_pinned(&site).await);
    site.documents.pools.push(beta);
    site.proxy.apply(&site.documents.text()).await;
    site.proxy.active("beta").await;

    done(&site.proxy, "DELETE", "/v1/routes/main/pin", None).await;
    site.proxy.active("alpha").await;
    assert!(site.proxy.status().await["routes"][0].get("pinnedByHand").is_none());
    for (route, pool, part) in [
        ("main", "betta", "did you mean beta?"),
        ("mian", "beta", "did you mean main?"),
        ("main", "gamma", "alpha"),
    ] {
        let path = format!("/v1/routes/{route}/pin");
        let (code, said) = not_done(&site.proxy, "POST", &path, pin(pool)).await;
        assert!(code == 404 && said.contains(part), "{code} {said}");
    }
    let (code, said) = not_done(&site.proxy, "DELETE", "/v1/routes/main/pin", None).await;
    assert!(code == 422 && said.contains("not pinned by hand"), "{code} {said}");
    site.mines_on().await;
    for miner in site.rack.power_off().await {
        assert_eq!(miner.counts.connects, 1, "{} had to reconnect", miner.profile);
    }
}

#[tokio::test]
async fn a_pin_by_hand_leads_nowhere_that_the_allow_list_does_not_have() {
    let pools = Pools::start().await;
    let [alpha, beta] = pools.addresses;
    let entry = |at: SocketAddr| {
        format!("- {{ host: {}, port: {}, accounts: [acct] }}\n", at.ip(), at.port())
    };
    let both = format!("pools:\n{}{}", entry(alpha), entry(beta));
    let documents = pools.documents().await;
    let files = [("list.yaml", both.as_str())];
    let by = ["--allow-list", "list.yaml"];
    let proxy = Process::start_given(&documents.text(), &files, &by).await;
    proxy.active("alpha").await;
    let mut miner = Client::logged_in(documents.port).await;
    fs::write(proxy.beside("list.yaml"), format!("pools:\n{}", entry(alpha))).expect("a file");
    let skip = proxy.log().len();
    proxy.logged_after(skip, "allow-list holds").await;
    let body = Some(json!({"pool": "beta"}));
    let (code, said) = not_done(&proxy, "POST", "/v1/routes/main/pin", body).await;
    assert!(code == 422 && said.contains("allow-list does not have acct"), "{code} {said}");
    was_audited(&proxy, "pin", "route main", "refused").await;
    assert_eq!(proxy.status().await["routes"][0]["activePool"], "alpha");
    assert!(proxy.status().await["routes"][0].get("pinnedByHand").is_none());
    miner.assert_alive().await;
}

/// A second listener, beside the one of the honest miners.
async fn second() -> (u16, String) {
    let port = free_port();
    (port, format!("    - {{ name: v2, port: {port} }}\n"))
}

#[tokio::test]
async fn one_listener_is_drained_and_resumed_while_the_other_mines_on() {
    let (port, listener) = second().await;
    let site = Site::with(&listener).await;
    // The window in which its miners are asked is a part of the drain's time.
    let mut documents =
        Documents { spec: "  drain: { timeout: 4s }\n".to_owned(), ..site.documents.clone() };
    site.proxy.apply(&documents.text()).await;
    let mut client = Client::logged_in(port).await;
    done(&site.proxy, "POST", "/v1/listeners/v2/drain", Some(json!({}))).await;
    client.notification("client.reconnect").await;
    client.closed().await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "it takes miners");
    let said = site.proxy.ready(503).await;
    assert!(said.contains("listener v2: drained by hand"), "{said}");
    let (code, said) =
        not_done(&site.proxy, "POST", "/v1/listeners/v2/drain", Some(json!({}))).await;
    assert!(code == 422 && said.contains("already"), "{said}");
    // Another configuration does not open it again.
    documents.failback = "3s";
    site.proxy.apply(&documents.text()).await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "it takes miners");

    done(&site.proxy, "DELETE", "/v1/listeners/v2/drain", None).await;
    site.proxy.ready(200).await;
    Client::logged_in(port).await.assert_alive().await;
    let (code, said) = not_done(&site.proxy, "DELETE", "/v1/listeners/v1/drain", None).await;
    assert!(code == 422 && said.contains("not drained"), "{said}");
    let (code, said) =
        not_done(&site.proxy, "POST", "/v1/listeners/w2/drain", Some(json!({}))).await;
    assert!(code == 404 && said.contains("name one of v1, v2"), "{code} {said}");
    site.end().await;
}

#[tokio::test]
async fn a_drain_by_hand_ends_the_process_as_a_signal_does() {
    let site = Site::with("").await;
    done(&site.proxy, "POST", "/v1/drain", Some(json!({}))).await;
    let (status, log) = site.proxy.ended().await;
    assert!(status.success(), "{status}");
    let line = |message: &str| {
        let found = log
            .iter()
            .find(|line| line["message"].as_str().is_some_and(|it| it.starts_with(message)));
        found.unwrap_or_else(|| panic!("no {message}")).clone()
    };
    assert_eq!(line("draining")["cause"], "hand");
    line("drained");
    for miner in site.rack.power_off().await {
        assert_eq!(miner.counts.unanswered, 0, "{}: {:?}", miner.profile, miner.counts);
    }
}

#[tokio::test]
async fn a_log_level_by_hand_ends_by_itself() {
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let proxy = Process::start_given(&documents.text(), &[], &["--log-level", "info"]).await;
    let set = |level: &str, lasts: &str| Some(json!({"level": level, "for": lasts}));
    done(&proxy, "POST", "/v1/log-level", set("debug", "1h")).await;
    drop(Client::logged_in(documents.port).await);
    proxy.logged("miner connected").await;
    let level = see(&proxy, "/v1/log-level").await;
    assert_eq!(
        (&level["level"], &level["insteadOf"]),
        (&"debug".into(), &"info".into()),
        "{level}"
    );
    assert!(level["remainingSeconds"].as_u64() > Some(3500), "{level}");
    done(&proxy, "DELETE", "/v1/log-level", None).await;
    assert_eq!(see(&proxy, "/v1/log-level").await, json!({"level": "info"}));
    done(&proxy, "POST", "/v1/log-level", set("debug", "1s")).await;
    proxy.logged("the log level that was set by hand is over").await;
    assert_eq!(see(&proxy, "/v1/log-level").await, json!({"level": "info"}));
    let skip = proxy.log().len();
    drop(Client::logged_in(documents.port).await);
    proxy.logged_after(skip, "miner gone").await;
    assert!(!proxy.log()[skip..].iter().any(|line| line["message"] == "miner connected"));
    for (level, lasts, part) in
        [("info,loka=loud", "1m", "loka_proxy=debug"), ("debug", "48h", "24h"), ("", "1m", "trace")]
    {
        let (code, said) = not_done(&proxy, "POST", "/v1/log-level", set(level, lasts)).await;
        assert!(code == 422 && said.contains(part), "{code} {said}");
    }
}

#[tokio::test]
async fn ctl_shows_and_acts_and_says_what_to_do_instead() {
    let site = Site::with("").await;
    let mut client = Client::connect_from(HOSTILE, site.port()).await.log_in().await;
    let id = id_of(&site.proxy, &client).await;
    let check = async |arguments: &[&str], code: i32, parts: &[&str]| {
        let ended = site.proxy.ctl(arguments).await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.text);
        for part in parts {
            assert!(ended.text.contains(part), "{arguments:?}: {part} is not in\n{}", ended.text);
        }
        ended.text
    };
    let status = check(&["status"], 0, &["test/farm", "route main", "alpha", "LISTENER"]).await;
    let shown =
        check(&["sessions"], 0, &["acct.rig0", "acct.rig1", "acct.it", "HASHRATE", "alpha"]).await;
    println!("{status}\n{shown}");
    println!("{}", check(&["worker", "acct.rig0"], 0, &["accepted", "alpha"]).await);
    println!("{}", check(&["session", &id.to_string()], 0, &["acct.it", "it/1"]).await);
    check(&["sessions", "--limit", "1"], 0, &["1 of 3; the next page: --after 1"]).await;
    let json = check(&["sessions", "--worker", "acct.it", "--json"], 0, &[]).await;
    let page: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(page["sessions"][0]["id"], id);
    println!("{}", check(&["kick", &id.to_string()], 0, &["is let go"]).await);
    client.closed().await;
    println!(
        "{}",
        check(&["kick", "99999"], 1, &["error: there is no session 99999", "remedy: "]).await
    );
    println!(
        "{}",
        check(&["ban", "127.0.0.2", "--for", "10m"], 0, &["is refused for 600 s"]).await
    );
    println!("{}", check(&["bans"], 0, &["127.0.0.2", "hand"]).await);
    check(&["unban", "127.0.0.2"], 0, &["let in again"]).await;
    println!("{}", check(&["pin", "main", "betta"], 1, &["did you mean beta?"]).await);
    check(&["pin", "main", "beta"], 0, &["until it is unpinned"]).await;
    site.proxy.active("beta").await;
    println!("{}", check(&["status"], 0, &["pinned to beta by hand"]).await);
    check(&["unpin", "main"], 0, &["as its configuration says"]).await;
    check(&["log-level"], 0, &["debug"]).await;
    println!("{}", check(&["log-level", "trace", "--for", "1m"], 0, &["for 60 s"]).await);
    println!("{}", check(&["log-level"], 0, &["trace by hand", "then debug"]).await);
    check(&["log-level", "--reset"], 0, &["as before"]).await;
    println!("{}", check(&["sesions"], 2, &["'sessions'"]).await);
    let nobody = free_port();
    let api = format!("127.0.0.1:{nobody}");
    let ended = loka_tests::process::run_to_end(&["ctl", "--api", &api, "status"], &[]).await;
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.text.contains("no proxy answers") && ended.text.contains("remedy: "),
        "{}",
        ended.text
    );
    for miner in site.rack.power_off().await {
        assert_eq!(miner.counts.connects, 1, "{} had to reconnect", miner.profile);
    }
}
