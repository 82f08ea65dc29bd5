//! Farms that mine through the proxy, and lose nothing by its troubles.

use loka_farm::miner::counts::Disconnect;
use loka_farm::miner::{MinerState, MinerStatus};
use loka_farm::profile::Profile;
use loka_tests::books::{Books as _, Ledger, MinerLinks};
use loka_tests::process::{Process, eventually};

use loka_tests::rig::{DIFFICULTY, NAMES, Pools, difficulty, miners};

/// One of each firmware.
fn every_firmware() -> usize {
    Profile::all().len()
}

/// All books, once everything is quiet.
#[track_caller]
fn assert_books_agree(ledger: &Ledger, pools: &Pools, miners: &[MinerStatus], links: MinerLinks) {
    for (name, pool) in NAMES.iter().zip(&pools.pools) {
        ledger.assert_agrees_with_pool(name, &pool.counts());
    }
    ledger.assert_agrees_with_miners(&MinerStatus::totals(miners), links);
}

#[tokio::test]
async fn every_firmware_mines_through_failover_and_fail_back_on_one_connection() {
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let proxy = Process::start(&documents.text()).await;
    let rack = miners(every_firmware(), documents.port);
    eventually("alpha pays", || pools.accepted()[0] > 40).await;
    pools.pools[0].control().kill();
    proxy.active("beta").await;
    let before = pools.accepted()[1];
    eventually("beta pays", || pools.accepted()[1] > before + 40).await;
    pools.pools[0].control().revive();
    proxy.active("alpha").await;
    let before = pools.accepted()[0];
    eventually("alpha pays again", || pools.accepted()[0] > before + 40).await;
    let last = rack.power_off().await;
    let ledger = proxy.quiet_ledger().await;
    assert_books_agree(&ledger, &pools, &last, MinerLinks::Whole);
    for miner in &last {
        assert_eq!(miner.traps, [], "{}", miner.profile);
        assert_eq!(miner.counts.connects, 1, "{} reconnected", miner.profile);
        assert!(miner.counts.accepted > 0, "{} found nothing", miner.profile);
    }
    assert_eq!(ledger.total.pool_rejected.get("low_difficulty"), None, "{:?}", ledger.total);
}

#[tokio::test]
async fn pools_that_restart_or_drop_their_sessions_cost_nobody_the_connection() {
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let proxy = Process::start(&documents.text()).await;
    let rack = miners(every_firmware(), documents.port);
    let control = pools.pools[0].control();
    eventually("alpha pays", || pools.accepted()[0] > 20).await;
    let before = pools.accepted()[0];
    control.restart_session();
    eventually("alpha pays after its restart", || pools.accepted()[0] > before + 20).await;
    control.set_difficulty(difficulty(DIFFICULTY));
    control.set_version_mask(0x1fff_e000);
    let before = pools.accepted()[0];
    eventually("alpha pays by its new terms", || pools.accepted()[0] > before + 60).await;
    let before: u64 = pools.accepted().iter().sum();
    control.drop_connections();
    // Whichever it is: a farm goes back to a better pool once a minute at most.
    let paid = || pools.accepted().iter().sum::<u64>();
    eventually("somebody pays after the drop", || paid() > before + 60).await;
    let last = rack.power_off().await;
    let ledger = proxy.quiet_ledger().await;
    assert_books_agree(&ledger, &pools, &last, MinerLinks::Whole);
    assert!(last.iter().all(|miner| miner.counts.connects == 1));
}

/// What SIGKILL cannot take: a share that was acknowledged has left for its pool.
#[tokio::test]
async fn a_share_that_was_acknowledged_is_at_its_pool_even_if_the_proxy_is_killed() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    // As hard as the pool's, so that every share is due.
    documents.difficulty = 2.0 * DIFFICULTY * 100.0;
    let proxy = Process::start(&documents.text()).await;
    let rack = miners(every_firmware(), documents.port);
    eventually("alpha pays", || pools.accepted()[0] > 60).await;
    proxy.signal("KILL").await;
    let (status, _) = proxy.ended().await;
    assert_eq!(status.code(), None);
    eventually("everybody has noticed", || {
        rack.statuses().iter().all(|miner| miner.state != MinerState::Mining)
    })
    .await;
    let last = rack.power_off().await;
    eventually("the pool has read everything", || pools.pools[0].connections().is_empty()).await;
    let acknowledged: u64 = last.iter().map(|miner| miner.counts.accepted).sum();
    let received: u64 = pools.pools.iter().map(|pool| pool.counts().received).sum();
    assert!(acknowledged > 60, "{acknowledged}");
    assert!(received >= acknowledged, "{acknowledged} acknowledged, {received} at the pools");
}

#[tokio::test]
async fn sigterm_drains_and_loses_nothing() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    documents.spec = "  drain: { timeout: 8s }\n".to_owned();
    // As hard as the pool's, so that every share is due.
    documents.difficulty = 2.0 * DIFFICULTY * 100.0;
    let proxy = Process::start(&documents.text()).await;
    let rack = miners(every_firmware(), documents.port);
    eventually("alpha pays", || pools.accepted()[0] > 40).await;
    proxy.signal("TERM").await;
    proxy.logged("draining").await;
    assert_eq!(proxy.page("/readyz").await.0, 503);
    let (status, log) = proxy.ended().await;
    assert_eq!(status.code(), Some(0), "{log:#?}");
    let drained = log.iter().any(|line| line["message"] == "drained");
    assert!(drained, "{log:#?}");
    let last = rack.power_off().await;
    eventually("the pool has read everything", || pools.pools[0].connections().is_empty()).await;
    let acknowledged: u64 = last.iter().map(|miner| miner.counts.accepted).sum();
    let refused: u64 = last.iter().map(|miner| miner.counts.rejected.total()).sum();
    let received: u64 = pools.pools.iter().map(|pool| pool.counts().received).sum();
    assert!(acknowledged > 40, "{acknowledged}");
    assert!(received >= acknowledged, "{acknowledged} acknowledged, {received} at the pools");
    assert!(refused * 20 < acknowledged, "{refused} refused of {acknowledged}");
    assert!(last.iter().all(|miner| miner.counts.disconnects.of(Disconnect::Lost) == 0));
}
