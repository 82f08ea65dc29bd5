//! Connections that fail or are lost: what is said of it, and when it is tried again.

use super::*;

#[test]
fn a_first_connect_that_fails_is_told_once() {
    play(pool(&json!({})), async |mut bench| {
        bench.dialled().await.refuse();
        bench.dialled().await.refuse();
        let news = bench.news_until("Loud").await;
        let expected = ["connecting", "Quiet connect_failed", "connecting", "Loud connect_failed"];
        assert_eq!(news, expected);
        assert_eq!(bench.downs(), 1);
    });
}

#[test]
fn an_idle_stand_by_that_is_dropped_and_comes_back_is_no_event() {
    play(pool(&json!({})), async |mut bench| {
        let mut peer = bench.working().await;
        for session in 0..5 {
            pass(Duration::from_secs(120)).await;
            drop(peer);
            let before = tokio::time::Instant::now();
            peer = bench.working().await;
            assert_eq!(before.elapsed(), Duration::ZERO, "{session}: at once");
        }
        peer.job("9").await;
        let news = bench.news_until("job 9").await;
        assert!(!news.iter().any(|news| news.starts_with("Loud")), "{news:?}");
        assert_eq!(bench.downs(), 0);
    });
}

#[test]
fn an_idle_stand_by_that_is_not_back_at_once_is_down() {
    play(pool(&json!({})), async |mut bench| {
        let peer = bench.working().await;
        pass(Duration::from_secs(120)).await;
        drop(peer);
        bench.news_until("Quiet disconnected").await;
        bench.dialled().await.refuse();
        assert_eq!(bench.news_until("Loud").await, ["connecting", "Loud connect_failed"]);
        assert_eq!(bench.downs(), 1);
    });
}

#[test]
fn a_retry_that_hangs_does_not_keep_a_loss_unsaid() {
    let slow = json!({"timeouts": {
        "connectMs": 300_000, "handshakeMs": 10000, "firstJobMs": 30000, "jobSilenceMs": 600_000, "submitMs": 60000
    }});
    play(pool(&slow), async |mut bench| {
        let peer = bench.working().await;
        pass(Duration::from_secs(120)).await;
        drop(peer);
        bench.news_until("Quiet disconnected").await;
        let _hangs = bench.dialled().await;
        let before = tokio::time::Instant::now();
        assert_eq!(bench.news_until("Loud").await, ["connecting", "Loud disconnected"]);
        assert_eq!(before.elapsed(), Duration::from_secs(30));
    });
}

/// How long the task waits between its first `count` tries.
async fn gaps(bench: &mut Bench, count: usize, mut fail: impl AsyncFnMut(Peer)) -> Vec<Duration> {
    let mut gaps = Vec::new();
    fail(bench.dialled().await.accept()).await;
    for _ in 0..count {
        let failed = tokio::time::Instant::now();
        let dialled = bench.dialled().await;
        gaps.push(failed.elapsed());
        while bench.updates.try_recv().is_ok() {}
        fail(dialled.accept()).await;
    }
    gaps
}

#[test]
fn a_login_that_is_refused_is_tried_again_ever_more_rarely() {
    play(pool(&json!({})), async |mut bench| {
        let gaps = gaps(&mut bench, 12, async |mut peer| {
            peer.grant("mining.configure", json!({})).await;
            peer.grant("mining.subscribe", json!([[], "08000002", 8])).await;
            let (id, _) = peer.asked("mining.authorize").await;
            peer.say(&json!({"id": id, "result": false, "error": null}).to_string()).await;
            peer.closed().await;
        })
        .await;
        assert!((1..=2).contains(&gaps[0].as_secs()), "never at once: {gaps:?}");
        assert!((150..=300).contains(&gaps[11].as_secs()), "{gaps:?}");
    });
}

#[test]
fn a_pool_that_logs_in_and_never_sends_a_job_is_left_alone_for_longer() {
    play(pool(&json!({})), async |mut bench| {
        let gaps = gaps(&mut bench, 14, async |mut peer| {
            peer.log_in().await;
            peer.closed().await;
        })
        .await;
        assert_eq!(gaps[0], Duration::ZERO);
        assert!((60..=120).contains(&gaps[13].as_secs()), "{gaps:?}");
    });
}

#[test]
fn a_pool_that_floods_us_with_jobs_is_left_and_one_that_answers_many_shares_is_not() {
    play(pool(&json!({})), async |mut bench| {
        let mut peer = bench.working().await;
        let job = bench.offered().await;
        for nonce in 0..4_000 {
            let answer = bench.submit(&job, nonce, "rig").await;
            let (id, _, _) = peer.submitted().await;
            peer.answer(&id, json!(true), Value::Null).await;
            assert_eq!(answer.await, Ok(HandOver::Written), "{nonce}");
        }
        // A job a second, each with its difficulty, for hours.
        for second in 0..7_200 {
            peer.job(&format!("a{second}")).await;
            pass(Duration::from_secs(1)).await;
            bench.offered().await;
        }
        let mut jobs = 0;
        let end = loop {
            assert!(jobs < 5_000, "it is never left");
            peer.job(&format!("b{jobs}")).await;
            match timeout(PATIENCE, bench.updates.recv()).await.expect("news").expect("a task").news
            {
                News::Down { reason, .. } => break reason,
                _ => jobs += 1,
            }
        };
        assert_eq!(end, PoolDownReason::Misbehaved);
        assert!((1_400..1_600).contains(&jobs), "two lines a job: {jobs}");
    });
}
