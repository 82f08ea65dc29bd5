//! Miners whom the pool is asked about.

use super::*;

fn named() -> Pool {
    pool(&json!({"workerNames": {"template": "{worker}", "loginsMax": 16}}))
}

impl Bench {
    /// Asks for `name` with this password.
    async fn ask(&self, name: &str, password: &str) -> oneshot::Receiver<Word> {
        let (reply, word) = Reply::new();
        let question =
            Question { name: name.into(), listener: "v1".into(), password: password.into(), reply };
        assert!(self.questions.send(question).await.is_ok(), "a task");
        word
    }
}

#[test]
fn a_pool_is_asked_with_the_miners_own_password_and_shares_go_under_the_login_at_once() {
    play(named(), async |mut bench| {
        let mut peer = bench.working().await;
        let job = bench.offered().await;
        let word = bench.ask("other.rig7", "secret-of-rig7").await;
        let (id, params) = peer.asked("mining.authorize").await;
        assert_eq!(params, json!(["acct.rig7", "secret-of-rig7"]));
        peer.answer(&id, json!(true), json!(null)).await;
        assert_eq!(word.await, Ok(Word::Yes));
        bench.submit(&job, 1, "other.rig7").await;
        assert_eq!(peer.submitted().await.1, "acct.rig7", "and is not asked for once more");
        assert_eq!(bench.ask("other.rig7", "secret-of-rig7").await.await, Ok(Word::Yes));
        let word = bench.ask("rig8", "wrong").await;
        let (id, _) = peer.asked("mining.authorize").await;
        peer.answer(&id, json!(null), json!([24, "no rig8 with wrong", null])).await;
        assert_eq!(word.await, Ok(Word::No));
        assert_eq!(bench.counted("loka_pool_names_refused_total"), 0, "it is the miner's affair");
    });
}

#[test]
fn a_pool_that_is_away_or_knows_no_names_or_dies_turns_nobody_away() {
    play(named(), async |mut bench| {
        let dialled = bench.dialled().await;
        assert_eq!(bench.ask("rig7", "x").await.await, Ok(Word::Unsaid), "it is being dialled");
        dialled.refuse();
        assert_eq!(bench.ask("rig7", "x").await.await, Ok(Word::Unsaid), "it is waited for");
        let mut peer = bench.working().await;
        let word = bench.ask("rig7", "x").await;
        peer.asked("mining.authorize").await;
        drop(peer);
        assert_eq!(word.await, Ok(Word::Unsaid), "it went without a word");
    });
    play(pool(&json!({})), async |mut bench| {
        let _peer = bench.working().await;
        assert_eq!(bench.ask("rig7", "x").await.await, Ok(Word::Unsaid));
    });
}
