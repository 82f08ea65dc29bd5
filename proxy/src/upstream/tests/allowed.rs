//! The allow-list, asked before each dial and for as long as a connection lives.

use loka_api::allow_list::AllowList;

use super::*;

fn list(text: &str) -> Arc<AllowList> {
    Arc::new(AllowList::parse(text, "list").unwrap())
}

const ACCT: &str = "pools: [{host: pool.example, port: 3333, accounts: [acct]}]";
const OTHER: &str = "pools: [{host: pool.example, port: 3333, accounts: [other]}]";

/// What `loka_proxy_pool_refused` has counted.
fn refused(bench: &Bench, reason: &str) -> u64 {
    let (mut exposed, scraped) = (String::new(), prometheus_client::registry::Registry::default());
    bench.telemetry.metrics().encode(&mut exposed, &scraped).expect("metrics");
    let wanted = format!("loka_proxy_pool_refused_total{{reason=\"{reason}\"}} ");
    let counts = exposed.lines().find_map(|line| line.strip_prefix(&wanted));
    counts.map_or(0, |count| count.parse().expect("a count"))
}

#[test]
fn a_pool_that_the_list_does_not_have_is_never_dialled() {
    let (_lists, list_out) = watch::channel(list("pools: []"));
    play_within(AllowedPools::by(list_out), pool(&json!({})), async |mut bench| {
        bench.news_until("Loud not_allowed").await;
        assert!(refused(&bench, "address") >= 1);
        assert!(timeout(PATIENCE, bench.dials.recv()).await.is_err(), "an hour without a dial");
    });
}

#[test]
fn a_list_that_has_come_to_allow_a_pool_is_heeded_at_once() {
    let (lists, list_out) = watch::channel(list(OTHER));
    play_within(AllowedPools::by(list_out), pool(&json!({})), async |mut bench| {
        bench.news_until("Loud not_allowed").await;
        assert!(refused(&bench, "account") >= 1);
        let before = tokio::time::Instant::now();
        lists.send_replace(list(ACCT));
        drop(bench.working().await);
        assert_eq!(before.elapsed(), Duration::ZERO);
    });
}

/// Hash must stop going to an account that is struck from the list, not only no longer begin to.
#[test]
fn a_connection_ends_when_its_account_is_struck_from_the_list() {
    let (lists, list_out) = watch::channel(list(ACCT));
    play_within(AllowedPools::by(list_out), pool(&json!({})), async |mut bench| {
        let mut peer = bench.working().await;
        bench.news_until("job 1").await;
        lists.send_replace(list(OTHER));
        peer.closed().await;
        bench.news_until("Loud not_allowed").await;
        assert!(timeout(PATIENCE, bench.dials.recv()).await.is_err());
    });
}

#[test]
fn a_redirection_to_where_the_list_does_not_reach_is_not_followed() {
    let (_lists, list_out) = watch::channel(list(ACCT));
    play_within(AllowedPools::by(list_out), pool(&json!({})), async |mut bench| {
        let mut peer = bench.working().await;
        let reconnect = json!({"id": null, "method": "client.reconnect",
            "params": ["evil.pool.example", 3333, 0]});
        peer.say(&reconnect.to_string()).await;
        let again = bench.dialled().await;
        assert_eq!((again.host.as_str(), again.port), ("pool.example", 3333));
    });
}
