//! Pools that must show that they pay whom they should.

use super::*;

const OURS: &str = "76a9147c154ed1dc59609e3d26abb2df2ea3d587cd8c4188ac";
const OTHERS: &str = "76a914000000000000000000000000000000000000000088ac";

fn verified(script: &str, min_percent: u8) -> Pool {
    let address = "1Example";
    pool(&json!({"payout": {"address": address, "scriptHex": script, "minPercent": min_percent}}))
}

/// Halves of a coinbase that pays 98 to the first script and 2 to the other, for 12 bytes of extranonce.
fn halves(first: &str, other: &str) -> (String, String) {
    let input = format!("01000000 01 {}ffffffff 0d 03", "00".repeat(32)).replace(' ', "");
    let outputs = format!("02 6200000000000000 19{first} 0200000000000000 19{other}");
    (input, format!("ffffffff {outputs} 00000000").replace(' ', ""))
}

async fn job(peer: &mut Peer, id: &str, first: &str) {
    let (coinb1, coinb2) = halves(first, OTHERS);
    peer.job_with(id, &json!(true), (&coinb1, &coinb2)).await;
}

#[test]
fn a_pool_that_pays_whom_it_must_is_mined_on() {
    play(verified(OURS, 98), async |mut bench| {
        let mut peer = bench.dialled().await.accept();
        peer.log_in().await;
        job(&mut peer, "1", OURS).await;
        assert_eq!(bench.news_until("job 1").await, ["connecting", "ready 1", "job 1 of 1"]);
    });
}

#[test]
fn a_pool_that_pays_somebody_else_is_not_until_it_mends_that() {
    play(verified(OURS, 50), async |mut bench| {
        let mut peer = bench.dialled().await.accept();
        peer.log_in().await;
        job(&mut peer, "1", OTHERS).await;
        let news = bench.news_until("unfit").await;
        assert!(!news.iter().any(|news| news.starts_with("job")), "{news:?}");
        assert!(news.last().is_some_and(|news| news.contains("1Example")), "{news:?}");
        job(&mut peer, "2", OURS).await;
        assert_eq!(bench.news_until("job").await, ["job 2 of 1"]);
        job(&mut peer, "3", OTHERS).await;
        bench.news_until("unfit").await;
        assert_eq!(bench.counted("loka_pool_unverified_jobs_total"), 2);
    });
}

#[test]
fn a_part_that_is_too_small_is_told_with_its_numbers() {
    play(verified(OURS, 99), async |mut bench| {
        let mut peer = bench.dialled().await.accept();
        peer.log_in().await;
        job(&mut peer, "1", OURS).await;
        let news = bench.news_until("unfit").await.pop().expect("news");
        assert!(news.contains("98 of 100") && news.contains("99 %"), "{news}");
    });
}

#[test]
fn what_must_be_paid_can_change_and_the_job_is_judged_anew() {
    play(pool(&json!({})), async |mut bench| {
        let mut peer = bench.dialled().await.accept();
        peer.log_in().await;
        job(&mut peer, "1", OTHERS).await;
        bench.news_until("job 1").await;
        bench.settings.send_replace(Arc::new(verified(OURS, 50)));
        bench.news_until("unfit").await;
        bench.settings.send_replace(Arc::new(verified(OTHERS, 50)));
        bench.news_until("job 1").await;
    });
}

#[test]
fn a_script_that_cannot_be_read_does_not_pass_for_none() {
    play(verified("zz", 50), async |mut bench| {
        let mut peer = bench.dialled().await.accept();
        peer.log_in().await;
        job(&mut peer, "1", OURS).await;
        bench.news_until("unfit").await;
    });
}
