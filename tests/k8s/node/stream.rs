//! The stream carries credentials: who is let in, on the operator of a real cluster with tokens of its API server.

use std::net::SocketAddr;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use kube::api::{Api, PostParams};
use loka_api::control::control_client::ControlClient;
use loka_api::control::{FromProxy, Hello, from_proxy};
use loka_tests::cluster::{Cluster, eventually};
use loka_tests::rig::unix_now;
use loka_tests::secured::dial;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::{Code, Request, Status};

use super::forged::forged;
use super::site::{FARM, OPERATOR, PATIENCE, Site, name_of, proxy, uid_of};

/// Seconds; the least that an API server gives.
const SHORTEST: i64 = 600;

const AUDIENCE: &str = "stratum-operator";

struct Caller {
    control: SocketAddr,
    name: String,
    authority: String,
}

impl Caller {
    async fn of(site: &Site) -> Self {
        let services: Api<Service> = Api::namespaced(site.client.clone(), &site.namespace);
        let spec = services.get(OPERATOR).await.expect("the Service").spec.expect("a spec");
        let ip = spec.cluster_ip.expect("an address").parse().expect("an address");
        let maps: Api<ConfigMap> = Api::namespaced(site.client.clone(), &site.namespace);
        let map = maps.get(&format!("{FARM}-control")).await.expect("the ConfigMap");
        Self {
            control: SocketAddr::new(ip, 8443),
            name: format!("{OPERATOR}.{}.svc", &*site.namespace),
            authority: map.data.expect("data")["ca.crt"].clone(),
        }
    }

    /// Greets with a token, and waits for what comes: nothing bad for a while, or the refusal.
    async fn call(&self, token: Option<&str>) -> Result<(), Status> {
        let channel = dial(self.control, &self.name, &self.authority).await.expect("TLS");
        let hello = FromProxy { message: Some(from_proxy::Message::Hello(Hello::default())) };
        let greeting = futures_util::StreamExt::chain(
            futures_util::stream::iter([hello]),
            futures_util::stream::pending(),
        );
        let mut request = Request::new(greeting);
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().expect("ASCII");
            request.metadata_mut().insert("authorization", value);
        }
        let mut messages = ControlClient::new(channel).stream(request).await?.into_inner();
        match timeout(Duration::from_secs(5), messages.message()).await {
            // The pod itself has dialled again, and takes its place back from a caller that was let in as the pod.
            Ok(Err(status)) if status.code() == Code::Aborted => Ok(()),
            Ok(Err(status)) => Err(status),
            Ok(Ok(Some(_))) | Err(_) => Ok(()),
            Ok(Ok(None)) => Err(Status::unknown("the stream ended")),
        }
    }
}

async fn token(site: &Site, account: &str, audience: &str, pod: Option<&Pod>) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(site.client.clone(), &site.namespace);
    let bound = pod.map(|pod| {
        json!({ "apiVersion": "v1", "kind": "Pod", "name": name_of(pod), "uid": uid_of(pod) })
    });
    let request: TokenRequest = serde_json::from_value(json!({
        "spec": { "audiences": [audience], "expirationSeconds": SHORTEST, "boundObjectRef": bound },
    }))
    .expect("a request");
    let made = accounts.create_token_request(account, &PostParams::default(), &request).await;
    made.expect("a token").status.and_then(|status| status.token).expect("a token")
}

/// Uid of a ServiceAccount, once the operator has made it.
async fn account_of(site: &Site, name: &str) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(site.client.clone(), &site.namespace);
    eventually("the account", PATIENCE, async || {
        let found = accounts.get(name).await.map_err(|error| error.to_string())?;
        found.metadata.uid.ok_or_else(|| "no uid".to_owned())
    })
    .await
}

#[tokio::test]
async fn only_a_pods_own_token_opens_a_stream() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "tokens", &["replicas=1"]).await else { return };
    site.farm(1).await;
    let pods = site.ready_pods(1).await;
    site.ready().await;
    let caller = Caller::of(&site).await;
    let good = token(&site, FARM, AUDIENCE, Some(&pods[0])).await;
    caller.call(Some(&good)).await.expect("a pod with its own token");

    let refused = |outcome: Result<(), Status>| outcome.expect_err("refused").code();
    assert_eq!(refused(caller.call(None).await), Code::Unauthenticated);
    assert_eq!(refused(caller.call(Some("nonsense")).await), Code::Unauthenticated);
    let elsewhere = token(&site, FARM, "https://kubernetes.default.svc", Some(&pods[0])).await;
    assert_eq!(refused(caller.call(Some(&elsewhere)).await), Code::Unauthenticated);
    let unbound = token(&site, FARM, AUDIENCE, None).await;
    assert_eq!(refused(caller.call(Some(&unbound)).await), Code::Unauthenticated);

    let now = i64::from(unix_now());
    if let Some(copy) = forged(&good, |_| {}) {
        caller.call(Some(&copy)).await.expect("the same claims, signed again");
        let expired = |claims: &mut Value| {
            (claims["iat"], claims["nbf"]) = (json!(now - 1000), json!(now - 1000));
            claims["exp"] = json!(now - 100);
        };
        let expired = forged(&good, expired).expect("the key");
        assert_eq!(refused(caller.call(Some(&expired)).await), Code::Unauthenticated);

        // The account of another StratumProxy, with a pod of this one.
        let mut other = proxy(&json!({ "replicas": 0 }));
        other["metadata"]["name"] = json!("other");
        site.apply(&other).await;
        let account = account_of(&site, "other").await;
        let claim = |claims: &mut Value| {
            claims["sub"] = json!(format!("system:serviceaccount:{}:other", &*site.namespace));
            claims["kubernetes.io"]["serviceaccount"] = json!({ "name": "other", "uid": account });
        };
        let others = forged(&good, claim).expect("the key");
        assert_eq!(refused(caller.call(Some(&others)).await), Code::PermissionDenied);
    }

    // Another account of the namespace, and a pod of it: no StratumProxy's.
    let stranger = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "stranger" },
        "spec": { "nodeName": "nowhere", "containers": [{
            "name": "c", "image": "i", "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
                "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } } }] },
    });
    site.apply(&stranger).await;
    let pod: Pod =
        Api::namespaced(site.client.clone(), &site.namespace).get("stranger").await.expect("it");
    let strange = token(&site, "default", AUDIENCE, Some(&pod)).await;
    assert_eq!(refused(caller.call(Some(&strange)).await), Code::PermissionDenied);
    site.kubectl(&["delete", "pod", "stranger", "--force", "--grace-period=0"]).await;

    // A pod that has gone takes its token with it.
    site.kubectl(&["delete", "pod", &name_of(&pods[0]), "--grace-period=1"]).await;
    eventually("the token is worth nothing", PATIENCE, async || {
        match caller.call(Some(&good)).await {
            Err(status)
                if matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied) =>
            {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn a_plain_connection_learns_nothing() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(site) = Site::install(&cluster, "plain", &["replicas=1"]).await else { return };
    site.farm(1).await;
    site.ready_pods(1).await;
    let caller = Caller::of(&site).await;
    let mut plain = TcpStream::connect(caller.control).await.expect("a connection");
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("a write");
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, plain.read_to_end(&mut answer)).await.expect("it is closed");
    // A reset, an end, or the TLS alert that says that this was no greeting: seven bytes, and no frame of HTTP/2.
    assert!(read.is_err() || answer.len() <= 7, "{answer:?}");
}
