//! Whom a listener lets in, and what one name may do. Two honest miners mine on meanwhile, on the connections that they had.

use std::time::Duration;

use loka_farm::pool::ReconnectTo;
use loka_tests::logins::{Hook, Mood, entry, secret};
use loka_tests::process::PATIENCE;
use serde_json::{Value, json};
use tokio::time::{Instant, interval};

use super::client::Client;
use super::protection::Site;

/// Of the honest miners.
const PASSWORD: &str = "x";

/// A password that nothing may ever show.
const MARKED: &str = "marked-password-7f3a";

const LIST: &str = "      authentication: { type: List, list: { secretRef: { name: miners } } }\n";

/// What a miner is answered that logs in so.
async fn try_login(client: &mut Client, worker: &str, password: &str) -> Value {
    client.call("mining.authorize", json!([worker, password])).await
}

async fn subscribed(port: u16) -> Client {
    let mut client = Client::connect(port).await;
    client.call("mining.subscribe", json!(["it/1"])).await;
    client
}

fn is_refused(reply: &Value) -> bool {
    reply["error"][0] == 24
}

/// A site whose listener has a list with these entries, and one for the honest miners.
async fn listed(entries: &[String]) -> Site {
    Site::beside(LIST, &list(entries)).await
}

fn list(entries: &[String]) -> String {
    let honest = entry("acct.rig?", PASSWORD);
    secret(&[entries, &[honest]].concat())
}

fn hooked(hook: &Hook, terms: &str) -> String {
    format!(
        "      authentication: {{ type: Webhook, webhook: {{ url: '{}', timeout: 500ms{terms}, \
         tokenSecretRef: {{ name: miners }} }} }}\n",
        hook.url()
    )
}

#[tokio::test]
async fn a_list_lets_in_whom_it_has_and_tells_the_others() {
    let site = listed(&[entry("acct.it", MARKED), entry("farm.*", "other")]).await;
    let mut client = subscribed(site.port()).await;
    assert!(is_refused(&try_login(&mut client, "acct.it", "wrong").await));
    assert!(is_refused(&try_login(&mut client, "nobody", MARKED).await));
    assert!(is_refused(&try_login(&mut client, "farm.1", MARKED).await));
    // A name that is refused has no job; one that is let in has one at once, and wishes are no part of a password.
    let reply = try_login(&mut client, "acct.it", &format!("{MARKED},d=1")).await;
    assert_eq!(reply["result"], true, "{reply}");
    client.notification("mining.notify").await;
    assert_eq!(try_login(&mut client, "farm.1", "other").await["result"], true);
    site.counted("loka_miner_logins_refused", "password", 2).await;
    site.counted("loka_miner_logins_refused", "unknown", 1).await;
    let told = site.proxy.logged("login refused").await;
    assert_eq!((&told["worker"], &told["reason"]), (&json!("acct.it"), &json!("password")));
    client.assert_alive().await;
    nothing_shows(&site, &[MARKED, "pbkdf2"]).await;
    site.end().await;
}

/// Miners do not wait for answers; what they say while a login is decided is answered in its turn.
#[tokio::test]
async fn what_is_said_before_a_login_is_decided_is_answered_after_it() {
    let hook = Hook::start(Mood::Knows(PASSWORD)).await;
    let site = Site::beside(&hooked(&hook, ""), &list(&[])).await;
    let share = json!(["acct.it", "ffffff", "00000000", "69560000", "00000000"]);
    for (password, answers) in [(PASSWORD, [true, true]), ("wrong", [true, false])] {
        let mut client = Client::connect(site.port()).await;
        let mut said = String::new();
        for (id, method, params) in [
            (1, "mining.subscribe", json!(["it/1"])),
            (2, "mining.authorize", json!(["acct.it", password])),
            (3, "mining.submit", share.clone()),
            (4, "mining.ping", json!([])),
        ] {
            let line = json!({"id": id, "method": method, "params": params});
            said.push_str(&format!("{line}\n"));
        }
        client.send(&said).await;
        let mut order = Vec::new();
        for _ in 0..4 {
            let reply = client.until(|line| line.get("method").is_none()).await;
            order.push(reply["id"].clone());
            if reply["id"] == 2 {
                assert_eq!(reply["result"] == true, answers[1], "{reply}");
            }
            if reply["id"] == 3 {
                let code = if answers[1] { 21 } else { 24 };
                assert_eq!(reply["error"][0], code, "{reply}");
            }
        }
        assert_eq!(order, [1, 2, 3, 4]);
    }
    site.end().await;
}

#[tokio::test]
async fn an_entry_that_is_removed_closes_those_that_it_let_in_and_nobody_else() {
    let (old, new) = (entry("acct.it", "old"), entry("acct.it", "new"));
    let site = listed(&[old.clone(), new.clone()]).await;
    let mut by_old = subscribed(site.port()).await;
    let mut by_new = subscribed(site.port()).await;
    assert_eq!(try_login(&mut by_old, "acct.it", "old").await["result"], true);
    assert_eq!(try_login(&mut by_new, "acct.it", "new").await["result"], true);
    site.apply(&list(&[new, entry("acct.more", "more")])).await;
    by_old.closed().await;
    site.counted("loka_miner_closed", "login_revoked", 1).await;
    by_new.assert_alive().await;
    let mut again = subscribed(site.port()).await;
    assert!(is_refused(&try_login(&mut again, "acct.it", "old").await));
    assert_eq!(try_login(&mut again, "acct.more", "more").await["result"], true);
    site.end().await;
}

/// A farm that comes back at once.
#[tokio::test]
async fn many_logins_at_once_are_all_let_in() {
    let site = listed(&[entry("farm.*", MARKED)]).await;
    let mut clients = Vec::new();
    for number in 0..200 {
        let mut client = Client::connect(site.port()).await;
        let login = json!({"id": 2, "method": "mining.authorize", "params": [format!("farm.{number}"), MARKED]});
        client.send(&format!("{login}\n")).await;
        clients.push(client);
    }
    for client in &mut clients {
        let reply = client.until(|line| line["id"] == 2).await;
        assert_eq!(reply["result"], true, "{reply}");
    }
    site.end().await;
}

/// Nobody's connection is closed for a mistake, and nobody may guess for ever.
#[tokio::test]
async fn who_guesses_on_is_banned() {
    let listener = format!("{LIST}      limits: {{ ban: {{ after: 2, for: 1h }} }}\n");
    let site = Site::beside(&listener, &list(&[entry("acct.it", "right")])).await;
    let mut client = Client::connect_from(9, site.port()).await;
    for _ in 0..4 {
        assert!(is_refused(&try_login(&mut client, "acct.it", "wrong").await));
    }
    // Three are free, the fourth was an offence, and the fifth is the second.
    client
        .send("{\"id\":99,\"method\":\"mining.authorize\",\"params\":[\"acct.it\",\"wrong\"]}\n")
        .await;
    let said = client.closed().await;
    assert!(said.iter().any(is_refused), "answered before it is closed: {said:?}");
    site.counted("loka_miner_bans", "logins", 1).await;
    assert_eq!(Client::connect_from(9, site.port()).await.closed().await, [0; 0]);
    site.end().await;
}

#[tokio::test]
async fn a_web_hook_is_asked_once_for_each_login_and_what_it_says_holds() {
    let hook = Hook::start(Mood::Knows(PASSWORD)).await;
    let site = Site::beside(&hooked(&hook, ", refuseFor: 1h"), &list(&[])).await;
    let asked = |worker: &str| {
        let asked = hook.asked();
        asked.iter().filter(|(_, question)| question["worker"] == worker).count()
    };
    for _ in 0..3 {
        let mut client = subscribed(site.port()).await;
        assert_eq!(try_login(&mut client, "acct.it", PASSWORD).await["result"], true);
        assert!(is_refused(&try_login(&mut client, "acct.bad", MARKED).await));
    }
    assert_eq!((asked("acct.it"), asked("acct.bad")), (1, 1));
    let (token, question) =
        hook.asked().into_iter().find(|(_, it)| it["worker"] == "acct.bad").expect("asked");
    assert_eq!(token.as_deref(), Some("hook-token"));
    let wanted = json!({"listener": "v1", "worker": "acct.bad", "password": MARKED,
                        "address": "127.0.0.1", "userAgent": "it/1"});
    assert_eq!(question, wanted);
    nothing_shows(&site, &[MARKED, "hook-token"]).await;
    site.end().await;
}

#[tokio::test]
async fn while_a_web_hook_fails_who_was_let_in_is_let_in_and_the_document_says_what_of_the_rest() {
    let hook = Hook::start(Mood::Knows(PASSWORD)).await;
    let mut site =
        Site::beside(&hooked(&hook, ", allowFor: 1s, onFailure: Refuse"), &list(&[])).await;
    let mut client = subscribed(site.port()).await;
    assert_eq!(try_login(&mut client, "acct.it", PASSWORD).await["result"], true);
    let mut look = interval(Duration::from_millis(50));
    let mut number = 0;
    // One after the other, each until the hook has been asked anew: after a failure it is left alone for a while.
    for mood in [Mood::Down, Mood::Broken, Mood::Garbage, Mood::Silent] {
        hook.set(mood);
        let (before, deadline) = (hook.asked().len(), Instant::now() + PATIENCE);
        loop {
            look.tick().await;
            number += 1;
            let reply = try_login(&mut client, &format!("acct.u{number}"), PASSWORD).await;
            assert!(is_refused(&reply), "{mood:?}: {reply}");
            let mut again = subscribed(site.port()).await;
            let reply = try_login(&mut again, "acct.it", PASSWORD).await;
            assert_eq!(reply["result"], true, "{mood:?}: {reply}");
            if mood == Mood::Down || hook.asked().len() > before {
                break;
            }
            assert!(Instant::now() < deadline, "{mood:?}: the hook is never asked again");
        }
    }
    site.proxy.logged("the web hook for logins fails").await;
    // By default whoever comes is let in: what he finds is paid to the same account.
    site.documents.listener = hooked(&hook, "");
    site.apply(&list(&[])).await;
    let mut stranger = subscribed(site.port()).await;
    assert_eq!(try_login(&mut stranger, "acct.stranger", "?").await["result"], true);
    // And when the hook is back it says who is.
    hook.set(Mood::Knows(PASSWORD));
    for number in 0.. {
        look.tick().await;
        let mut newcomer = subscribed(site.port()).await;
        if is_refused(&try_login(&mut newcomer, &format!("acct.s{number}"), "?").await) {
            break;
        }
        assert!(number < 400, "the hook is never asked again");
    }
    site.end().await;
}

/// On the connection that the farm has, with the miner's own password; who was let in is not asked for again.
#[tokio::test]
async fn where_the_pool_decides_its_answer_is_the_miners() {
    let mut site = Site::beside("", "").await;
    site.documents.listener = "      authentication: { type: Pool }\n".to_owned();
    for pool in &mut site.documents.pools {
        pool.spec = "  workerName: '{worker}'\n".to_owned();
    }
    site.apply("").await;
    let alpha = &site.pools.pools[0];
    let mut client = subscribed(site.port()).await;
    assert_eq!(try_login(&mut client, "acct.it", MARKED).await["result"], true);
    client.notification("mining.notify").await;
    let connections = alpha.connections();
    let users: Vec<_> = connections.iter().flat_map(|it| &it.users).collect();
    assert!(users.iter().any(|user| *user == "acct.it"), "{users:?}");

    alpha.control().refuse_logins(24, &format!("no such worker with {MARKED}"));
    let mut stranger = subscribed(site.port()).await;
    assert!(is_refused(&try_login(&mut stranger, "acct.bad", MARKED).await));
    assert!(is_refused(&try_login(&mut stranger, "acct.it", "another").await));
    site.counted("loka_miner_logins_refused", "pool", 2).await;
    assert_eq!(try_login(&mut stranger, "acct.it", MARKED).await["result"], true, "known");
    alpha.control().admit_logins();
    assert_eq!(try_login(&mut stranger, "acct.bad", MARKED).await["result"], true);
    client.assert_alive().await;
    let (host, port, wait_s) = (format!("{MARKED}.example.com"), 3333, 0);
    alpha.control().reconnect(&ReconnectTo::Address { host, port, wait_s });
    let asked = site.proxy.logged("pool asked us to reconnect").await;
    assert!(asked["to"].as_str().is_some_and(|to| to.contains("withheld")), "{asked}");
    nothing_shows(&site, &[MARKED]).await;
    site.mines_on().await;
    site.end().await;
}

#[tokio::test]
async fn the_connections_of_one_name_are_bounded() {
    let site = Site::beside("      limits: { maxConnectionsPerWorker: 2 }\n", "").await;
    let first = Client::logged_in(site.port()).await;
    let mut second = Client::logged_in(site.port()).await;
    let mut third = subscribed(site.port()).await;
    assert!(is_refused(&try_login(&mut third, "acct.it", PASSWORD).await));
    assert_eq!(try_login(&mut third, "acct.another", PASSWORD).await["result"], true);
    drop(first);
    eventually_let_in(&mut third, "acct.it").await;
    second.assert_alive().await;
    site.end().await;
}

/// Until a connection that has gone is noticed.
async fn eventually_let_in(client: &mut Client, worker: &str) {
    for _ in 0..2000 {
        if try_login(client, worker, PASSWORD).await["result"] == true {
            return;
        }
    }
    panic!("{worker} is never let in");
}

/// Two connections of one name send as much as one; another name is not held up, and every line is answered.
#[tokio::test]
async fn the_submits_of_one_name_are_bounded_over_all_of_its_connections() {
    const EACH: u64 = 40;
    let site = Site::beside("      limits: { submitsPerMinutePerWorker: 60 }\n", "").await;
    let mut clients = [Client::logged_in(site.port()).await, Client::logged_in(site.port()).await];
    let before = Instant::now();
    for client in &mut clients {
        for id in 100..100 + EACH {
            let share = json!(["acct.it", "ffffff", "00000000", "69560000", "00000000"]);
            let line = json!({"id": id, "method": "mining.submit", "params": share});
            client.send(&format!("{line}\n")).await;
        }
    }
    for client in &mut clients {
        for id in 100..100 + EACH {
            let reply = client.until(|line| line["id"].as_u64() >= Some(100)).await;
            assert_eq!((&reply["id"], &reply["error"][0]), (&json!(id), &json!(21)), "{reply}");
        }
    }
    // Sixty at once, and then one a second: of both together, where each alone is below the bound.
    let took = before.elapsed();
    assert!(took.as_secs() >= 15, "{took:?}");
    site.end().await;
}

/// None of these is in what the proxy has written or shows.
async fn nothing_shows(site: &Site, secrets: &[&str]) {
    let mut written: Vec<String> = site.proxy.log().iter().map(Value::to_string).collect();
    for page in ["/status", "/metrics", "/ledger"] {
        written.push(site.proxy.page(page).await.1);
    }
    for secret in secrets {
        let shown = written.iter().find(|text| text.contains(secret));
        assert!(shown.is_none(), "{secret} is in {shown:?}");
    }
}
