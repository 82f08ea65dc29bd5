//! No pool at all: miners are held and told so honestly, or let go after a time.

use loka_tests::process::Process;
use serde_json::json;

use super::client::Client;
use loka_tests::rig::Pools;

async fn without_pools(route: &str) -> (Pools, Process, u16) {
    let pools = Pools::start().await;
    for pool in &pools.pools {
        pool.control().kill();
    }
    let mut documents = pools.documents().await;
    documents.route = route.to_owned();
    let proxy = Process::start(&documents.text()).await;
    (pools, proxy, documents.port)
}

#[tokio::test]
async fn held_miners_are_answered_and_given_work_as_soon_as_there_is_some() {
    let (pools, proxy, port) = without_pools("").await;
    let mut miner = Client::logged_in(port).await;
    proxy.logged("no pool left").await;
    let submitted =
        miner.call("mining.submit", json!(["acct.it", "1", "0000", "00000000", "00000000"])).await;
    assert_eq!(submitted["error"][0], 21, "{submitted}");
    pools.pools[1].control().revive();
    miner.notification("mining.notify").await;
    assert_eq!(proxy.page("/readyz").await.0, 200);
}

#[tokio::test]
async fn miners_are_let_go_after_the_time_that_the_document_gives() {
    let route = "      onNoPool: { policy: Close, after: 1s }\n";
    let (_pools, proxy, port) = without_pools(route).await;
    let mut miner = Client::connect(port).await;
    miner.send("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n").await;
    miner.closed().await;
    let closed = proxy.logged("miner gone").await;
    assert_eq!(closed["reason"], "no_pool", "{closed}");
}
