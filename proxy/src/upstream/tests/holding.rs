//! Shares that come while their pool is away: held for a moment, and then lost, and never said to be anything else.

use super::*;
use crate::sink::ledger::Lost;

/// A pool that had a job and is being dialled again.
async fn away(bench: &mut Bench) -> (Arc<Job>, Dialled) {
    let peer = bench.working().await;
    let job = bench.offered().await;
    drop(peer);
    (job, bench.dialled().await)
}

#[test]
fn a_share_that_comes_while_its_pool_is_away_is_lost_after_two_seconds_and_its_miner_told() {
    play(pool(&json!({})), async |mut bench| {
        let (job, hangs) = away(&mut bench).await;
        let start = tokio::time::Instant::now();
        let answer = bench.submit(&job, 1, "rig").await;
        assert_eq!(answer.await, Ok(HandOver::Lost));
        assert!((1990..2100).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
        let counts = bench.counts();
        assert_eq!((counts.held, counts.lost.count(Lost::SessionLost)), (0, 1));
        drop(hangs);
    });
}

#[test]
fn a_share_for_a_session_that_is_over_is_lost_and_never_sent_to_the_next_one() {
    play(pool(&json!({})), async |mut bench| {
        let (job, dialled) = away(&mut bench).await;
        let early = bench.submit(&job, 1, "rig").await;
        let mut peer = dialled.accept();
        peer.extranonce1 = "08000003";
        peer.log_in().await;
        peer.job("1").await;
        bench.offered().await;
        let late = bench.submit(&job, 2, "rig").await;
        assert_eq!((early.await, late.await), (Ok(HandOver::Lost), Ok(HandOver::Lost)));
        assert_eq!(bench.counts().lost.count(Lost::SessionLost), 2);
        peer.say(&json!({"id": 5, "method": "mining.ping", "params": []}).to_string()).await;
        assert_eq!(peer.hear().await.0, json!(5), "its pong is the next line");
    });
}
