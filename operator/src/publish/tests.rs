use super::*;

mod world;

const EPOCH: &str = "epoch";

fn identity(sequence: u64, hash: &str) -> Identity {
    Identity { epoch: EPOCH.to_owned(), sequence, hash: hash.to_owned() }
}

fn id(name: &str) -> PodId {
    PodId { name: name.to_owned(), uid: name.to_owned() }
}

fn link(name: &str, running: Option<Identity>) -> PodLink {
    PodLink {
        pod: id(name),
        version: String::new(),
        schema: 1,
        running,
        refused: None,
        report: None,
        sent: None,
        sent_at: None,
    }
}

fn pod(name: &str, running: Option<Identity>) -> PodFacts {
    PodFacts { id: id(name), ready: true, link: Some(link(name, running)) }
}

fn silent(name: &str, ready: bool) -> PodFacts {
    PodFacts { id: id(name), ready, link: None }
}

fn sent(mut pod: PodFacts, identity: &Identity, at: Instant) -> PodFacts {
    let link = pod.link.as_mut().unwrap();
    (link.sent, link.sent_at) = (Some(identity.clone()), Some(at));
    pod
}

fn refused(pod: PodFacts, identity: &Identity, at: Instant) -> PodFacts {
    let mut pod = sent(pod, identity, at);
    pod.link.as_mut().unwrap().refused =
        Some(Refusal { identity: identity.clone(), problems: Vec::new(), at });
    pod
}

/// A decision about a fleet that is to run `b`, in which `a` was mounted as sequence 1.
struct Case {
    persisted: Option<Identity>,
    mounted: Option<Identity>,
    pods: Vec<PodFacts>,
    now: Instant,
}

impl Case {
    fn new(persisted: (u64, &str), mounted: (u64, &str), pods: Vec<PodFacts>) -> Self {
        Self {
            persisted: Some(identity(persisted.0, persisted.1)),
            mounted: Some(identity(mounted.0, mounted.1)),
            pods,
            now: Instant::now(),
        }
    }

    fn decide(&self) -> Step {
        decide(&Observed {
            epoch: EPOCH,
            desired_hash: "b",
            persisted: self.persisted.as_ref(),
            mounted: self.mounted.as_ref(),
            pods: &self.pods,
            now: self.now,
        })
    }
}

#[test]
fn the_first_config_is_persisted_and_mounted_before_there_is_a_pod() {
    let mut case = Case::new((1, "b"), (1, "b"), Vec::new());
    (case.persisted, case.mounted) = (None, None);
    assert_eq!(case.decide(), Step::Persist(identity(1, "b")));
    case.persisted = Some(identity(1, "b"));
    assert_eq!(case.decide(), Step::WriteMounted(identity(1, "b")));
    case.mounted = Some(identity(1, "b"));
    assert_eq!(case.decide(), Step::Done(identity(1, "b")));
}

#[test]
fn a_change_goes_to_one_pod_then_into_the_mount_then_to_the_rest() {
    let (old, new) = (identity(1, "a"), identity(2, "b"));
    let pods = || vec![pod("x", Some(old.clone())), pod("y", Some(old.clone()))];
    let mut case = Case::new((1, "a"), (1, "a"), pods());
    assert_eq!(case.decide(), Step::Persist(new.clone()));
    case.persisted = Some(new.clone());
    let again = case.now + ANSWER_WITHIN;
    assert_eq!(case.decide(), Step::Canary { pod: id("x"), identity: new.clone(), again });
    case.pods =
        vec![sent(pod("x", Some(old.clone())), &new, case.now), pod("y", Some(old.clone()))];
    assert_eq!(case.decide(), Step::Wait { identity: new.clone(), again: Some(again) });
    case.pods =
        vec![sent(pod("x", Some(new.clone())), &new, case.now), pod("y", Some(old.clone()))];
    assert_eq!(case.decide(), Step::WriteMounted(new.clone()));
    case.mounted = Some(new.clone());
    assert_eq!(case.decide(), Step::Push { pods: vec![id("y")], identity: new.clone() });
    case.pods = vec![pod("x", Some(new.clone())), sent(pod("y", Some(old)), &new, case.now)];
    assert_eq!(case.decide(), Step::Wait { identity: new.clone(), again: None });
    case.pods = vec![pod("x", Some(new.clone())), pod("y", Some(new.clone()))];
    assert_eq!(case.decide(), Step::Done(new));
}

#[test]
fn what_the_canary_refuses_goes_nowhere_until_it_is_offered_again() {
    let (old, new) = (identity(1, "a"), identity(2, "b"));
    let mut case = Case::new((2, "b"), (1, "a"), Vec::new());
    let at = case.now;
    case.pods = vec![refused(pod("x", Some(old.clone())), &new, at), pod("y", Some(old))];
    let again = at + OFFER_AGAIN_AFTER;
    assert!(
        matches!(case.decide(), Step::Rejected { pod, again: when, .. } if pod == id("x") && when == again)
    );
    case.now = again;
    // Offered to one that has not refused.
    assert!(matches!(case.decide(), Step::Canary { pod, .. } if pod == id("y")));
}

#[test]
fn a_canary_that_does_not_answer_is_passed_over() {
    let (old, new) = (identity(1, "a"), identity(2, "b"));
    let mut case = Case::new((2, "b"), (1, "a"), Vec::new());
    case.pods = vec![sent(pod("x", Some(old.clone())), &new, case.now), pod("y", Some(old))];
    case.now += ANSWER_WITHIN;
    assert!(matches!(case.decide(), Step::Canary { pod, .. } if pod == id("y")));
}

#[test]
fn a_ready_pod_makes_the_better_canary() {
    let old = identity(1, "a");
    let mut unready = pod("x", Some(old.clone()));
    unready.ready = false;
    let case = Case::new((2, "b"), (1, "a"), vec![unready, pod("y", Some(old))]);
    assert!(matches!(case.decide(), Step::Canary { pod, .. } if pod == id("y")));
}

#[test]
fn pods_that_mine_without_a_stream_are_waited_for_and_dead_ones_are_not() {
    let mut case = Case::new((2, "b"), (1, "a"), vec![silent("x", true), silent("y", false)]);
    assert_eq!(case.decide(), Step::Wait { identity: identity(2, "b"), again: None });
    case.pods = vec![silent("y", false)];
    assert_eq!(case.decide(), Step::WriteMounted(identity(2, "b")));
}

#[test]
fn a_lost_status_never_takes_the_sequence_back() {
    let mut case = Case::new((1, "b"), (4, "a"), vec![pod("x", Some(identity(7, "b")))]);
    case.persisted = None;
    assert_eq!(case.decide(), Step::Persist(identity(8, "b")));
    // Written by hand, or restored from a backup.
    case.persisted = Some(identity(3, "b"));
    assert_eq!(case.decide(), Step::Persist(identity(8, "b")));
    // What a canary refused counts as well.
    case.pods = vec![refused(pod("x", Some(identity(4, "a"))), &identity(9, "c"), case.now)];
    assert_eq!(case.decide(), Step::Persist(identity(10, "b")));
}

#[test]
fn one_sequence_never_names_two_configs() {
    let case = Case::new((4, "b"), (4, "a"), Vec::new());
    assert_eq!(case.decide(), Step::Persist(identity(5, "b")));
}

#[test]
fn a_stratum_proxy_that_was_made_again_begins_anew() {
    let mut case = Case::new((1, "b"), (1, "a"), Vec::new());
    case.mounted.as_mut().unwrap().epoch = "before".to_owned();
    case.persisted.as_mut().unwrap().epoch = "before".to_owned();
    assert_eq!(case.decide(), Step::Persist(identity(1, "b")));
}

#[test]
fn a_pod_that_alone_refuses_what_is_mounted_holds_nobody_up() {
    let (old, new) = (identity(1, "a"), identity(2, "b"));
    let mut case = Case::new((2, "b"), (2, "b"), Vec::new());
    let at = case.now;
    case.pods = vec![refused(pod("x", Some(old.clone())), &new, at), pod("y", Some(old))];
    assert_eq!(case.decide(), Step::Push { pods: vec![id("y")], identity: new.clone() });
    case.pods.pop();
    let again = Some(at + OFFER_AGAIN_AFTER);
    assert_eq!(case.decide(), Step::Wait { identity: new.clone(), again });
    case.now = at + OFFER_AGAIN_AFTER;
    assert_eq!(case.decide(), Step::Push { pods: vec![id("x")], identity: new });
}
