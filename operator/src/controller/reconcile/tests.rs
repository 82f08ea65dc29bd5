//! Whole turns against an API server of a few lines: what is asked of it, in which order, and when nothing is.

mod secrecy;
mod told;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hyper::{Method, Request, Response, StatusCode};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::client::Body;
use kube::core::DeserializeGuard;
use kube::runtime::events::{Recorder, Reporter};
use loka_api::control::{self, Hello};
use loka_api::stratum_pool::StratumPool;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::controller::Fence;
use crate::controller::build::tests::{read, settings};
use crate::controller::dereference::Secrets;
use crate::controller::queue::Queue;
use crate::controller::watches::{Notes, Stores};
use crate::fleet::{Fleet, PodId};
use crate::telemetry::Telemetry;

/// Takes every patch and finds nothing. Remembers what was asked.
#[derive(Debug, Default)]
struct Server {
    /// What it answers to a status instead of taking it.
    refuses_status: Mutex<Option<StatusCode>>,
    /// The one Secret that it has.
    secret: Mutex<Option<Value>>,
    asked: Mutex<Vec<(Method, String, Value)>>,
    version: AtomicU64,
}

#[derive(Debug)]
struct Leads(AtomicBool);

impl Fence for Leads {
    fn may_write(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Server {
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect_bytes().await.unwrap();
        let sent: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let path = parts.uri.path().to_owned();
        self.asked.lock().unwrap().push((parts.method.clone(), path, sent.clone()));
        let secret = self.secret.lock().unwrap().clone();
        if let Some(secret) = secret.filter(|_| parts.method == Method::GET)
            && parts.uri.path().ends_with("/secrets/credentials")
        {
            return answered(StatusCode::OK, &secret);
        }
        if parts.method == Method::GET {
            let gone =
                json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404});
            return answered(StatusCode::NOT_FOUND, &gone);
        }
        let refused = *self.refuses_status.lock().unwrap();
        if let (Some(code), true) = (refused, parts.uri.path().ends_with("/status")) {
            let reason = match code {
                StatusCode::CONFLICT => "Conflict",
                StatusCode::FORBIDDEN => "Forbidden",
                _ => "InternalError",
            };
            let refusal = json!({"kind": "Status", "status": "Failure", "message": "no", "reason": reason, "code": code.as_u16()});
            return answered(code, &refusal);
        }
        let mut object = sent;
        let version = 100 + self.version.fetch_add(1, Ordering::SeqCst);
        object["metadata"]["resourceVersion"] = version.to_string().into();
        if object["kind"] == "StratumProxy" {
            object["spec"] = json!(read(&json!({})).proxy.spec);
        }
        if object["spec"].get("replicas").is_some() {
            object["spec"]["selector"] = json!({});
            object["spec"]["template"] = json!({});
        }
        answered(StatusCode::OK, &object)
    }

    /// What was written, each as its kind, status apart.
    fn written(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap();
        let writes = asked.drain(..).filter(|(method, ..)| *method != Method::GET);
        writes
            .map(|(_, path, sent)| {
                let kind = sent["kind"].as_str().unwrap_or("Event").to_owned();
                match (path.ends_with("/status"), sent["spec"].get("replicas")) {
                    (true, _) => format!("{kind}/status {}", sent["status"]["config"]["sequence"]),
                    (false, Some(replicas)) => format!("{kind} replicas {replicas}"),
                    (false, None) => kind,
                }
            })
            .collect()
    }
}

fn answered(status: StatusCode, body: &Value) -> Response<Body> {
    Response::builder().status(status).body(Body::from(body.to_string().into_bytes())).unwrap()
}

struct World {
    server: Arc<Server>,
    context: Arc<Context>,
    leads: Arc<Leads>,
}

fn world(pods: Vec<Pod>, with_pool: bool) -> World {
    world_of(pods, if with_pool { read(&json!({})).pools } else { Vec::new() })
}

fn world_of(pods: Vec<Pod>, pools: Vec<StratumPool>) -> World {
    let server = Arc::new(Server::default());
    let asked = Arc::clone(&server);
    let service = tower::service_fn(move |request| {
        let server = Arc::clone(&asked);
        async move { Ok::<_, std::convert::Infallible>(server.answer(request).await) }
    });
    let client = Client::new(service, "default");
    let pools = pools.into_iter().map(|pool| DeserializeGuard(Ok(pool))).collect();
    let leads = Arc::new(Leads(AtomicBool::new(true)));
    let (_, certificates) = watch::channel("certificate".to_owned());
    let reporter = Reporter { controller: "stratum-operator".into(), instance: None };
    let context = Arc::new(Context {
        client: client.clone(),
        settings: settings(),
        fleet: Fleet::new().0,
        fence: Arc::clone(&leads) as Arc<dyn Fence>,
        certificates,
        stores: Stores::filled(pools, Vec::new(), pods, Vec::new()),
        notes: Notes { index: Arc::default(), memory: Arc::default(), pools: Queue::new() },
        secrets: Secrets::default(),
        recorder: Recorder::new(client, reporter),
        telemetry: Telemetry::silent(),
        leads_since: Arc::new(Mutex::new(Instant::now())),
    });
    World { server, context, leads }
}

fn object(edit: &Value, status: Option<Value>) -> Arc<Proxy> {
    let mut proxy = read(edit).proxy;
    proxy.metadata.resource_version = Some("1".into());
    proxy.status = status.map(|status| serde_json::from_value(status).unwrap());
    Arc::new(DeserializeGuard(Ok(proxy)))
}

fn pod(name: &str) -> Pod {
    let value = json!({
        "metadata": {
            "name": name, "uid": name, "namespace": "mining",
            "labels": {names::INSTANCE_LABEL: "farm-east"},
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    });
    serde_json::from_value(value).unwrap()
}

fn connect(world: &World, name: &str, running: Option<Identity>) -> crate::fleet::Link {
    let hello = Hello { version: "0".into(), schema: 1, running: running.map(Into::into) };
    let id = PodId { name: name.into(), uid: name.into() };
    world.context.fleet.connect(ProxyKey::new("mining", "farm-east"), id, &hello).unwrap()
}

async fn turned(world: &World, object: &Arc<Proxy>) {
    reconcile(Arc::clone(object), Arc::clone(&world.context)).await.unwrap();
}

/// The first pod must find its Secret, its certificates and its account.
#[tokio::test]
async fn at_first_the_sequence_is_persisted_then_the_secret_written_then_the_pods_made() {
    let world = world(Vec::new(), true);
    turned(&world, &object(&json!({}), None)).await;
    let expected = [
        "StratumProxy/status 1",
        "Secret",
        "ServiceAccount",
        "ConfigMap",
        "PodDisruptionBudget",
        "Service",
        "Deployment",
        "Deployment replicas 2",
        "StratumProxy/status 1",
    ];
    assert_eq!(world.server.written(), expected);
}

#[tokio::test]
async fn the_replicas_that_the_resource_names_are_set_apart_from_the_rest() {
    let world = world(Vec::new(), true);
    turned(&world, &object(&json!({"replicas": 5}), None)).await;
    let written = world.server.written();
    assert!(written.contains(&"Deployment replicas 5".to_owned()), "{written:?}");
    assert!(written.contains(&"Deployment".to_owned()), "{written:?}");
}

#[tokio::test]
async fn a_reference_that_leads_nowhere_touches_nothing_that_runs() {
    let world = world(vec![pod("a")], false);
    turned(&world, &object(&json!({}), Some(json!({"config": {"sequence": 4, "hash": "h"}}))))
        .await;
    let written = world.server.written();
    assert_eq!(
        written,
        ["StratumProxy/status 4", "Event"],
        "the sequence stays, and the event tells"
    );
}

#[tokio::test]
async fn a_replica_that_does_not_lead_asks_nothing() {
    let world = world(Vec::new(), true);
    world.leads.0.store(false, Ordering::SeqCst);
    turned(&world, &object(&json!({}), None)).await;
    assert!(world.server.asked.lock().unwrap().is_empty());
}

/// One pod first, and the Secret only when it runs there; then the others.
#[tokio::test]
async fn a_change_goes_to_the_canary_then_into_the_secret_then_to_the_rest() {
    let world = world(vec![pod("a"), pod("b")], true);
    let old = Identity { epoch: "uid-1".into(), sequence: 6, hash: "old".into() };
    let (a, b) = (connect(&world, "a", Some(old.clone())), connect(&world, "b", Some(old)));
    let status = json!({"config": {"sequence": 6, "hash": "old"}});
    let object = object(&json!({}), Some(status));

    turned(&world, &object).await;
    let written = world.server.written();
    assert_eq!(written.first().map(String::as_str), Some("StratumProxy/status 7"));
    assert!(!written.contains(&"Secret".to_owned()), "{written:?}");
    let sent = a.snapshots().borrow().clone().expect("the canary is sent the config");
    assert_eq!(sent.identity.sequence, 7);
    assert!(b.snapshots().borrow().is_none(), "the other pod waits");

    a.acked(sent.identity.clone());
    turned(&world, &object).await;
    let written = world.server.written();
    assert_eq!(written.first().map(String::as_str), Some("Secret"));
    let pushed = b.snapshots().borrow().clone().expect("the rest is sent the config");
    assert_eq!(pushed.identity, sent.identity);
}

#[tokio::test]
async fn a_config_that_the_canary_refuses_is_not_mounted_and_its_ports_open_nowhere() {
    let world = world(vec![pod("a")], true);
    let old = Identity { epoch: "uid-1".into(), sequence: 6, hash: "old".into() };
    let a = connect(&world, "a", Some(old));
    let status = json!({"config": {"sequence": 6, "hash": "old"}});
    let object = object(&json!({}), Some(status));
    turned(&world, &object).await;
    world.server.written();
    let sent = a.snapshots().borrow().clone().unwrap();
    let problem = control::Problem {
        path: "spec.listeners[0].port".into(),
        message: "is in use".into(),
        remedy: "choose another".into(),
    };
    a.refused(sent.identity.clone(), vec![problem]);
    turned(&world, &object).await;
    let asked = std::mem::take(&mut *world.server.asked.lock().unwrap());
    assert!(asked.iter().all(|(_, _, sent)| sent["kind"] != "Secret"));
    let (_, _, last) = asked.iter().rfind(|(_, path, _)| path.ends_with("/status")).unwrap();
    let conditions = last["status"]["conditions"].as_array().unwrap();
    let programmed = conditions.iter().find(|it| it["type"] == "Programmed").unwrap();
    assert_eq!(
        (&programmed["status"], &programmed["reason"]),
        (&json!("False"), &json!("Rejected"))
    );
    let message = programmed["message"].as_str().unwrap();
    for part in ["pod a", "spec.listeners[0].port", "is in use"] {
        assert!(message.contains(part), "{message}");
    }
    let rejected = &last["status"]["config"]["lastRejected"];
    assert_eq!(
        (&rejected["pod"], &rejected["field"]),
        (&json!("a"), &json!("spec.listeners[0].port"))
    );
    let event = asked.iter().find(|(_, path, _)| path.ends_with("/events")).unwrap();
    assert_eq!(event.2["reason"], "ConfigRejected");
}
