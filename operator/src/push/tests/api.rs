//! A pretended API server: Secrets as it keeps them, Pods, and reviews of tokens. In the process, behind kube's client.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::http::{Method, Request, Response, StatusCode};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewStatus, UserInfo};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// Shared by the test and the clients that it gives out.
#[derive(Clone, Default)]
pub(in crate::push) struct FakeApi(Arc<Mutex<State>>);

#[derive(Default)]
pub(in crate::push) struct State {
    /// By name.
    pub(in crate::push) secrets: BTreeMap<String, Value>,
    /// By `namespace/name`.
    pub(in crate::push) pods: BTreeMap<String, Pod>,
    /// What a review of the token says.
    pub(in crate::push) tokens: BTreeMap<String, TokenReviewStatus>,
    /// Answers nothing but 503.
    pub(in crate::push) is_down: bool,
    /// Tokens that were reviewed.
    pub(in crate::push) reviews: usize,
    /// Writes of Secrets that were refused, for being second.
    pub(in crate::push) conflicts: usize,
    version: u64,
}

// === impl FakeApi ===

impl FakeApi {
    pub(in crate::push) fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        Client::new(service, "default")
    }

    pub(in crate::push) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        // Another replica may come in between two requests, and does.
        tokio::task::yield_now().await;
        let mut state = self.state();
        let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
        let (status, answer) = match path.as_slice() {
            _ if state.is_down => failure(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
            ["apis", "authentication.k8s.io", "v1", "tokenreviews"] => state.review(body),
            ["api", "v1", "namespaces", namespace, "pods", name] => {
                let pod = state.pods.get(&format!("{namespace}/{name}"));
                pod.map_or_else(not_found, |pod| (StatusCode::OK, json!(pod)))
            }
            ["api", "v1", "namespaces", _, "secrets"] => state.create(body),
            ["api", "v1", "namespaces", _, "secrets", name] if parts.method == Method::GET => {
                let secret = state.secrets.get(*name);
                secret.map_or_else(not_found, |secret| (StatusCode::OK, secret.clone()))
            }
            ["api", "v1", "namespaces", _, "secrets", name] => state.replace(name, body),
            _ => panic!("{} {} is not pretended", parts.method, parts.uri),
        };
        Response::builder().status(status).body(answer.to_string().into_bytes().into()).unwrap()
    }
}

// === impl State ===

impl State {
    fn review(&mut self, body: Value) -> (StatusCode, Value) {
        let mut review: TokenReview = serde_json::from_value(body).unwrap();
        let asked = review.spec.audiences.clone().unwrap_or_default();
        assert_eq!(asked, ["stratum-operator"]);
        self.reviews += 1;
        let unknown = TokenReviewStatus {
            error: Some("[invalid bearer token, token has expired]".to_owned()),
            ..TokenReviewStatus::default()
        };
        review.status = Some(self.tokens.get(&review.spec.token).cloned().unwrap_or(unknown));
        (StatusCode::CREATED, json!(review))
    }

    fn create(&mut self, secret: Value) -> (StatusCode, Value) {
        let name = secret["metadata"]["name"].as_str().unwrap().to_owned();
        if self.secrets.contains_key(&name) {
            self.conflicts += 1;
            return failure(StatusCode::CONFLICT, "AlreadyExists");
        }
        self.store(&name, secret)
    }

    fn replace(&mut self, name: &str, secret: Value) -> (StatusCode, Value) {
        let Some(found) = self.secrets.get(name) else { return not_found() };
        if found["metadata"]["resourceVersion"] != secret["metadata"]["resourceVersion"] {
            self.conflicts += 1;
            return failure(StatusCode::CONFLICT, "Conflict");
        }
        self.store(name, secret)
    }

    fn store(&mut self, name: &str, mut secret: Value) -> (StatusCode, Value) {
        self.version += 1;
        secret["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.secrets.insert(name.to_owned(), secret.clone());
        (StatusCode::CREATED, secret)
    }
}

/// What a review says of a token that is bound to a pod.
pub(in crate::push) fn bound_to(username: &str, pod: &str, uid: &str) -> TokenReviewStatus {
    let extra = BTreeMap::from([
        ("authentication.kubernetes.io/pod-name".to_owned(), vec![pod.to_owned()]),
        ("authentication.kubernetes.io/pod-uid".to_owned(), vec![uid.to_owned()]),
    ]);
    TokenReviewStatus {
        audiences: Some(vec!["stratum-operator".to_owned()]),
        authenticated: Some(true),
        error: None,
        user: Some(UserInfo {
            extra: Some(extra),
            username: Some(username.to_owned()),
            ..UserInfo::default()
        }),
    }
}

/// A pod as the operator's Deployments make them.
pub(in crate::push) fn pod(proxy: &str, name: &str, uid: &str) -> Pod {
    let pod = json!({
        "metadata": { "name": name, "namespace": "mining", "uid": uid, "labels": {
            "app.kubernetes.io/name": "stratum-proxy",
            "app.kubernetes.io/instance": proxy,
            "app.kubernetes.io/managed-by": "stratum-operator",
        }},
        "spec": { "serviceAccountName": proxy, "containers": [] },
        "status": { "phase": "Running" },
    });
    serde_json::from_value(pod).unwrap()
}

fn not_found() -> (StatusCode, Value) {
    failure(StatusCode::NOT_FOUND, "NotFound")
}

fn failure(code: StatusCode, reason: &str) -> (StatusCode, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "message": reason, "reason": reason, "code": code.as_u16(),
    });
    (code, status)
}
