use futures_util::{FutureExt as _, StreamExt as _};
use loka_api::runtime_config::{Drain, Observability, RuntimeConfig};

use super::*;

fn key() -> ProxyKey {
    ProxyKey::new("mining", "farm-east")
}

fn pod(name: &str) -> PodId {
    PodId { name: name.to_owned(), uid: format!("uid-{name}") }
}

fn snapshot(sequence: u64) -> Arc<Snapshot> {
    let config = RuntimeConfig {
        schema: 1,
        name: format!("mining/{sequence}"),
        listeners: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        firmware: Vec::new(),
        drain: Drain { timeout_ms: 0 },
        observability: Observability::default(),
    };
    Arc::new(Snapshot::new("epoch", sequence, config))
}

fn connect(fleet: &Arc<Fleet>, name: &str) -> Link {
    fleet.connect(key(), pod(name), &Hello::default()).unwrap()
}

fn only(fleet: &Fleet) -> PodLink {
    let links = fleet.links(&key());
    assert_eq!(links.len(), 1, "{links:?}");
    links.into_iter().next().unwrap()
}

#[test]
fn what_a_pod_says_is_shown_until_it_goes() {
    let (fleet, _changes) = Fleet::new();
    let link = connect(&fleet, "a");
    let other = connect(&fleet, "b");
    drop(other);
    let identity = snapshot(1).identity.clone();
    link.refused(identity.clone(), vec![Problem::default()]);
    assert_eq!(only(&fleet).refused.unwrap().identity, identity);
    link.acked(identity.clone());
    let shown = only(&fleet);
    assert_eq!((shown.running, shown.refused), (Some(identity), None));
    link.reported(Report { miners: 3, ..Report::default() });
    assert_eq!(only(&fleet).report.unwrap().miners, 3);
    drop(link);
    assert_eq!(fleet.links(&key()), []);
    assert!(fleet.proxies.is_empty());
}

#[test]
fn a_pod_is_sent_the_latest_snapshot_once() {
    let (fleet, _changes) = Fleet::new();
    let link = connect(&fleet, "a");
    let mut snapshots = link.snapshots();
    for sequence in 1..=3 {
        fleet.send(&key(), "uid-a", &snapshot(sequence));
    }
    let got = snapshots.borrow_and_update().clone().unwrap();
    assert_eq!(got.identity.sequence, 3);
    assert_eq!(only(&fleet).sent.unwrap().sequence, 3);
    fleet.send(&key(), "uid-a", &snapshot(3));
    assert!(!snapshots.has_changed().unwrap());
    // A refused one is sent again if the controller says so.
    link.refused(got.identity.clone(), Vec::new());
    fleet.send(&key(), "uid-a", &snapshot(3));
    assert!(snapshots.has_changed().unwrap());
    fleet.send(&key(), "uid-gone", &snapshot(4));
}

#[test]
fn a_second_connection_of_a_pod_replaces_the_first() {
    let (fleet, _changes) = Fleet::new();
    let old = connect(&fleet, "a");
    let mut old_snapshots = old.snapshots();
    let new = connect(&fleet, "a");
    assert!(old_snapshots.changed().now_or_never().unwrap().is_err());
    old.acked(snapshot(9).identity.clone());
    drop(old);
    assert_eq!(only(&fleet).running, None);
    new.acked(snapshot(1).identity.clone());
    assert_eq!(only(&fleet).running.unwrap().sequence, 1);
}

#[test]
fn a_change_is_told_once_until_it_is_taken() {
    let (fleet, mut changes) = Fleet::new();
    let link = connect(&fleet, "a");
    link.acked(snapshot(1).identity.clone());
    link.acked(snapshot(2).identity.clone());
    assert_eq!(changes.next().now_or_never(), Some(Some(key())));
    assert_eq!(changes.next().now_or_never(), None);
    drop(link);
    assert_eq!(changes.next().now_or_never(), Some(Some(key())));
    drop(fleet);
    assert_eq!(changes.next().now_or_never(), Some(None));
}

#[test]
fn pods_are_bounded() {
    let (fleet, _changes) = Fleet::new();
    let links: Vec<Link> =
        (0..PODS_PER_PROXY_MAX).map(|index| connect(&fleet, &index.to_string())).collect();
    let refused = fleet.connect(key(), pod("one-more"), &Hello::default()).unwrap_err();
    assert_eq!(refused, Full(key()));
    // One that is connected already may dial again.
    drop(connect(&fleet, "0"));
    assert_eq!(fleet.links(&key()).len(), links.len() - 1);
}
