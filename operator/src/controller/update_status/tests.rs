use std::collections::HashMap;
use std::marker::PhantomData;
use std::time::Instant;

use k8s_openapi::jiff::Timestamp;
use loka_api::conditions::{Condition, ConditionStatus};
use loka_api::control::{Identity, PoolState, Problem, Report};
use serde_json::{Value, json};

use super::address::address;
use super::*;
use crate::controller::apply::Refused;
use crate::controller::build::tests::validated;
use crate::controller::build::{Applied, Children};
use crate::controller::facts::{Ailment, Pods, Trouble};
use crate::controller::publishing::Published;
use crate::controller::validate::Unfit;
use crate::fleet::{PodId, PodLink, Refusal};
use crate::publish::{PodFacts, Step};

const UID: &str = "uid-1";

fn now() -> Timestamp {
    "2026-01-01T00:10:00Z".parse().unwrap()
}

/// What one test is about; all else is well.
struct Scene {
    before: StratumProxyStatus,
    pods: Pods,
    step: Option<Step>,
    deployment: Value,
    service: Value,
}

fn hash() -> String {
    validated(&json!({})).hash
}

fn identity(hash: &str) -> Identity {
    Identity { epoch: UID.into(), sequence: 3, hash: hash.into() }
}

fn pod(name: &str, running: Option<&str>, pool_up: Option<bool>) -> PodFacts {
    let id = PodId { name: name.into(), uid: name.into() };
    let report = pool_up.map(|up| Report {
        pools: vec![PoolState {
            route: "main".into(),
            pool: "primary".into(),
            up,
            active: up,
            last_error: if up { String::new() } else { "connection refused".into() },
        }],
        miners: 0,
    });
    let link = PodLink {
        pod: id.clone(),
        version: "0".into(),
        schema: 1,
        running: running.map(identity),
        refused: None,
        report,
        sent: None,
        sent_at: None,
    };
    PodFacts { id, ready: true, link: Some(link) }
}

fn scene() -> Scene {
    let hash = hash();
    let pods = vec![pod("a", Some(&hash), Some(true)), pod("b", Some(&hash), Some(true))];
    Scene {
        before: StratumProxyStatus::default(),
        pods: Pods { facts: pods, troubles: Vec::new(), node_address: Some("10.0.0.5".into()) },
        step: None,
        deployment: json!({
            "metadata": {"generation": 1},
            "spec": {"replicas": 2, "selector": {}, "template": {}},
            "status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2},
        }),
        service: json!({
            "metadata": {"name": "farm-east", "namespace": "mining"},
            "spec": {"type": "NodePort", "ports": [{"name": "v1", "port": 3333, "nodePort": 30333}]},
        }),
    }
}

impl Scene {
    fn children(&self) -> Children<Applied> {
        Children {
            service_account: Default::default(),
            control_config_map: Default::default(),
            service: serde_json::from_value(self.service.clone()).unwrap(),
            pod_disruption_budget: Default::default(),
            deployment: serde_json::from_value(self.deployment.clone()).unwrap(),
            stage: PhantomData,
        }
    }

    fn running(&self) -> HashMap<String, Identity> {
        let running =
            |pod: &PodFacts| Some((pod.id.uid.clone(), pod.link.as_ref()?.running.clone()?));
        self.pods.facts.iter().filter_map(running).collect()
    }

    fn sight<'a>(
        &'a self,
        running: &'a HashMap<String, Identity>,
        outcome: Outcome<'a>,
    ) -> Sight<'a> {
        Sight {
            uid: UID,
            generation: Some(5),
            before: &self.before,
            selector: "a=b",
            pods: &self.pods,
            running,
            outcome,
            now: now(),
        }
    }

    fn status(&self) -> StratumProxyStatus {
        let validated = validated(&json!({}));
        let identity = identity(&validated.hash);
        let step = self.step.clone().unwrap_or_else(|| Step::Done(identity.clone()));
        let published =
            Published { step, mounted: Some(identity.clone()), persisted: Some(identity) };
        let (children, running) = (self.children(), self.running());
        let outcome = Outcome::Carried {
            validated: &validated,
            published: &published,
            applied: Ok(&children),
        };
        compute(&self.sight(&running, outcome))
    }

    fn refused_status(&self, refused: &Refused) -> StratumProxyStatus {
        let validated = validated(&json!({}));
        let identity = identity(&validated.hash);
        let published = Published {
            step: Step::Done(identity.clone()),
            mounted: Some(identity.clone()),
            persisted: Some(identity),
        };
        let running = self.running();
        let outcome = Outcome::Carried {
            validated: &validated,
            published: &published,
            applied: Err(refused),
        };
        compute(&self.sight(&running, outcome))
    }

    fn unfit_status(&self, unfit: &Unfit) -> StratumProxyStatus {
        let running = self.running();
        compute(&self.sight(&running, Outcome::Unfit(unfit)))
    }
}

fn said<'s>(status: &'s StratumProxyStatus, type_: &str) -> (ConditionStatus, &'s str, &'s str) {
    let found = status.conditions.iter().find(|it| it.type_ == type_);
    let Condition { status, reason, message, .. } = found.unwrap_or_else(|| panic!("no {type_}"));
    (*status, reason, message)
}

#[track_caller]
fn assert_said(status: &StratumProxyStatus, expected: &[(&str, ConditionStatus, &str)]) {
    for (type_, wanted, reason) in expected {
        let (status, said, message) = said(status, type_);
        assert_eq!((status, said), (*wanted, *reason), "{type_}: {message}");
    }
}

use ConditionStatus::{False, True, Unknown};

#[test]
fn all_is_well() {
    let status = scene().status();
    assert_said(
        &status,
        &[
            ("Accepted", True, "Accepted"),
            ("ResolvedRefs", True, "ResolvedRefs"),
            ("Programmed", True, "AllPodsSynced"),
            ("Available", True, "MinimumReplicasAvailable"),
            ("Progressing", False, "Complete"),
            ("Ready", True, "Ready"),
        ],
    );
    let config = status.config.as_ref().unwrap();
    assert_eq!((config.summary.as_str(), config.generation), ("2/2", 5));
    assert_eq!(status.pool_summary.as_deref(), Some("1/1"));
    assert_eq!(status.pools[0].pods_up, 2);
    assert_eq!(status.address.as_deref(), Some("10.0.0.5:30333"));
    assert_eq!(status.accounts.as_deref(), Some("acme"));
    assert_eq!((status.replicas, status.ready_replicas), (Some(2), Some(2)));
    assert_eq!(status.observed_generation, Some(5));
    assert!(status.conditions.iter().all(|it| it.observed_generation == Some(5)));
}

/// A pod that is ready and runs something else makes it false that the generation is programmed.
#[test]
fn programmed_counts_ready_pods_that_run_the_rendered_hash() {
    let mut scene = scene();
    scene.pods.facts.push(pod("c", Some("old"), None));
    let status = scene.status();
    assert_said(
        &status,
        &[("Programmed", Unknown, "Propagating"), ("Ready", Unknown, "Propagating")],
    );
    assert!(said(&status, "Programmed").2.contains("not yet: c"));
    let pods = status.config.unwrap().pods;
    assert_eq!((pods.total, pods.synced, pods.pending), (3, 2, 1));

    scene.pods.facts[2].ready = false;
    assert_said(&scene.status(), &[("Programmed", True, "AllPodsSynced")]);

    scene.pods.facts.clear();
    assert_said(&scene.status(), &[("Programmed", False, "NoPods")]);
}

#[test]
fn the_same_hash_of_a_namesake_that_was_deleted_does_not_count() {
    let mut scene = scene();
    let link = scene.pods.facts[0].link.as_mut().unwrap();
    link.running.as_mut().unwrap().epoch = "another".into();
    assert_said(&scene.status(), &[("Programmed", Unknown, "Propagating")]);
}

#[test]
fn what_is_under_way_for_a_minute_is_late_and_stays_late() {
    let mut scene = scene();
    scene.pods.facts.push(pod("c", Some("old"), None));
    scene.before.conditions = scene.status().conditions;
    for condition in &mut scene.before.conditions {
        condition.last_transition_time = "2026-01-01T00:09:30Z".into();
    }
    assert_said(&scene.status(), &[("Programmed", Unknown, "Propagating")]);
    for condition in &mut scene.before.conditions {
        condition.last_transition_time = "2026-01-01T00:09:00Z".into();
    }
    let late = scene.status();
    assert_said(&late, &[("Programmed", False, "PropagationDeadlineExceeded")]);
    scene.before = late;
    assert_said(&scene.status(), &[("Programmed", False, "PropagationDeadlineExceeded")]);
}

fn refusal(hash: &str) -> Refusal {
    let problem = Problem {
        path: "spec.listeners[0].port".into(),
        message: "is in use".into(),
        remedy: "choose another".into(),
    };
    Refusal { identity: identity(hash), problems: vec![problem], at: Instant::now() }
}

#[test]
fn a_rejection_names_pod_field_and_reason_and_holds_while_the_pod_is_asked_again() {
    let hash = hash();
    let mut scene = scene();
    scene.pods.facts = vec![pod("a", Some("old"), Some(true))];
    let refusal = refusal(&hash);
    let id = PodId { name: "a".into(), uid: "a".into() };
    scene.step = Some(Step::Rejected { pod: id, refusal, again: Instant::now() });
    let status = scene.status();
    assert_said(&status, &[("Programmed", False, "Rejected"), ("Ready", False, "Rejected")]);
    let message = said(&status, "Programmed").2;
    for part in ["pod a", "spec.listeners[0].port", "is in use", "choose another"] {
        assert!(message.contains(part), "{message}");
    }
    let rejected = status.config.as_ref().unwrap().last_rejected.clone().unwrap();
    assert_eq!((rejected.pod.as_str(), rejected.hash.as_str()), ("a", hash.as_str()));

    // Offered again, no answer yet.
    scene.before = status;
    scene.step = Some(Step::Wait { identity: identity(&hash), again: None });
    let held = scene.status();
    assert_said(&held, &[("Programmed", False, "Rejected")]);
    assert!(same_but_times(&scene.before, &held));

    // And taken.
    scene.pods.facts = vec![pod("a", Some(&hash), Some(true))];
    let taken = scene.status();
    assert_said(&taken, &[("Programmed", True, "AllPodsSynced")]);
    assert_eq!(taken.config.unwrap().last_rejected, None);
}

#[test]
fn pods_that_do_not_come_say_why() {
    for (ailment, reason) in [
        (Ailment::ImageNotPulled, "ImageNotPulled"),
        (Ailment::Unschedulable, "Unschedulable"),
        (Ailment::CrashLooping, "CrashLooping"),
    ] {
        let mut scene = scene();
        scene.pods.troubles = vec![Trouble { ailment, message: "what to look at".into() }];
        // The old pods serve: miners work, and yet it is not as the resource wants it.
        let rolling = scene.status();
        assert_said(
            &rolling,
            &[("Available", True, "MinimumReplicasAvailable"), ("Ready", False, reason)],
        );

        scene.pods.facts.clear();
        let status = scene.status();
        let expected = [
            ("Available", False, reason),
            ("Progressing", False, reason),
            ("Ready", False, reason),
        ];
        assert_said(&status, &expected);
        assert!(said(&status, "Available").2.contains("what to look at"));
    }
}

#[test]
fn pods_that_cannot_be_made_say_why() {
    let mut scene = scene();
    scene.pods.facts.clear();
    scene.deployment["status"] = json!({"conditions": [
        {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"},
    ]});
    assert_said(&scene.status(), &[("Available", False, "PodsNotCreated")]);
    scene.deployment["status"] = json!({});
    assert_said(
        &scene.status(),
        &[("Available", False, "Unavailable"), ("Progressing", True, "RollingOut")],
    );
    scene.deployment["spec"]["replicas"] = json!(0);
    assert_said(&scene.status(), &[("Available", False, "ScaledToZero")]);
}

#[test]
fn without_a_pool_nobody_works() {
    let mut scene = scene();
    let hash = hash();
    scene.pods.facts = vec![pod("a", Some(&hash), Some(false))];
    let status = scene.status();
    assert_said(&status, &[("Available", False, "AllPoolsDown"), ("Ready", False, "AllPoolsDown")]);
    assert!(said(&status, "Available").2.contains("primary: connection refused"));
    assert_eq!(status.pool_summary.as_deref(), Some("0/1"));

    // Pods that have not said anything: nobody knows.
    scene.pods.facts = vec![pod("a", Some(&hash), None)];
    assert_said(&scene.status(), &[("Available", True, "MinimumReplicasAvailable")]);
}

#[test]
fn what_cannot_be_rendered_leaves_what_runs_as_it_was_said() {
    let mut scene = scene();
    scene.before = scene.status();
    scene.before.config.as_mut().unwrap().hash = "runs".into();
    let missing =
        Unfit::Unresolved { reason: "SecretNotFound", message: "there is no Secret".into() };
    let status = scene.unfit_status(&missing);
    assert_said(
        &status,
        &[
            ("Accepted", True, "Accepted"),
            ("ResolvedRefs", False, "SecretNotFound"),
            ("Programmed", False, "NotRendered"),
            ("Available", True, "MinimumReplicasAvailable"),
            ("Ready", False, "SecretNotFound"),
        ],
    );
    assert_eq!(status.config.as_ref().unwrap().hash, "runs");
    assert!(said(&status, "Programmed").2.contains("runs"));
    let invalid = Unfit::NotAccepted { reason: "InvalidPod", message: "spec.pod.resources".into() };
    let status = scene.unfit_status(&invalid);
    assert_said(
        &status,
        &[
            ("Accepted", False, "InvalidPod"),
            ("ResolvedRefs", Unknown, "Pending"),
            ("Available", True, "MinimumReplicasAvailable"),
            ("Ready", False, "InvalidPod"),
        ],
    );
}

#[test]
fn a_child_that_the_cluster_refuses_is_told_at_the_resource() {
    let refused = Refused { reason: "InvalidPod", message: "spec.template: wrong".into() };
    let status = scene().refused_status(&refused);
    assert_said(
        &status,
        &[
            ("Accepted", False, "InvalidPod"),
            ("Programmed", True, "AllPodsSynced"),
            ("Ready", False, "InvalidPod"),
        ],
    );
}

#[test]
fn a_condition_keeps_its_time_until_its_status_changes() {
    let mut scene = scene();
    scene.before = scene.status();
    for condition in &mut scene.before.conditions {
        condition.last_transition_time = "2025-01-01T00:00:00Z".into();
    }
    let again = scene.status();
    assert!(again.conditions.iter().all(|it| it.last_transition_time == "2025-01-01T00:00:00Z"));
    assert!(same_but_times(&scene.before, &again));
    scene.pods.facts.clear();
    let status = scene.status();
    let programmed = status.conditions.iter().find(|it| it.type_ == "Programmed").unwrap();
    assert_eq!(programmed.last_transition_time, "2026-01-01T00:10:00Z");
    assert!(!same_but_times(&again, &status));
}

#[test]
fn a_miner_is_given_what_it_can_reach() {
    let service = |spec: Value, status: Value| {
        serde_json::from_value(json!({
            "metadata": {"name": "farm-east", "namespace": "mining"}, "spec": spec, "status": status,
        }))
        .unwrap()
    };
    let two = json!([{"name": "v1", "port": 3333, "nodePort": 30333}, {"name": "v2", "port": 3334, "nodePort": 30334}]);
    let one = json!([{"name": "v1", "port": 3333, "nodePort": 30333}]);
    let balanced = |ingress: Value| json!({"loadBalancer": {"ingress": [ingress]}});
    for (type_, ports, status, node, expected) in [
        ("ClusterIP", &one, json!({}), None, Some("farm-east.mining.svc:3333")),
        ("NodePort", &one, json!({}), Some("10.0.0.5"), Some("10.0.0.5:30333")),
        ("NodePort", &one, json!({}), None, None),
        (
            "NodePort",
            &two,
            json!({}),
            Some("fd00::5"),
            Some("v1=[fd00::5]:30333,v2=[fd00::5]:30334"),
        ),
        ("LoadBalancer", &one, json!({}), Some("10.0.0.5"), None),
        ("LoadBalancer", &one, balanced(json!({"ip": "192.0.2.1"})), None, Some("192.0.2.1:3333")),
        (
            "LoadBalancer",
            &one,
            balanced(json!({"hostname": "lb.example.com"})),
            None,
            Some("lb.example.com:3333"),
        ),
    ] {
        let service = service(json!({"type": type_, "ports": ports}), status);
        assert_eq!(address(&service, node).as_deref(), expected, "{type_}");
    }
}
