use serde_json::json;

use super::*;
use crate::fleet::PodId;

fn link(name: &str, pools: &[(&str, bool, &str)]) -> PodLink {
    let pools = pools.iter().map(|(pool, up, error)| loka_api::control::PoolState {
        route: "main".into(),
        pool: (*pool).into(),
        up: *up,
        active: *up,
        last_error: (*error).into(),
    });
    PodLink {
        pod: PodId { name: name.into(), uid: name.into() },
        version: String::new(),
        schema: 1,
        running: None,
        refused: None,
        report: Some(loka_api::control::Report { pools: pools.collect(), miners: 0 }),
        sent: None,
        sent_at: None,
    }
}

fn judged(links: &[PodLink], users: usize) -> (ConditionStatus, String, String) {
    let Verdict { status, reason, message, .. } =
        available(&reports("a", links), users, &StratumPoolStatus::default(), false);
    (status, reason, message)
}

#[test]
fn a_pool_is_up_if_any_pod_gets_work_from_any_of_its_endpoints() {
    let one = link("x", &[("a", false, "refused"), ("a/2", true, ""), ("b", false, "")]);
    let other = link("y", &[("a", false, "refused"), ("a/2", false, "timed out")]);
    let (status, reason, message) = judged(&[one, other.clone()], 1);
    assert_eq!((status, reason.as_str()), (ConditionStatus::True, "PoolUp"));
    assert_eq!(message, "1 of 2 pods get work from it");
    let (status, reason, message) = judged(&[other], 1);
    assert_eq!((status, reason.as_str()), (ConditionStatus::False, "PoolDown"));
    assert!(message.contains("refused") && message.contains("timed out"), "{message}");
}

#[test]
fn nobody_knows_of_a_pool_that_nobody_uses_or_has_reported() {
    assert_eq!(judged(&[], 0).1, "NotUsed");
    assert_eq!(judged(&[link("x", &[("b", true, "")])], 1).1, "NotReported");
}

#[test]
fn a_new_leader_waits_for_reports_before_it_takes_anything_back() {
    let before: StratumPoolStatus = serde_json::from_value(json!({"conditions": [{
        "type": "Available", "status": "True", "reason": "PoolUp", "message": "m",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]}))
    .unwrap();
    assert_eq!(available(&reports("a", &[]), 1, &before, true).reason, "PoolUp");
    assert_eq!(available(&reports("a", &[]), 1, &before, false).reason, "NotReported");
    assert!(says_the_same(&before, &before));
    assert!(!says_the_same(&before, &StratumPoolStatus::default()));
}
