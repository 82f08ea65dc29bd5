//! Shares that were on their way when a connection was lost.

use super::*;

const YES: Value = Value::Bool(true);

/// A working pool with a share written and not answered, and then no connection.
async fn cut_off(bench: &mut Bench, nonces: &[u32]) {
    let mut peer = bench.working().await;
    let job = bench.offered().await;
    for nonce in nonces {
        let answer = bench.submit(&job, *nonce, "rig").await;
        peer.submitted().await;
        assert_eq!(answer.await, Ok(HandOver::Written));
    }
    assert_eq!(bench.counts().outstanding, u64::try_from(nonces.len()).unwrap());
}

#[test]
fn what_the_pool_had_not_received_is_paid_when_its_session_resumes() {
    play(pool(&json!({})), async |mut bench| {
        cut_off(&mut bench, &[1, 2]).await;
        assert_eq!(bench.counts().outstanding, 2, "their fate is open");
        let mut peer = bench.dialled().await.accept();
        peer.log_in().await;
        for nonce in ["00000001", "00000002"] {
            let (id, user, resent) = peer.submitted().await;
            assert_eq!((user.as_str(), resent.as_str()), ("acct.proxy", nonce));
            peer.answer(&id, YES, json!(null)).await;
        }
        peer.job("2").await;
        bench.news_until("job 2").await;
        let counts = bench.counts();
        assert_eq!((counts.pool_accepted, counts.outstanding), (2, 0));
    });
}

#[test]
fn what_the_pool_says_to_a_second_time_is_no_verdict_on_the_first() {
    play(pool(&json!({})), async |mut bench| {
        cut_off(&mut bench, &[1, 2]).await;
        let mut peer = bench.dialled().await.accept();
        peer.log_in().await;
        let (id, ..) = peer.submitted().await;
        peer.answer(&id, json!(false), json!([22, "Duplicate share", null])).await;
        let (id, ..) = peer.submitted().await;
        peer.answer(&id, json!(false), json!([21, "Job not found", null])).await;
        peer.job("2").await;
        bench.news_until("job 2").await;
        let counts = bench.counts();
        assert_eq!(counts.unanswered.count(Unanswered::ReceivedBefore), 1);
        assert_eq!(counts.unanswered.count(Unanswered::RefusedAgain), 1);
        assert_eq!(counts.pool_rejected.total(), 0);
        assert_eq!(bench.facts.borrow().rejected, 0, "nor does it count against the pool");
    });
}

#[test]
fn a_session_that_is_new_gets_nothing_of_the_former() {
    play(pool(&json!({})), async |mut bench| {
        cut_off(&mut bench, &[1]).await;
        let mut peer = bench.dialled().await.accept();
        peer.extranonce1 = "08000003";
        peer.log_in().await;
        peer.job("1").await;
        bench.offered().await;
        let counts = bench.counts();
        assert_eq!(counts.unanswered.count(Unanswered::ConnectionLost), 1);
        peer.say(&json!({"id": 5, "method": "mining.ping", "params": []}).to_string()).await;
        assert_eq!(peer.hear().await.0, json!(5), "its pong is the next line");
    });
}

#[test]
fn a_share_whose_job_has_ended_is_not_sent_again() {
    play(pool(&json!({})), async |mut bench| {
        let mut peer = bench.working().await;
        let job = bench.offered().await;
        bench.submit(&job, 1, "rig").await;
        peer.submitted().await;
        peer.job_with("2", &json!(true), ("00", "01")).await;
        let job = bench.offered().await;
        bench.submit(&job, 2, "rig").await;
        peer.submitted().await;
        peer.job_with("3", &json!(false), ("00", "01")).await;
        bench.offered().await;
        drop(peer);
        let mut peer = bench.dialled().await.accept();
        peer.log_in().await;
        assert_eq!(peer.submitted().await.2, "00000002");
        assert_eq!(bench.counts().unanswered.count(Unanswered::ConnectionLost), 1);
    });
}

#[test]
fn a_pool_that_does_not_come_back_in_time_has_them_unanswered() {
    play(pool(&json!({})), async |mut bench| {
        cut_off(&mut bench, &[1]).await;
        let lost = tokio::time::Instant::now();
        let hangs = bench.dialled().await;
        while bench.counts().outstanding > 0 {
            pass(Duration::from_secs(1)).await;
            while bench.dials.try_recv().is_ok() {}
        }
        assert!((9..=11).contains(&lost.elapsed().as_secs()), "{:?}", lost.elapsed());
        assert_eq!(bench.counts().unanswered.count(Unanswered::ConnectionLost), 1);
        drop(hangs);
    });
}

#[test]
fn a_share_is_sent_again_once_however_often_the_connection_is_lost() {
    play(pool(&json!({})), async |mut bench| {
        cut_off(&mut bench, &[1]).await;
        let mut peer = bench.dialled().await.accept();
        peer.log_in().await;
        assert_eq!(peer.submitted().await.2, "00000001");
        drop(peer);
        let mut peer = bench.dialled().await.accept();
        peer.log_in().await;
        peer.job("2").await;
        bench.news_until("job 2").await;
        assert_eq!(bench.counts().unanswered.count(Unanswered::ConnectionLost), 1);
        peer.say(&json!({"id": 5, "method": "mining.ping", "params": []}).to_string()).await;
        assert_eq!(peer.hear().await.0, json!(5), "its pong is the next line");
    });
}
