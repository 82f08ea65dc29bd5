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
        tokio::time::sleep(Duration::from_secs(10)).await;
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
        tokio::time::sleep(Duration::from_secs(30)).await;
        peer.job("2").await;
        bench.news_until("job 2").await;
        tokio::task::yield_now().await;
        let facts = *bench.facts.borrow();
        assert_eq!(facts.last_job, first.map(|at| at + Duration::from_secs(30)));
        assert_eq!(facts.block().map(|block| block.first_seen), first);
    });
}
