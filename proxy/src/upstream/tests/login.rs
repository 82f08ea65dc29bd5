//! What is said to a pool once it has let us in.

use loka_stratum::difficulty::Difficulty;

use super::*;

fn wanted(text: &str) -> Wanted {
    Wanted { difficulty: Some(Difficulty::parse(text).expect("a difficulty")) }
}

#[test]
fn a_pool_is_told_the_difficulty_that_suits_after_the_login_and_when_it_changes_much() {
    play(pool(&json!({})), async |mut bench| {
        bench.wanted.send_replace(wanted("4096"));
        let mut peer = bench.dialled().await.accept();
        peer.log_in().await;
        peer.job("1").await;
        assert_eq!(peer.grant("mining.suggest_difficulty", json!(true)).await, json!([4096]));
        let start = tokio::time::Instant::now();
        bench.wanted.send_replace(wanted("6000"));
        pass(Duration::from_secs(10)).await;
        bench.wanted.send_replace(wanted("10000"));
        assert_eq!(peer.asked("mining.suggest_difficulty").await.1, json!([10000]));
        assert_eq!(start.elapsed(), Duration::from_secs(60), "not more often than once a minute");
        drop(peer);
        let mut peer = bench.dialled().await.accept();
        peer.log_in().await;
        assert_eq!(peer.asked("mining.suggest_difficulty").await.1, json!([10000]), "anew");
    });
}

#[test]
fn a_pool_is_measured_while_it_works() {
    play(pool(&json!({})), async |mut bench| {
        let mut peer = bench.working().await;
        bench.news_until("job").await;
        assert!(bench.facts.borrow().block().is_some());
        let first = bench.facts.borrow().last_job;
        pass(Duration::from_secs(30)).await;
        peer.job("2").await;
        bench.news_until("job 2").await;
        tokio::task::yield_now().await;
        let facts = *bench.facts.borrow();
        assert_eq!(facts.last_job, first.map(|at| at + Duration::from_secs(30)));
        assert_eq!(facts.block().map(|block| block.first_seen), first);
    });
}

fn reconnect(host: &str, port: u16, wait: u32) -> String {
    json!({"id": null, "method": "client.reconnect", "params": [host, port, wait]}).to_string()
}

#[test]
fn a_pool_that_sends_us_below_its_own_name_is_followed_when_it_is_time_and_with_the_same_login() {
    play(pool(&json!({})), async |mut bench| {
        let mut peer = bench.working().await;
        peer.say(&reconnect("eu.pool.example", 443, 30)).await;
        pass(Duration::from_secs(29)).await;
        peer.job("2").await;
        bench.news_until("job 2").await;
        let asked = tokio::time::Instant::now();
        peer.closed().await;
        assert_eq!(asked.elapsed(), Duration::from_secs(1), "mining goes on until then");
        let dialled = bench.dialled().await;
        assert_eq!((dialled.host.as_str(), dialled.port), ("eu.pool.example", 443));
        let mut peer = dialled.accept();
        peer.grant("mining.configure", json!({})).await;
        peer.grant("mining.subscribe", json!([[], "08000003", 8])).await;
        assert_eq!(peer.asked("mining.authorize").await.1, json!(["acct.proxy", "x"]));
    });
}

#[test]
fn a_pool_that_fails_where_it_sent_us_is_sought_where_it_is_configured() {
    play(pool(&json!({})), async |mut bench| {
        let mut peer = bench.working().await;
        peer.say(&reconnect("eu.pool.example", 443, 0)).await;
        peer.closed().await;
        let dialled = bench.dialled().await;
        assert_eq!(dialled.host, "eu.pool.example");
        let mut peer = dialled.accept();
        peer.log_in().await;
        peer.job("1").await;
        drop(peer);
        let dialled = bench.dialled().await;
        assert_eq!(dialled.host, "eu.pool.example", "a loss is not a failure to connect");
        dialled.refuse();
        for _ in 0..3 {
            let dialled = bench.dialled().await;
            assert_eq!((dialled.host.as_str(), dialled.port), ("pool.example", 3333));
            dialled.refuse();
        }
    });
}

#[test]
fn a_pool_that_names_nobody_is_sought_where_it_is() {
    play(pool(&json!({})), async |mut bench| {
        let mut peer = bench.working().await;
        peer.say(&reconnect("eu.pool.example", 443, 0)).await;
        peer.closed().await;
        let mut peer = bench.dialled().await.accept();
        peer.log_in().await;
        peer.job("1").await;
        peer.say(&json!({"id": null, "method": "client.reconnect", "params": []}).to_string())
            .await;
        peer.closed().await;
        let dialled = bench.dialled().await;
        assert_eq!((dialled.host.as_str(), dialled.port), ("eu.pool.example", 443));
    });
}

#[test]
fn a_pool_that_sends_us_elsewhere_is_not_obeyed() {
    for (policy, host, port) in [
        ("SubDomain", "evil.example", 3333),
        ("SubDomain", "evilpool.example", 3333),
        ("SameHost", "eu.pool.example", 3333),
        ("Never", "pool.example", 3333),
    ] {
        play(pool(&json!({"reconnect": policy})), async |mut bench| {
            let mut peer = bench.working().await;
            peer.say(&reconnect(host, port, 0)).await;
            pass(Duration::from_secs(10)).await;
            peer.job("2").await;
            bench.news_until("job 2").await;
            assert!(bench.dials.try_recv().is_err(), "{policy} {host}");
        });
    }
}

#[test]
fn a_redirect_that_is_no_longer_allowed_is_forgotten() {
    play(pool(&json!({})), async |mut bench| {
        let mut peer = bench.working().await;
        peer.say(&reconnect("eu.pool.example", 443, 0)).await;
        peer.closed().await;
        let mut peer = bench.dialled().await.accept();
        peer.log_in().await;
        bench.settings.send_replace(Arc::new(pool(&json!({"reconnect": "SameHost"}))));
        peer.job("2").await;
        bench.news_until("job 2").await;
        drop(peer);
        assert_eq!(bench.dialled().await.host, "pool.example");
    });
}

#[test]
fn a_pool_is_suggested_nothing_where_that_is_disabled() {
    play(pool(&json!({"suggestDifficulty": "Disabled"})), async |mut bench| {
        bench.wanted.send_replace(wanted("4096"));
        let mut peer = bench.working().await;
        pass(Duration::from_secs(10)).await;
        peer.say(&json!({"id": 5, "method": "mining.ping", "params": []}).to_string()).await;
        assert_eq!(peer.hear().await.0, json!(5), "its pong is the next line");
    });
}
