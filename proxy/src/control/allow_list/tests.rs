use tokio::time::sleep;

use super::*;
use crate::config::Blame;
use crate::config::fixture::OnDisk;

const LIST: &str = "pools: [{host: pool.example.com, port: 3333, accounts: [acme]}]";

fn follow(disk: &OnDisk) -> Result<(FollowAllowList, AllowedPools), ConfigError> {
    follow_allow_list(disk.path("list.yaml"), Telemetry::silent())
}

/// Long enough for a change to be seen twice.
async fn settle() {
    sleep(POLL_INTERVAL * 3).await;
}

#[test]
fn a_list_that_is_not_there_or_wrong_stops_the_process() {
    let disk = OnDisk::empty();
    let error = follow(&disk).expect_err("no file");
    assert_eq!(error.blame, Blame::Files);
    assert!(error.texts()[0].contains("list.yaml: cannot be read"), "{error}");
    disk.write("list.yaml", "pools: [{host: a, port: 70000, accounts: [b]}]");
    let error = follow(&disk).expect_err("no port");
    assert_eq!(error.blame, Blame::Documents);
    assert!(error.texts()[0].contains("pools[0].port (70000): must be from 1 to 65535"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_changed_list_holds_and_a_bad_one_changes_nothing() {
    let disk = OnDisk::empty();
    disk.write("list.yaml", LIST);
    let (follow, allowed) = follow(&disk).unwrap();
    let stop = CancellationToken::new();
    let mut following = tokio::task::JoinSet::new();
    following.spawn(follow.run(stop.clone()));
    let is_allowed = |account: &str| allowed.allows("pool.example.com", 3333, account).is_ok();
    assert!(is_allowed("acme") && !is_allowed("other"));

    disk.write("list.yaml", LIST.replace("acme", "other"));
    settle().await;
    assert!(!is_allowed("acme") && is_allowed("other"));

    for bad in ["", "pools: 5", "{"] {
        disk.write("list.yaml", bad);
        settle().await;
        assert!(is_allowed("other"), "{bad}");
    }
    std::fs::remove_file(disk.path("list.yaml")).unwrap();
    settle().await;
    assert!(is_allowed("other"));

    disk.write("list.yaml", "pools: []");
    settle().await;
    assert!(!is_allowed("other"), "an empty list is one");
    stop.cancel();
    following.join_next().await.expect("it follows").expect("to a good end");
}
