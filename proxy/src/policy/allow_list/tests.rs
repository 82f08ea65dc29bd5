use tokio::time::{Duration, timeout};

use super::*;

fn list(accounts: &str) -> Arc<AllowList> {
    let text = format!("pools: [{{host: a.example.com, port: 1, accounts: {accounts}}}]");
    Arc::new(AllowList::parse(&text, "list").unwrap())
}

#[tokio::test(start_paused = true)]
async fn without_a_list_everything_is_allowed_and_nothing_changes() {
    let mut any = AllowedPools::default();
    assert_eq!(any.allows("anywhere", 1, "anybody"), Ok(()));
    assert!(timeout(Duration::from_secs(3600), any.changed()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_newest_list_holds_for_everybody_who_has_the_value() {
    let (lists, list_out) = watch::channel(list("[acme, other]"));
    let allowed = AllowedPools::by(list_out);
    assert_eq!(allowed.allows("a.example.com", 1, "acme"), Ok(()));
    let mut withdrawn = tokio::task::JoinSet::new();
    withdrawn.spawn(allowed.clone().withdrawn("a.example.com", 1, "acme"));
    lists.send_replace(list("[acme]"));
    tokio::task::yield_now().await;
    assert!(withdrawn.try_join_next().is_none());
    assert_eq!(allowed.allows("a.example.com", 1, "other"), Err(NotAllowed::Account));
    lists.send_replace(list("[other]"));
    assert_eq!(withdrawn.join_next().await.unwrap().unwrap(), NotAllowed::Account);
    assert_eq!(allowed.allows("b.example.com", 1, "other"), Err(NotAllowed::Address));
    // At the end of the process the last list holds.
    drop(lists);
    assert_eq!(allowed.allows("a.example.com", 1, "acme"), Err(NotAllowed::Account));
    let end = allowed.withdrawn("a.example.com", 1, "other");
    assert!(timeout(Duration::from_secs(3600), end).await.is_err());
}
