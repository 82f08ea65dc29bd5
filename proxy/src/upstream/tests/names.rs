//! Miners' names at the pool.

use super::*;

fn named(logins_max: u16) -> Pool {
    pool(&json!({"workerNames": {"template": "{worker}", "loginsMax": logins_max}}))
}

#[test]
fn a_miners_work_goes_under_its_name_once_the_pool_has_let_that_in() {
    play(named(16), async |mut bench| {
        let mut peer = bench.working().await;
        let job = bench.offered().await;
        let first = bench.submit(&job, 1, "other.rig7").await;
        // Asked for, and the share does not wait for the answer.
        let (login, params) = peer.asked("mining.authorize").await;
        assert_eq!(params, json!(["acct.rig7", "x"]));
        let (id, user, _) = peer.submitted().await;
        assert_eq!(user, "acct.proxy");
        assert_eq!(first.await, Ok(HandOver::Written));
        peer.answer(&login, json!(true), json!(null)).await;
        peer.answer(&id, json!(true), json!(null)).await;
        pass(Duration::from_millis(1)).await;
        bench.submit(&job, 2, "other.rig7").await;
        let (id, user, nonce) = peer.submitted().await;
        assert_eq!((user.as_str(), nonce.as_str()), ("acct.rig7", "00000002"));
        peer.answer(&id, json!(true), json!(null)).await;
        pass(Duration::from_millis(1)).await;
        assert_eq!(bench.counts().pool_accepted, 2);
        assert_eq!(bench.counted("loka_pool_unnamed_shares_total"), 1);
    });
}

#[test]
fn a_name_that_the_pool_refuses_or_that_is_one_too_many_goes_under_the_plain_login() {
    play(named(1), async |mut bench| {
        let mut peer = bench.working().await;
        let job = bench.offered().await;
        bench.submit(&job, 1, "x.rig1").await;
        let (login, _) = peer.asked("mining.authorize").await;
        peer.answer(&login, json!(false), json!([24, "who?", null])).await;
        peer.submitted().await;
        pass(Duration::from_millis(1)).await;
        bench.submit(&job, 2, "x.rig1").await;
        assert_eq!(peer.submitted().await.1, "acct.proxy", "refused, and not asked for again");
        bench.submit(&job, 3, "x.rig2").await;
        let (login, params) = peer.asked("mining.authorize").await;
        assert_eq!(params[0], "acct.rig2");
        peer.answer(&login, json!(true), json!(null)).await;
        peer.submitted().await;
        pass(Duration::from_millis(1)).await;
        bench.submit(&job, 4, "x.rig3").await;
        assert_eq!(peer.submitted().await.1, "acct.proxy", "one too many");
        bench.submit(&job, 5, "x.rig2").await;
        assert_eq!(peer.submitted().await.1, "acct.rig2");
        assert_eq!(bench.counted("loka_pool_unnamed_shares_total"), 4);
    });
}

#[test]
fn a_name_that_the_pool_turns_against_is_used_no_more() {
    play(named(16), async |mut bench| {
        let mut peer = bench.working().await;
        let job = bench.offered().await;
        bench.submit(&job, 1, "x.rig1").await;
        let (login, _) = peer.asked("mining.authorize").await;
        peer.answer(&login, json!(true), json!(null)).await;
        peer.submitted().await;
        pass(Duration::from_millis(1)).await;
        bench.submit(&job, 2, "x.rig1").await;
        let (id, user, _) = peer.submitted().await;
        assert_eq!(user, "acct.rig1");
        peer.answer(&id, json!(null), json!([24, "Unauthorized worker", null])).await;
        pass(Duration::from_millis(1)).await;
        bench.submit(&job, 3, "x.rig1").await;
        assert_eq!(peer.submitted().await.1, "acct.proxy");
    });
}

#[test]
fn no_name_of_a_miner_changes_the_account() {
    play(named(256), async |mut bench| {
        let mut peer = bench.working().await;
        let job = bench.offered().await;
        let long = "x".repeat(300);
        for (nonce, name) in (0..).zip(["victim.worker", "a.b.c", "a\u{0}\r\n\"b", &long, "é", "."])
        {
            bench.submit(&job, nonce, name).await;
            loop {
                let (_, method, params) = peer.hear().await;
                let user = params[0].as_str().expect("a login").to_owned();
                let suffix = user.strip_prefix("acct.").expect("the account");
                assert!(!suffix.contains('.') && suffix.len() <= 63, "{user}");
                if method == "mining.submit" {
                    break;
                }
            }
        }
    });
}

#[test]
fn a_pool_that_is_told_no_names_gets_everything_under_its_login() {
    play(pool(&json!({})), async |mut bench| {
        let mut peer = bench.working().await;
        let job = bench.offered().await;
        bench.submit(&job, 1, "other.rig7").await;
        assert_eq!(peer.submitted().await.1, "acct.proxy");
        assert_eq!(bench.counted("loka_pool_unnamed_shares_total"), 0);
    });
}
