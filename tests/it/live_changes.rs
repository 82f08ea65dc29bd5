//! What a change of the documents does to connections: to none, unless it has to.

use loka_farm::pool::ConnectionView;
use loka_tests::documents::{Documents, PoolDocument};
use loka_tests::process::{PATIENCE, Process, eventually, free_port};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

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
    ("listeners[].limits.handshakeTimeout", Upstream::Stays, |d| {
        d.listener = "      limits: { handshakeTimeout: 3s }\n".to_owned();
    }),
    ("listeners[].limits of addresses", Upstream::Stays, |d| {
        d.listener =
            "      limits: { maxConnectionsPerAddress: 1, connectsPerMinutePerAddress: 1, \
                      maxHandshakes: 1, maxHandshakesPerAddress: 1, ban: { after: 1 }, \
                      exempt: [192.0.2.0/24] }\n"
                .to_owned();
    }),
    ("listeners[].proxyProtocol", Upstream::Stays, |d| {
        d.listener = "      proxyProtocol: { mode: Required, from: [192.0.2.0/24] }\n".to_owned();
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
    ("pool.passwordSecretRef", Upstream::Changes, |d| {
        d.pools[0].spec = "  passwordSecretRef: { name: alpha }\n---\napiVersion: v1\nkind: Secret\n\
                           metadata: { name: alpha, namespace: test }\nstringData: { password: p }\n"
            .to_owned();
    }),
    ("pool.versionRolling", Upstream::Changes, |d| {
        d.pools[0].spec = "  versionRolling: Disabled\n".to_owned();
    }),
    ("routes[].versionRolling", Upstream::Changes, |d| {
        d.route = "      versionRolling: Disabled\n".to_owned();
    }),
    ("routes[].pools order", Upstream::MovesTo("beta"), |d| d.pools.reverse()),
    ("routes[].pools: one removed", Upstream::Stays, |d| drop(d.pools.pop())),
    ("routes[].pools: one added", Upstream::Stays, |d| {
        let other = PoolDocument { name: "gamma", ..d.pools[1].clone() };
        d.pools.push(other);
    }),
    ("routes[].pools[].weight", Upstream::Stays, |d| {
        d.pools[0].in_route = ", weight: 30".to_owned()
    }),
    ("routes[].pools[].schedule", Upstream::Stays, |d| {
        d.pools[0].in_route = ", schedule: [{ from: '00:00', to: '24:00' }]".to_owned();
    }),
    ("routes[].pin", Upstream::MovesTo("beta"), |d| d.route = "      pin: beta\n".to_owned()),
    ("routes[].extranonce", Upstream::Stays, |d| {
        d.route = "      extranonce: { idBytes: 2, minerBytes: 2 }\n".to_owned();
    }),
    // The route's own connections stay; the miner's are beside them.
    ("routes[].mode", Upstream::Stays, |d| d.route = "      mode: Dedicated\n".to_owned()),
    ("routes[].versionMask", Upstream::Changes, |d| {
        d.route = "      versionMask: \"0fffe000\"\n".to_owned();
    }),
    ("pool.verify", Upstream::MovesTo("beta"), |d| {
        // Not who the practice pool pays.
        let payee = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        d.pools[0].spec = format!("  verify: {{ payoutAddress: {payee}, minPercent: 98 }}\n");
    }),
    ("observability.tracing.samplingRatio", Upstream::Stays, |d| {
        d.spec = "  observability: { tracing: { samplingRatio: \"0.5\" } }\n".to_owned();
    }),
    ("listeners[].limits.submitBurst", Upstream::Stays, |d| {
        d.listener = "      limits: { submitBurst: 70 }\n".to_owned();
    }),
    ("routes[].rollout", Upstream::Stays, |d| {
        d.route = "      rollout: { strategy: Staged }\n".to_owned();
    }),
    ("rules", Upstream::Stays, |d| {
        d.spec = "  rules: [{ name: all, routeRef: { name: main } }]\n".to_owned();
    }),
    ("firmware", Upstream::Stays, |d| {
        d.spec = "  firmware: [{ name: mine, userAgents: ['*'], minDifficulty: '2' }]\n".to_owned();
    }),
    ("pool.maxLogins", Upstream::Stays, |d| {
        d.pools[0].spec = "  workerName: '{worker}'\n  maxLogins: 3\n".to_owned();
    }),
    ("pool.health", Upstream::Stays, |d| {
        d.pools[0].spec = "  health: { submitStall: 9s, blockLag: 9s }\n".to_owned();
    }),
    ("pool.suggestDifficulty", Upstream::Stays, |d| {
        d.pools[0].spec = "  suggestDifficulty: Disabled\n".to_owned();
    }),
    ("pool.reconnect", Upstream::Stays, |d| d.pools[0].spec = "  reconnect: Never\n".to_owned()),
    ("listeners[].port", Upstream::Stays, |d| d.port = 0),
];

/// The connection that work comes from: to the first pool of the documents as they were.
pub(super) fn upstream(pools: &Pools) -> Option<ConnectionView> {
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
            documents.port = free_port();
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
    documents.port = free_port();
    proxy.apply(&documents.text()).await;
    Client::logged_in(documents.port).await.assert_alive().await;
    miner.assert_alive().await;
    let refused = TcpStream::connect(("127.0.0.1", old)).await;
    assert!(refused.is_err(), "the old port is closed");
}

#[tokio::test]
async fn miners_on_a_port_that_has_moved_leave_with_their_listener() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    documents.spec = "  drain: { timeout: 4s }\n".to_owned();
    let proxy = Process::start(&documents.text()).await;
    let mut miner = Client::logged_in(documents.port).await;
    documents.port = free_port();
    proxy.apply(&documents.text()).await;
    miner.assert_alive().await;
    documents.port = free_port();
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
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while proxy.status().await["config"].get("refused").is_some() {
        assert!(tokio::time::Instant::now() < deadline, "the refusal is shown for ever");
        tokio::task::yield_now().await;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Newcomers {
    LetIn,
    Refused,
}

/// Waits until the listener on `port` lets newcomers in, or until it does not: it takes up its limits all at once, some
/// time after the configuration as a whole is said to be applied.
async fn until_newcomers(port: u16, wanted: Newcomers) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut newcomer = TcpStream::connect(("127.0.0.1", port)).await.expect("an open port");
        let hello = b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n";
        // Whoever is not let in may be gone before it has spoken.
        newcomer.write_all(hello).await.ok();
        let answered = newcomer.read(&mut [0; 256]).await.is_ok_and(|bytes| bytes > 0);
        let found = if answered { Newcomers::LetIn } else { Newcomers::Refused };
        if found == wanted {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "newcomers: {found:?}");
    }
}

#[tokio::test]
async fn a_line_limit_holds_at_once_for_those_who_are_connected() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    let narrow = "      limits: { maxLineBytes: 1024, maxConnections: 1 }\n";
    documents.listener = narrow.to_owned();
    let proxy = Process::start(&documents.text()).await;
    let mut miner = Client::logged_in(documents.port).await;
    documents.listener = String::new();
    proxy.apply(&documents.text()).await;
    until_newcomers(documents.port, Newcomers::LetIn).await;
    miner.assert_alive().await;
    let long = "x".repeat(4_000);
    let reply = miner.call("mining.extranonce.subscribe", serde_json::json!([long])).await;
    assert_eq!(reply["result"], true, "{reply}");
    documents.listener = narrow.to_owned();
    proxy.apply(&documents.text()).await;
    until_newcomers(documents.port, Newcomers::Refused).await;
    miner.assert_alive().await;
    miner.send(&format!("{long}\n")).await;
    miner.closed().await;
    // The newcomers have gone as well, for another reason.
    let gone = |line: &Value| line["message"] == "miner gone" && line["reason"] == "line_too_long";
    eventually("it was the line", || proxy.log().iter().any(gone)).await;
}

#[tokio::test]
async fn a_pool_at_a_new_address_is_logged_in_to_before_the_old_one_is_left() {
    let pools = Pools::start().await;
    let other = Pools::start().await;
    let mut documents = pools.documents().await;
    let proxy = Process::start(&documents.text()).await;
    proxy.active("alpha").await;
    let mut miner = Client::logged_in(documents.port).await;
    miner.notification("mining.notify").await;
    let socket = miner.local_addr();
    documents.pools[0].address = other.addresses[0].to_string();
    proxy.apply(&documents.text()).await;
    let job = miner.until(|line| line["method"] == "mining.notify" && line["params"][8] == true);
    job.await;
    eventually("the old address is left", || pools.pools[0].connections().is_empty()).await;
    assert_eq!(other.pools[0].connections().len(), 1);
    proxy.active("alpha").await;
    miner.assert_alive().await;
    assert_eq!(miner.local_addr(), socket);
}

/// A further route to beta, and a further listener before it.
pub(super) fn with_another(text: &str, port: u16) -> String {
    let route = "  routes:\n    - name: other\n      pools: [{ poolRef: { name: beta } }]\n";
    let listener = format!(
        "  listeners:\n    - name: v2\n      port: {port}\n      routeRef: {{ name: other }}\n"
    );
    text.replace("  routes:\n", route).replace("  listeners:\n", &listener)
}

#[tokio::test]
async fn listeners_and_routes_come_and_go_beside_those_who_mine() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    documents.spec = "  drain: { timeout: 4s }\n".to_owned();
    documents.listener = "      routeRef: { name: main }\n".to_owned();
    let proxy = Process::start(&documents.text()).await;
    proxy.active("alpha").await;
    let mut miner = Client::logged_in(documents.port).await;
    let (socket, before) = (miner.local_addr(), upstream(&pools).map(|view| view.id));
    let port = free_port();
    proxy.apply(&with_another(&documents.text(), port)).await;
    let mut second = Client::logged_in(port).await;
    second.notification("mining.notify").await;
    assert_eq!(pools.pools[1].connections().len(), 2, "one for each route");
    proxy.apply(&documents.text()).await;
    second.closed().await;
    eventually("its route is left", || pools.pools[1].connections().len() == 1).await;
    miner.assert_alive().await;
    assert_eq!((miner.local_addr(), upstream(&pools).map(|view| view.id)), (socket, before));
}

#[tokio::test]
async fn a_listener_that_takes_another_route_brings_its_miners_along() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    // Both routes hand out what the smaller of the two pools can bear.
    documents.route = "      extranonce: { idBytes: 2, minerBytes: 2 }\n".to_owned();
    let layout = "    - name: other\n      extranonce: { idBytes: 2, minerBytes: 2 }\n";
    let text = |documents: &Documents, port| {
        with_another(&documents.text(), port).replace("    - name: other\n", layout)
    };
    let port = free_port();
    documents.listener = "      routeRef: { name: main }\n".to_owned();
    let proxy = Process::start(&text(&documents, port)).await;
    proxy.logged_after(0, "route switched to pool").await;
    let mut miner = Client::logged_in(documents.port).await;
    miner.notification("mining.notify").await;
    let socket = miner.local_addr();
    documents.listener = "      routeRef: { name: other }\n".to_owned();
    proxy.apply(&text(&documents, port)).await;
    miner.until(|line| line["method"] == "mining.notify" && line["params"][8] == true).await;
    miner.assert_alive().await;
    assert_eq!(miner.local_addr(), socket);
}
