use serde_json::{Value, json};

use super::*;

fn status(conditions: &[(&str, &str, &str)], pools: Value) -> StratumProxyStatus {
    let conditions: Vec<_> = conditions
        .iter()
        .map(|(type_, status, reason)| {
            json!({
                "type": type_, "status": status, "reason": reason, "message": "m",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        })
        .collect();
    let config = json!({"sequence": 1, "hash": "h", "pods": {"synced": 3}});
    serde_json::from_value(json!({"conditions": conditions, "pools": pools, "config": config}))
        .unwrap()
}

fn reasons(before: &StratumProxyStatus, after: &StratumProxyStatus) -> Vec<String> {
    happenings(before, after).into_iter().map(|it| it.reason).collect()
}

#[test]
fn what_goes_wrong_is_told_once_when_it_begins() {
    let fine = status(&[("Programmed", "True", "AllPodsSynced")], json!([]));
    let rejected =
        status(&[("Programmed", "False", "Rejected"), ("Ready", "False", "Rejected")], json!([]));
    assert_eq!(reasons(&fine, &rejected), ["ConfigRejected"]);
    assert_eq!(reasons(&rejected, &rejected), [""; 0]);
    assert_eq!(reasons(&rejected, &fine), ["ConfigSynced"]);
    let missing = status(&[("ResolvedRefs", "False", "SecretNotFound")], json!([]));
    assert_eq!(reasons(&StratumProxyStatus::default(), &missing), ["SecretNotFound"]);
}

#[test]
fn what_passes_by_itself_is_no_event() {
    let starting = status(
        &[
            ("Programmed", "False", "NoPods"),
            ("Available", "False", "Unavailable"),
            ("Progressing", "True", "RollingOut"),
        ],
        json!([]),
    );
    assert_eq!(reasons(&StratumProxyStatus::default(), &starting), [""; 0]);
}

#[test]
fn one_cause_is_one_event() {
    let stuck = status(
        &[("Available", "False", "ImageNotPulled"), ("Progressing", "False", "ImageNotPulled")],
        json!([]),
    );
    assert_eq!(reasons(&StratumProxyStatus::default(), &stuck), ["ImageNotPulled"]);
}

#[test]
fn a_pool_that_goes_or_comes_is_told() {
    let with = |state: &str| status(&[], json!([{"name": "a", "state": state, "podsUp": 0}]));
    assert_eq!(reasons(&with("Up"), &with("Down")), ["PoolDown"]);
    assert_eq!(reasons(&with("Down"), &with("Up")), ["PoolRecovered"]);
    assert_eq!(reasons(&with("Unknown"), &with("Up")), [""; 0]);
    assert_eq!(reasons(&with("Unknown"), &with("Down")), [""; 0]);
}

#[test]
fn a_long_note_is_cut_at_a_character() {
    let happening = Happening { is_warning: true, reason: "R".into(), note: "é".repeat(1000) };
    let note = Event::from(&happening).note.unwrap();
    assert_eq!(note.len(), NOTE_BYTES_MAX);
}
