use serde_json::{Value, json};

use super::*;
use crate::controller::validate::{Dereferenced, Validated, validate};
use loka_api::stratum_proxy::{ImagePullPolicy, StratumProxy};

/// Writes the goldens anew instead of comparing, to be reviewed.
const UPDATE_VARIABLE: &str = "UPDATE_GOLDENS";

pub(in crate::controller) fn settings() -> Settings {
    Settings {
        operator_name: "stratum-operator".into(),
        operator_namespace: "stratum-system".into(),
        pod_name: "stratum-operator-0".into(),
        control_port: names::CONTROL_PORT,
        watched: Vec::new(),
        proxy_image: "registry.example.com/loka/stratum-proxy:0.1.0".into(),
        proxy_image_pull_policy: ImagePullPolicy::IfNotPresent,
        proxy_otlp_endpoint: None,
        proxy_allow_list: None,
        abort_after: None,
    }
}

/// A StratumProxy with one pool, its spec edited.
pub(in crate::controller) fn read(edit: &Value) -> Dereferenced {
    let mut proxy = json!({
        "apiVersion": names::API_VERSION,
        "kind": "StratumProxy",
        "metadata": {"name": "farm-east", "namespace": "mining", "uid": "uid-1", "generation": 1},
        "spec": {
            "listeners": [{"name": "v1", "port": 3333}],
            "routes": [{"name": "main", "pools": [{"poolRef": {"name": "primary"}}]}],
        },
    });
    merge(&mut proxy["spec"], edit);
    let pool = json!({
        "apiVersion": names::API_VERSION,
        "kind": "StratumPool",
        "metadata": {"name": "primary", "namespace": "mining"},
        "spec": {"endpoints": [{"url": "stratum+tcp://pool.example.com:3333"}], "account": "acme"},
    });
    let proxy: StratumProxy = serde_json::from_value(proxy).unwrap();
    let pools = vec![serde_json::from_value(pool).unwrap()];
    Dereferenced { proxy, pools, secrets: Default::default() }
}

fn merge(into: &mut Value, edit: &Value) {
    match (into, edit) {
        (Value::Object(into), Value::Object(edit)) => {
            for (name, value) in edit {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, edit) => *into = edit.clone(),
    }
}

pub(in crate::controller) fn validated(edit: &Value) -> Validated {
    validate(&read(edit)).unwrap()
}

pub(in crate::controller) fn owner() -> Owner<'static> {
    Owner { namespace: "mining", name: "farm-east", uid: "uid-1" }
}

fn built(edit: &Value, settings: &Settings) -> Children<Prepared> {
    let validated = validated(edit);
    let plan = Plan {
        owner: owner(),
        spec: &validated.spec,
        pod: &validated.pod,
        drain: validated.drain,
        ports: &ports_of(&validated.config),
        certificates: "-----BEGIN CERTIFICATE-----\n",
        settings,
    };
    plan.build()
}

fn documents(children: &Children<Prepared>) -> Vec<Value> {
    let Children {
        service_account,
        control_config_map,
        service,
        pod_disruption_budget,
        deployment,
        stage: PhantomData,
    } = children;
    vec![
        json!(service_account),
        json!(control_config_map),
        json!(service),
        json!(pod_disruption_budget),
        json!(deployment),
    ]
}

fn template(edit: &Value) -> Value {
    json!(built(edit, &settings()).deployment)["spec"]["template"].clone()
}

fn golden(name: &str, children: &Children<Prepared>) {
    let path = format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    let texts = documents(children).into_iter().map(|it| serde_yaml::to_string(&it).unwrap());
    let text = texts.collect::<Vec<_>>().join("---\n");
    if std::env::var_os(UPDATE_VARIABLE).is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "{path} is not what is built; set {UPDATE_VARIABLE}=1 to write it anew, and review it:\n{text}"
    );
}

#[test]
fn the_least_resource_gives_these_objects() {
    golden("tests-data/least.yaml", &built(&json!({}), &settings()));
}

#[test]
fn a_resource_that_says_everything_gives_these_objects() {
    let edit = json!({
        "listeners": [
            {"name": "v1", "port": 3333, "nodePort": 30333},
            {"name": "v1-b", "port": 3334},
        ],
        "drain": {"timeout": "30m"},
        "service": {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Local",
            "loadBalancerClass": "example.com/internal",
            "annotations": {"example.com/pool": "miners"},
        },
        "image": "registry.example.com/loka/stratum-proxy:0.2.0",
        "imagePullPolicy": "Always",
        "imagePullSecrets": [{"name": "registry"}],
        "pod": {
            "resources": {"requests": {"cpu": 2, "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
            "nodeSelector": {"example.com/farm": "east"},
            "tolerations": [{"key": "farm", "operator": "Exists", "effect": "NoSchedule"}],
            "priorityClassName": "mining",
            "labels": {"team": "mining"},
            "annotations": {"example.com/note": "x"},
            "topologySpreadConstraints": [
                {"maxSkew": 2, "topologyKey": "example.com/rack", "whenUnsatisfiable": "DoNotSchedule"},
            ],
        },
    });
    let settings = Settings {
        proxy_otlp_endpoint: Some("http://collector.observability.svc:4317".into()),
        proxy_allow_list: Some("stratum-allow-list".into()),
        ..settings()
    };
    golden("tests-data/everything.yaml", &built(&edit, &settings));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let once = documents(&built(&json!({}), &settings()));
    for _ in 0..20 {
        assert_eq!(
            json!(once).to_string(),
            json!(documents(&built(&json!({}), &settings()))).to_string()
        );
    }
}

/// A null would be owned by us, and taken from whoever else sets the field.
#[test]
fn nothing_absent_is_written() {
    for document in documents(&built(&json!({}), &settings())) {
        assert!(!document.to_string().contains("null"), "{document}");
    }
}

/// An autoscaler, `kubectl scale` or the field manager of the replicas sets them.
#[test]
fn the_deployment_does_not_name_its_replicas() {
    let deployment = json!(built(&json!({"replicas": 7}), &settings()).deployment);
    assert_eq!(deployment["spec"].get("replicas"), None);
}

#[test]
fn a_change_of_the_config_changes_nothing_in_the_pods() {
    let before = template(&json!({}));
    for edit in [
        json!({"listeners": [{"name": "v1", "port": 3333, "difficulty": {"initial": "1M"}}]}),
        json!({"listeners": [{"name": "v1", "port": 3333, "limits": {"maxConnections": 9}}]}),
        json!({"routes": [{"name": "other", "jobKeepAlive": "5s", "pools": [{"poolRef": {"name": "primary"}}]}]}),
        json!({"observability": {"logLevel": "Debug", "tracing": {"samplingRatio": "1"}}}),
        json!({"drain": {"timeout": "60s"}}),
        json!({"replicas": 5}),
        json!({"service": {"type": "NodePort", "annotations": {"a": "b"}}}),
        json!({"service": {"type": "NodePort"}, "listeners": [{"name": "v1", "port": 3333, "nodePort": 30333}]}),
    ] {
        assert_eq!(template(&edit), before, "{edit}");
    }
    let moved = template(&json!({"listeners": [{"name": "v1", "port": 3334}]}));
    assert_ne!(moved, before);
    for edit in [json!({"image": "proxy:2"}), json!({"pod": {"labels": {"a": "b"}}})] {
        assert_ne!(template(&edit), before, "{edit}");
    }
}

/// Pod Security `restricted`, field by field, and no token that an API server would take.
#[test]
fn pods_are_restricted() {
    let pod = &template(&json!({}))["spec"];
    let container = &pod["containers"][0];
    for (at, wanted) in [
        ("/securityContext/runAsNonRoot", json!(true)),
        ("/securityContext/runAsUser", json!(65_532)),
        ("/securityContext/seccompProfile/type", json!("RuntimeDefault")),
        ("/automountServiceAccountToken", json!(false)),
        ("/terminationGracePeriodSeconds", json!(135)),
    ] {
        assert_eq!(pod.pointer(at), Some(&wanted), "{at}");
    }
    for (at, wanted) in [
        ("/securityContext/allowPrivilegeEscalation", json!(false)),
        ("/securityContext/readOnlyRootFilesystem", json!(true)),
        ("/securityContext/capabilities/drop", json!(["ALL"])),
        ("/readinessProbe/httpGet/path", json!("/readyz")),
        ("/livenessProbe/httpGet/path", json!("/livez")),
    ] {
        assert_eq!(container.pointer(at), Some(&wanted), "{at}");
    }
    for absent in ["hostNetwork", "hostPID", "hostIPC"] {
        assert_eq!(pod.get(absent), None);
    }
    let token = &pod["volumes"][2]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(token["audience"], names::CONTROL_AUDIENCE);
    let allowed = ["secret", "configMap", "projected", "emptyDir"];
    for volume in pod["volumes"].as_array().unwrap() {
        assert!(allowed.iter().any(|kind| volume.get(kind).is_some()), "{volume}");
    }
}

#[test]
fn the_labels_that_pods_are_found_by_are_ours() {
    let template = template(&json!({"pod": {"labels": {"team": "a"}}}));
    let labels = &template["metadata"]["labels"];
    assert_eq!(labels["team"], "a");
    for (name, value) in owner().labels() {
        assert_eq!(labels[&name], json!(value));
    }
}

#[test]
fn everything_is_owned_by_the_resource_and_labelled() {
    for document in documents(&built(&json!({}), &settings())) {
        let metadata = &document["metadata"];
        let owner = &metadata["ownerReferences"][0];
        assert_eq!(
            (&owner["uid"], &owner["controller"]),
            (&json!("uid-1"), &json!(true)),
            "{document}"
        );
        assert_eq!(metadata["labels"][names::MANAGED_BY_LABEL], names::MANAGED_BY, "{document}");
    }
}

/// A longer drain takes a longer grace period, and a small edit of it none.
#[test]
fn the_grace_period_is_the_drains_rounded_up() {
    for (drain, grace) in [("0s", 135), ("120s", 135), ("121s", 315), ("10m", 615), ("1h", 3615)] {
        let template = template(&json!({"drain": {"timeout": drain}}));
        assert_eq!(template["spec"]["terminationGracePeriodSeconds"], grace, "{drain}");
    }
}

#[test]
fn the_mounted_secret_is_named_by_its_metadata_and_read_back() {
    let validated = validated(&json!({}));
    let snapshot = loka_api::control::Snapshot::new("uid-1", 7, validated.config);
    let secret = config_secret::build(&owner(), &snapshot);
    assert_eq!(secret.metadata.name.as_deref(), Some("farm-east-config"));
    assert_eq!(config_secret::identity(&secret.metadata), Some(snapshot.identity.clone()));
    let read = config_secret::snapshot(&secret).unwrap();
    assert_eq!((read.identity, read.config), (snapshot.identity, snapshot.config));

    let mut orphan = secret.metadata;
    orphan.owner_references = None;
    assert_eq!(config_secret::identity(&orphan), None);
}
