//! What operators look at.

use loka_tests::process::{Process, eventually, run_to_end, samples};

use loka_tests::rig::{Pools, miners};

#[tokio::test]
async fn the_pages_tell_the_truth() {
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let proxy = Process::start(&documents.text()).await;
    assert_eq!(proxy.page("/livez").await.0, 200);
    let rack = miners(3, documents.port);
    eventually("alpha pays", || pools.accepted()[0] > 5).await;
    rack.power_off().await;
    let ledger = proxy.quiet_ledger().await;
    let (code, metrics) = proxy.page("/metrics").await;
    assert_eq!(code, 200);
    let row = |name: &str, pool: &str| -> u64 {
        let lines = metrics.lines().filter(|line| line.starts_with(name) && line.contains(pool));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    let counted = row("loka_shares_pool_accepted_total", "pool=\"alpha\"");
    assert_eq!(counted, ledger.total.pool_accepted, "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    let status = proxy.status().await;
    assert_eq!(status["routes"][0]["activePool"], "alpha", "{status:#}");
    assert_eq!(status["routes"][0]["pools"][0]["account"], "acct", "{status:#}");
    assert_eq!(proxy.page("/nothing").await.0, 404);
}

#[tokio::test]
async fn the_samples_are_valid_and_check_says_who_is_paid() {
    let samples = samples();
    let ended = run_to_end(&["check", "-f", samples.to_str().unwrap()], &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    for word in ["acme-mining", "acme-mining.farm-east", "eu.primary-pool.example.com:3333"] {
        assert!(ended.text.contains(word), "no {word:?} in {}", ended.text);
    }
    assert!(!ended.text.contains("replace-me"), "a password is shown: {}", ended.text);
}
