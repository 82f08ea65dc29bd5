//! What a change of the documents does to connections: to none, unless it has to.

use loka_farm::pool::ConnectionView;
use loka_tests::documents::Documents;
use loka_tests::process::{Process, eventually, free_port};

use super::client::Client;
use loka_tests::rig::Pools;

/// What becomes of the connection to the active pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upstream {
    Stays,
    Changes,
    MovesTo(&'static str),
}

/// Field, what it does to the pool's connection, and the edit.
type Change = (&'static str, Upstream, fn(&mut Documents));

/// Each field that can change while miners are connected, none of which closes a miner's connection.
const CHANGES: &[Change] = &[
    ("listeners[].difficulty", Upstream::Stays, |d| d.difficulty *= 2.0),
    ("listeners[].limits.submitsPerSecond", Upstream::Stays, |d| {
        d.listener = "      limits: { submitsPerSecond: 7 }\n".to_owned();
    }),
    ("listeners[].limits.idleTimeout", Upstream::Stays, |d| {
        d.listener = "      limits: { idleTimeout: 20m }\n".to_owned();
    }),
    ("listeners[].limits.maxConnections", Upstream::Stays, |d| {
        d.listener = "      limits: { maxConnections: 1 }\n".to_owned();
    }),
    ("routes[].failback.after", Upstream::Stays, |d| d.failback = "33s"),
    ("routes[].jobKeepAlive", Upstream::Stays, |d| d.route = "      jobKeepAlive: 3s\n".to_owned()),
    ("routes[].onNoPool", Upstream::Stays, |d| {
        d.route = "      onNoPool: { policy: Close, after: 5s }\n".to_owned();
    }),
    ("drain.timeout", Upstream::Stays, |d| d.spec = "  drain: { timeout: 9s }\n".to_owned()),
    ("observability.logLevel", Upstream::Stays, |d| {
        d.spec = "  observability: { logLevel: Info }\n".to_owned();
    }),
    ("pool.timeouts.submit", Upstream::Stays, |d| {
        d.pools[0].spec = "  timeouts: { submit: 17s }\n".to_owned();
    }),
    ("pool.account", Upstream::Changes, |d| d.pools[0].account = "other".to_owned()),
    ("pool.workerName", Upstream::Changes, |d| d.pools[0].spec = "  workerName: w2\n".to_owned()),
    ("pool.versionRolling", Upstream::Changes, |d| {
        d.route = "      versionRolling: Disabled\n".to_owned();
    }),
    ("routes[].pools order", Upstream::MovesTo("beta"), |d| d.pools.reverse()),
    ("listeners[].port", Upstream::Stays, |d| d.port = 0),
];

/// The connection that work comes from: to the first pool of the documents as they were.
fn upstream(pools: &Pools) -> Option<ConnectionView> {
    pools.pools[0].connections().into_iter().next()
}

#[tokio::test]
async fn no_field_closes_a_miners_connection() {
    for (field, expected, change) in CHANGES {
        let pools = Pools::start().await;
        let mut documents = pools.documents().await;
        let proxy = Process::start(&documents.text()).await;
        proxy.active("alpha").await;
        let mut miner = Client::logged_in(documents.port).await;
        miner.notification("mining.notify").await;
        let (socket, before) = (miner.local_addr(), upstream(&pools));
        change(&mut documents);
        if documents.port == 0 {
            documents.port = free_port().await;
        }
        proxy.apply(&documents.text()).await;
        miner.assert_alive().await;
        let now = || upstream(&pools).map(|view| view.id);
        let before = before.map(|view| view.id);
        match expected {
            Upstream::Stays => assert_eq!(now(), before, "{field}"),
            // The old connection is left when the new one has a job.
            Upstream::Changes => {
                eventually(field, || now().is_some_and(|id| Some(id) != before)).await;
            }
            Upstream::MovesTo(pool) => {
                proxy.active(pool).await;
                assert_eq!(now(), before, "{field}: a stand-by stays connected");
            }
        }
        miner.assert_alive().await;
        assert_eq!(miner.local_addr(), socket, "{field}");
    }
}

#[tokio::test]
async fn a_port_that_moves_serves_old_miners_where_they_are_and_new_ones_at_the_new_place() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    let proxy = Process::start(&documents.text()).await;
    let old = documents.port;
    let mut miner = Client::logged_in(old).await;
    documents.port = free_port().await;
    proxy.apply(&documents.text()).await;
    Client::logged_in(documents.port).await.assert_alive().await;
    miner.assert_alive().await;
    let refused = tokio::net::TcpStream::connect(("127.0.0.1", old)).await;
    assert!(refused.is_err(), "the old port is closed");
}

#[tokio::test]
async fn miners_on_a_port_that_has_moved_leave_with_their_listener() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    documents.spec = "  drain: { timeout: 4s }\n".to_owned();
    let proxy = Process::start(&documents.text()).await;
    let mut miner = Client::logged_in(documents.port).await;
    documents.port = free_port().await;
    proxy.apply(&documents.text()).await;
    miner.assert_alive().await;
    documents.port = free_port().await;
    proxy.apply(&documents.text().replace("name: v1", "name: v2")).await;
    miner.notification("client.reconnect").await;
    miner.closed().await;
    assert_eq!(proxy.logged("miner gone").await["reason"], "listener_removed");
}

#[tokio::test]
async fn an_invalid_change_is_refused_with_the_field_and_the_last_good_one_stays() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    let proxy = Process::start(&documents.text()).await;
    let mut miner = Client::logged_in(documents.port).await;
    let good = documents.text();
    documents.route = "      jobKeepAlivee: 3s\n".to_owned();
    proxy.write(&documents.text());
    let refused = proxy.logged("configuration refused").await;
    let problem = refused["problem"].as_str().expect("a problem");
    assert!(problem.contains("spec.routes[0].jobKeepAlivee"), "{problem}");
    assert!(problem.contains("jobKeepAlive"), "{problem}");
    let shown = proxy.status().await;
    assert!(shown["config"]["refused"]["problems"][0].is_string(), "{shown:#}");
    assert_eq!(proxy.page("/readyz").await.0, 200);
    miner.assert_alive().await;
    proxy.write(&good);
    // Good again, and in use all along: the refusal goes away.
    let deadline = tokio::time::Instant::now() + loka_tests::process::PATIENCE;
    while proxy.status().await["config"].get("refused").is_some() {
        assert!(tokio::time::Instant::now() < deadline, "the refusal is shown for ever");
        tokio::task::yield_now().await;
    }
}
