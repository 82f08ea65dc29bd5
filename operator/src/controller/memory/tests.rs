use super::*;
use crate::fleet::{PodId, PodLink};

fn key() -> ProxyKey {
    ProxyKey::new("mining", "farm-east")
}

fn identity(sequence: u64) -> Identity {
    Identity { epoch: "u".into(), sequence, hash: format!("h{sequence}") }
}

fn metadata(version: u64) -> ObjectMeta {
    ObjectMeta { resource_version: Some(version.to_string()), ..Default::default() }
}

/// As the Secret of an identity.
fn secret(version: u64, sequence: u64) -> ObjectMeta {
    let owner =
        crate::controller::build::Owner { namespace: "mining", name: "farm-east", uid: "u" };
    let mut metadata = owner.metadata("farm-east-config");
    metadata.resource_version = Some(version.to_string());
    metadata.annotations = Some(std::collections::BTreeMap::from([
        (loka_api::names::CONFIG_HASH_ANNOTATION.to_owned(), format!("h{sequence}")),
        (loka_api::names::CONFIG_SEQUENCE_ANNOTATION.to_owned(), sequence.to_string()),
    ]));
    metadata
}

#[test]
fn a_persisted_sequence_never_goes_back_whatever_the_cache_says() {
    let memory = Memory::default();
    assert_eq!(memory.persisted(&key(), "u", None), None);
    assert_eq!(memory.persisted(&key(), "u", Some(identity(5))), Some(identity(5)));
    assert_eq!(memory.persisted(&key(), "u", Some(identity(4))), Some(identity(5)));
    assert_eq!(memory.persisted(&key(), "u", None), Some(identity(5)));
    assert_eq!(memory.persisted(&key(), "other", None), None, "a namesake begins anew");
}

#[test]
fn what_was_mounted_is_believed_until_the_cache_shows_it_or_shows_that_it_is_gone() {
    let memory = Memory::default();
    let now = Instant::now();
    assert_eq!(memory.mounted(&key(), "u", Some(&secret(3, 1)), now), Some(identity(1)));
    memory.wrote(&key(), "u", identity(2), &metadata(9));
    assert_eq!(memory.mounted(&key(), "u", Some(&secret(3, 1)), now), Some(identity(2)));
    assert_eq!(memory.mounted(&key(), "u", None, now), Some(identity(2)));
    let later = now + CACHE_LAG_MAX * 2;
    assert_eq!(memory.mounted(&key(), "u", None, later), None, "somebody deleted it");
    assert_eq!(
        memory.mounted(&key(), "u", Some(&secret(10, 1)), now),
        Some(identity(1)),
        "or put an old one back"
    );
}

#[test]
fn a_child_is_applied_again_when_it_or_the_cluster_has_changed() {
    let memory = Memory::default();
    let id = (&key(), "u");
    assert!(!memory.is_applied(id, "Service", "a", Some(&metadata(5))));
    memory.applied(id, "Service", "a".into(), &metadata(5));
    assert!(memory.is_applied(id, "Service", "a", Some(&metadata(5))));
    assert!(memory.is_applied(id, "Service", "a", Some(&metadata(4))), "the cache lags");
    assert!(!memory.is_applied(id, "Service", "b", Some(&metadata(5))), "it is to be another");
    assert!(!memory.is_applied(id, "Service", "a", Some(&metadata(6))), "somebody touched it");
    assert!(!memory.is_applied(id, "Service", "a", None), "somebody deleted it");
    assert!(!memory.is_applied(id, "Deployment", "a", Some(&metadata(5))));
}

#[test]
fn a_pod_whose_stream_broke_is_taken_to_run_on_for_a_while() {
    let memory = Memory::default();
    let now = Instant::now();
    let link = |pod: &PodId| PodLink {
        pod: pod.clone(),
        version: String::new(),
        schema: 1,
        running: Some(identity(1)),
        refused: None,
        report: None,
        sent: None,
        sent_at: None,
    };
    let id = PodId { name: "a".into(), uid: "a".into() };
    let connected = [PodFacts { id: id.clone(), ready: true, link: Some(link(&id)) }];
    let broken = [PodFacts { id, ready: true, link: None }];
    assert_eq!(memory.running(&key(), "u", &connected, now).get("a"), Some(&identity(1)));
    assert_eq!(
        memory.running(&key(), "u", &broken, now + STREAM_GAP_MAX / 2).get("a"),
        Some(&identity(1))
    );
    assert_eq!(memory.running(&key(), "u", &broken, now + STREAM_GAP_MAX * 2).get("a"), None);
    assert!(memory.running(&key(), "u", &connected, now).contains_key("a"));
    assert!(memory.running(&key(), "u", &[], now).is_empty(), "a pod that is gone is forgotten");
}

#[test]
fn a_status_that_was_just_written_outranks_the_cache_that_lags() {
    let memory = Memory::default();
    let old = StratumProxyStatus::default();
    let new = StratumProxyStatus { address: Some("a:1".into()), ..Default::default() };
    memory.wrote_status(&key(), "u", &new, Some("7"));
    let seen = metadata(6);
    assert_eq!(memory.status(&key(), "u", (Some(&old), &seen)), (new, Some("7".into())));
    let seen = metadata(8);
    assert_eq!(memory.status(&key(), "u", (Some(&old), &seen)), (old, Some("8".into())));
}

#[test]
fn attempts_are_counted_until_it_goes_well_and_a_resource_that_is_gone_is_forgotten() {
    let memory = Memory::default();
    assert_eq!((memory.failed(&key()), memory.failed(&key())), (1, 2));
    memory.went_well(&key(), "");
    assert_eq!(memory.failed(&key()), 1);
    memory.forget(&key());
    assert!(memory.0.is_empty());
}
