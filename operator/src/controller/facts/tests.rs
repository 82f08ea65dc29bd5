use serde_json::{Value, json};

use super::*;

fn pod(name: &str, status: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name, "uid": format!("uid-{name}"), "namespace": "mining"},
        "spec": {"containers": [{"name": "proxy", "image": "registry.example.com/proxy:9"}]},
        "status": status,
    }))
    .unwrap()
}

fn ready(name: &str, host: &str) -> Pod {
    pod(
        name,
        json!({"phase": "Running", "hostIP": host, "conditions": [{"type": "Ready", "status": "True"}]}),
    )
}

fn waiting(reason: &str, message: &str) -> Pod {
    let state = json!({"waiting": {"reason": reason, "message": message}});
    let last = json!({"terminated": {"exitCode": 1, "reason": "Error", "message": "no config"}});
    let status = json!({
        "name": "proxy", "image": "sha256:x", "imageID": "", "ready": false, "restartCount": 0,
        "state": state, "lastState": last,
    });
    pod("a", json!({"containerStatuses": [status]}))
}

#[test]
fn pods_that_go_are_not_counted_and_the_least_address_is_given() {
    let mut going = ready("c", "10.0.0.1");
    going.metadata.deletion_timestamp =
        serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    let done = pod("d", json!({"phase": "Failed"}));
    let starting = pod("e", json!({"phase": "Pending", "hostIP": "10.0.0.0"}));
    let pods = [ready("b", "10.0.0.3"), ready("a", "10.0.0.2"), going, done, starting];
    let joined = Pods::join(&pods, Vec::new());
    let names: Vec<_> = joined.facts.iter().map(|pod| (pod.id.name.as_str(), pod.ready)).collect();
    assert_eq!(names, [("a", true), ("b", true), ("e", false)]);
    assert_eq!(joined.node_address.as_deref(), Some("10.0.0.2"));
}

#[test]
fn what_keeps_a_pod_from_running_is_told_with_what_to_look_at() {
    for (pod, ailment, part) in [
        (
            waiting("ImagePullBackOff", "no such host"),
            Ailment::ImageNotPulled,
            "registry.example.com/proxy:9: no such host",
        ),
        (waiting("ErrImagePull", "denied"), Ailment::ImageNotPulled, "denied"),
        (waiting("CrashLoopBackOff", "back-off"), Ailment::CrashLooping, "exit code 1: no config"),
        (
            waiting("CreateContainerConfigError", "x"),
            Ailment::ContainerNotCreated,
            "CreateContainerConfigError: x",
        ),
        (
            pod(
                "a",
                json!({"conditions": [{
                    "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                    "message": "0/3 nodes are available",
                }]}),
            ),
            Ailment::Unschedulable,
            "no node takes pod a: 0/3 nodes are available",
        ),
    ] {
        let joined = Pods::join([&pod], Vec::new());
        let [trouble] = joined.troubles.as_slice() else { panic!("{part}: {joined:?}") };
        assert_eq!(trouble.ailment, ailment);
        assert!(trouble.message.contains(part), "{}", trouble.message);
    }
    let starting = waiting("ContainerCreating", "");
    assert!(Pods::join([&starting], Vec::new()).troubles.is_empty());
}
