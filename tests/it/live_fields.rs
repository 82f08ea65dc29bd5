//! Fields whose change needs more than an edit of one place to be seen: names, templates, ports, rules.

use loka_farm::pool::PracticePool;
use loka_tests::documents::Documents;
use loka_tests::process::{Process, eventually, free_port};
use loka_tests::rig::Pools;
use serde_json::json;

use super::client::Client;
use super::live_changes::{upstream, with_another};

/// Of what may be answered as before for a moment.
const TRIES_MAX: usize = 100;

fn ids(pool: &PracticePool) -> Vec<impl Clone + PartialEq + std::fmt::Debug + use<>> {
    pool.connections().into_iter().map(|view| view.id).collect()
}

/// A proxy, and a miner that has a job of alpha's: the better pool is waited for at the start.
async fn start(text: &str, port: u16) -> (Process, Client) {
    let proxy = Process::start(text).await;
    let mut miner = Client::logged_in(port).await;
    miner.notification("mining.notify").await;
    (proxy, miner)
}

#[tokio::test]
async fn another_name_of_the_proxy_is_another_login_where_pools_have_none_of_their_own() {
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let (proxy, mut miner) = start(&documents.text(), documents.port).await;
    let (socket, before) = (miner.local_addr(), upstream(&pools).map(|view| view.id));
    assert_eq!(upstream(&pools).expect("alpha's").users, ["acct.farm"]);
    proxy.apply(&documents.text().replace("name: farm,", "name: ranch,")).await;
    let renamed = || upstream(&pools).filter(|view| Some(view.id) != before);
    eventually("the login is made anew", || renamed().is_some()).await;
    assert_eq!(renamed().expect("alpha's").users, ["acct.ranch"]);
    proxy.active("alpha").await;
    miner.assert_alive().await;
    assert_eq!(miner.local_addr(), socket);
}

#[tokio::test]
async fn another_template_of_names_changes_no_login_that_there_is() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    let named = |template: &str| format!("  workerName: \"{template}\"\n");
    documents.pools[0].spec = named("{worker}");
    let (proxy, mut miner) = start(&documents.text(), documents.port).await;
    let (socket, before) = (miner.local_addr(), ids(&pools.pools[0]));
    for template in ["{listener}-{worker}", "{name}"] {
        documents.pools[0].spec = named(template);
        proxy.apply(&documents.text()).await;
        miner.assert_alive().await;
        assert_eq!(
            (miner.local_addr(), ids(&pools.pools[0])),
            (socket, before.clone()),
            "{template}"
        );
    }
    proxy.active("alpha").await;
}

#[tokio::test]
async fn a_dedicated_miner_takes_its_connections_and_leaves_them_on_its_own() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    let (proxy, mut miner) = start(&documents.text(), documents.port).await;
    let (socket, before) = (miner.local_addr(), ids(&pools.pools[0]));
    documents.route = "      mode: Dedicated\n".to_owned();
    proxy.apply(&documents.text()).await;
    eventually("one more", || pools.pools[0].connections().len() == 2).await;
    miner.until(|line| line["method"] == "mining.notify" && line["params"][8] == true).await;
    documents.route = String::new();
    proxy.apply(&documents.text()).await;
    eventually("and one less", || ids(&pools.pools[0]) == before).await;
    miner.assert_alive().await;
    assert_eq!(miner.local_addr(), socket);
}

/// Two listeners of one route; the second is called so, on this port.
fn two_listeners(documents: &Documents, name: &str, port: u16) -> String {
    let text =
        with_another(&documents.text(), port).replace("name: v2\n", &format!("name: {name}\n"));
    text.replace("routeRef: { name: other }", "routeRef: { name: main }")
}

#[tokio::test]
async fn listeners_that_exchange_their_ports_keep_their_miners() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    documents.listener = "      routeRef: { name: main }\n".to_owned();
    documents.difficulty = 2e-7;
    let (one, two) = (documents.port, free_port());
    let (proxy, mut first) = start(&two_listeners(&documents, "v2", two), one).await;
    let mut second = Client::logged_in(two).await;
    let sockets = [first.local_addr(), second.local_addr()];
    let before = ids(&pools.pools[0]);
    documents.port = two;
    proxy.apply(&two_listeners(&documents, "v2", one)).await;
    served_by(&proxy, one, "v2").await;
    served_by(&proxy, two, "v1").await;
    first.assert_alive().await;
    second.assert_alive().await;
    assert_eq!([first.local_addr(), second.local_addr()], sockets);
    assert_eq!(ids(&pools.pools[0]), before);
}

/// Until newcomers on `port` are this listener's: whoever comes in the very moment may still be the other's.
async fn served_by(proxy: &Process, port: u16, listener: &str) {
    for _ in 0..TRIES_MAX {
        let skip = proxy.log().len();
        newcomer(port).await.assert_alive().await;
        let line = proxy.logged_after(skip, "miner subscribed and authorized").await;
        if line["listener"] == listener {
            return;
        }
    }
    panic!("port {port} is not {listener}'s");
}

/// A miner on a port that is closed for a moment.
async fn newcomer(port: u16) -> Client {
    loop {
        match tokio::net::TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => return Client::over(stream).log_in().await,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn a_listener_on_the_port_of_one_that_goes_serves_newcomers_and_the_others_leave() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    documents.spec = "  drain: { timeout: 4s }\n".to_owned();
    documents.listener = "      routeRef: { name: main }\n".to_owned();
    let (one, two) = (documents.port, free_port());
    let (proxy, mut stays) = start(&two_listeners(&documents, "v2", two), one).await;
    let mut leaves = Client::logged_in(two).await;
    let (socket, before) = (stays.local_addr(), ids(&pools.pools[0]));
    proxy.apply(&two_listeners(&documents, "v3", two)).await;
    leaves.notification("client.reconnect").await;
    leaves.closed().await;
    newcomer(two).await.assert_alive().await;
    stays.assert_alive().await;
    assert_eq!((stays.local_addr(), ids(&pools.pools[0])), (socket, before));
}

#[tokio::test]
async fn a_rule_that_leads_elsewhere_brings_its_miners_along() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    let layout = "      extranonce: { idBytes: 2, minerBytes: 2 }\n";
    documents.route = layout.to_owned();
    documents.listener = "      routeRef: { name: main }\n".to_owned();
    let port = free_port();
    let text = |documents: &Documents| {
        let other = format!("    - name: other\n{layout}");
        with_another(&documents.text(), port).replace("    - name: other\n", &other)
    };
    let (proxy, mut miner) = start(&text(&documents), documents.port).await;
    eventually("both routes are up", || pools.pools[1].connections().len() == 2).await;
    let sockets = |pools: &Pools| [ids(&pools.pools[0]), ids(&pools.pools[1])];
    let (socket, before) = (miner.local_addr(), sockets(&pools));
    documents.spec =
        "  rules: [{ name: it, workers: ['acct.i?'], routeRef: { name: other } }]\n".to_owned();
    proxy.apply(&text(&documents)).await;
    let job =
        miner.until(|line| line["method"] == "mining.notify" && line["params"][8] == true).await;
    miner.assert_alive().await;
    assert_eq!((miner.local_addr(), sockets(&pools)), (socket, before));
    // A share for it is booked at the other route's pool, whatever it is worth; a block of the former may have come between.
    let mut job = job;
    for _ in 0..TRIES_MAX {
        let share = json!(["acct.it", job["params"][0], "0000", job["params"][7], "00000000"]);
        miner.call("mining.submit", share).await;
        let ledger = proxy.ledger().await;
        if ledger.rows.iter().any(|row| row.pool == "beta" && row.counts.received > 0) {
            return;
        }
        job = miner.notification("mining.notify").await;
    }
    panic!("nothing is booked at beta");
}
