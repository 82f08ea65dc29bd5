//! Who may connect: a pod that proves, with a token of its ServiceAccount that is bound to the pod
//! and meant for the operator, that it belongs to the StratumProxy whose config it is to be sent.
//!
//! The API server reviews the token (TokenReview), which says whose ServiceAccount it is and which
//! pod it was made for. That pod must exist, with that uid, and bear the StratumProxy's labels: the
//! token of a deleted pod is still accepted for a while, and anybody who may make pods in the
//! namespace may mount a token, but then as a pod that runs in that namespace.
//! Whatever is missing or cannot be asked refuses.

mod cache;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{
    TokenReview, TokenReviewSpec, TokenReviewStatus, UserInfo,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, Client};
use loka_api::names;
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::metadata::MetadataMap;

use self::cache::{Cache, TokenHash};
use crate::fleet::{PodId, ProxyKey};

/// Tokens of ServiceAccounts are about a kilobyte.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Questions to the API server that are open at once; the rest wait, within [`ASK_TIMEOUT`].
const ASKING_MAX: usize = 32;
/// For all that is asked about one stream.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// Looks into the pods that are watched anyway: namespace and name. What it does not know is asked
/// of the API server.
pub type KnownPods = Arc<dyn Fn(&str, &str) -> Option<Arc<Pod>> + Send + Sync>;

/// Decides who may connect.
pub struct Gate {
    client: Client,
    known: Option<KnownPods>,
    /// Contended by the streams that begin; held for a look-up.
    cache: Mutex<Cache>,
    asking: Semaphore,
}

/// Who has connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The StratumProxy that the pod belongs to.
    pub proxy: ProxyKey,
    /// The pod.
    pub pod: PodId,
}

/// What a token proves by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    namespace: String,
    service_account: String,
    pod: PodId,
}

/// Why a stream is refused: for the log of the operator. The peer is told only the kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No `authorization: Bearer …`.
    #[error("it brings no bearer token; the proxy needs --control-token")]
    NoToken,
    /// The API server does not accept the token.
    #[error("the API server refuses its token: {0}")]
    Token(String),
    /// The token is for somebody else.
    #[error("its token is not for the audience {}", names::CONTROL_AUDIENCE)]
    Audience,
    /// The token is not one of a pod's.
    #[error("its token is not bound to the pod of a ServiceAccount: {0}")]
    Unbound(String),
    /// The pod is not there, or no longer.
    #[error("the pod {0} of its token {1}")]
    Pod(String, &'static str),
    /// The API server could not be asked.
    #[error("the API server could not be asked: {0}")]
    Unreachable(String),
}

// === impl Gate ===

impl Gate {
    /// Asks through `client`, which needs `create` on TokenReviews and `get` on Pods.
    pub fn new(client: Client, known: Option<KnownPods>) -> Self {
        Self { client, known, cache: Mutex::default(), asking: Semaphore::new(ASKING_MAX) }
    }

    /// The token that a stream brings.
    pub(super) fn token(metadata: &MetadataMap) -> Result<&str, Refused> {
        bearer(metadata)
    }

    /// Who brings this token.
    pub(super) async fn admit(&self, token: &str) -> Result<Proven, Refused> {
        let silent = || Refused::Unreachable(format!("no answer for {ASK_TIMEOUT:?}"));
        tokio::time::timeout(ASK_TIMEOUT, self.prove(token)).await.map_err(|_| silent())?
    }

    async fn prove(&self, token: &str) -> Result<Proven, Refused> {
        let hash = TokenHash::of(token);
        let cached = self.cached(&hash);
        let closed = |_| Refused::Unreachable("the operator ends".to_owned());
        let _turn = self.asking.acquire().await.map_err(closed)?;
        let claim = match cached {
            Some(claim) => claim,
            None => self.review(token, hash).await?,
        };
        // The pod each time: it may be gone since the token was reviewed.
        let Claim { namespace, service_account, pod } = claim;
        self.check_pod(&namespace, &service_account, &pod).await?;
        Ok(Proven { proxy: ProxyKey::new(namespace, service_account), pod })
    }

    fn cached(&self, hash: &TokenHash) -> Option<Claim> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.find(hash, Instant::now()).cloned()
    }

    async fn review(&self, token: &str, hash: TokenHash) -> Result<Claim, Refused> {
        let question = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![names::CONTROL_AUDIENCE.to_owned()]),
                token: token.to_owned(),
            },
            ..TokenReview::default()
        };
        let reviews: Api<TokenReview> = Api::all(self.client.clone());
        let answer =
            reviews.create(&PostParams::default(), &question).await.map_err(unreachable)?;
        let claim = claim(answer.status.unwrap_or_default())?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.keep(hash, claim.clone(), Instant::now());
        Ok(claim)
    }

    async fn check_pod(&self, namespace: &str, proxy: &str, id: &PodId) -> Result<(), Refused> {
        let is_it = |pod: &Pod| pod.metadata.uid.as_deref() == Some(&id.uid);
        let known = self.known.as_ref().and_then(|known| known(namespace, &id.name));
        // What is watched may lag behind: a pod that it lacks, or only its namesake, is asked for.
        if let Some(pod) = known.filter(|pod| is_it(pod)) {
            return check_pod(&pod, namespace, proxy, id);
        }
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let pod = pods.get_opt(&id.name).await.map_err(unreachable)?;
        let shown = || format!("{namespace}/{}", id.name);
        let pod = pod.ok_or_else(|| Refused::Pod(shown(), "does not exist"))?;
        check_pod(&pod, namespace, proxy, id)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

// === impl Refused ===

impl Refused {
    /// What the peer is told.
    pub(super) fn status(&self) -> Status {
        match self {
            Self::NoToken => Status::unauthenticated("a bearer token is needed"),
            Self::Token(_) | Self::Audience | Self::Unbound(_) => {
                Status::unauthenticated("the token is not accepted")
            }
            Self::Pod(..) => Status::permission_denied("this pod is not known"),
            Self::Unreachable(_) => Status::unavailable("the token cannot be checked now"),
        }
    }
}

fn bearer(metadata: &MetadataMap) -> Result<&str, Refused> {
    let mut values = metadata.get_all("authorization").iter();
    let value = values.next().and_then(|value| value.to_str().ok()).ok_or(Refused::NoToken)?;
    if values.next().is_some() {
        // Which of them was meant is not ours to guess.
        return Err(Refused::NoToken);
    }
    let (scheme, token) = value.split_once(' ').ok_or(Refused::NoToken)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(Refused::NoToken);
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Refused::Token(format!("it is longer than {TOKEN_BYTES_MAX} bytes")));
    }
    Ok(token)
}

/// Reads the API server's answer. Each thing that it does not say refuses.
fn claim(status: TokenReviewStatus) -> Result<Claim, Refused> {
    let TokenReviewStatus { audiences, authenticated, error, user } = status;
    if authenticated != Some(true) {
        return Err(Refused::Token(error.unwrap_or_else(|| "it is not valid".to_owned())));
    }
    // A server that knows no audiences answers without: then the token may be for anybody.
    let audiences = audiences.unwrap_or_default();
    if !audiences.iter().any(|audience| audience == names::CONTROL_AUDIENCE) {
        return Err(Refused::Audience);
    }
    let UserInfo { extra, groups: _, uid: _, username } = user.unwrap_or_default();
    let username = username.unwrap_or_default();
    let unbound = || Refused::Unbound(format!("it is of {username:?}"));
    let account = username.strip_prefix(SERVICE_ACCOUNT).and_then(|rest| rest.split_once(':'));
    let (namespace, service_account) = account.ok_or_else(unbound)?;
    let extra = extra.unwrap_or_default();
    let (name, uid) = only(&extra, POD_NAME).zip(only(&extra, POD_UID)).ok_or_else(unbound)?;
    if [namespace, service_account, name, uid].iter().any(|part| part.is_empty()) {
        return Err(unbound());
    }
    Ok(Claim {
        namespace: namespace.to_owned(),
        service_account: service_account.to_owned(),
        pod: PodId { name: name.to_owned(), uid: uid.to_owned() },
    })
}

fn only<'a>(extra: &'a BTreeMap<String, Vec<String>>, key: &str) -> Option<&'a str> {
    match extra.get(key)?.as_slice() {
        [value] => Some(value),
        _ => None,
    }
}

/// Whether the pod is one of the StratumProxy's, whose ServiceAccount has its name. A pod that
/// terminates still serves miners, and is heard.
fn check_pod(pod: &Pod, namespace: &str, proxy: &str, id: &PodId) -> Result<(), Refused> {
    let no = |why| Err(Refused::Pod(format!("{namespace}/{}", id.name), why));
    let Pod { metadata, spec, status } = pod;
    if metadata.uid.as_deref() != Some(&id.uid) {
        return no("has been replaced by a namesake");
    }
    let phase = status.as_ref().and_then(|status| status.phase.as_deref());
    if matches!(phase, Some("Succeeded" | "Failed")) {
        return no("has ended");
    }
    let account = spec.as_ref().and_then(|spec| spec.service_account_name.as_deref());
    if account != Some(proxy) {
        return no("runs under another ServiceAccount");
    }
    let label = |key| metadata.labels.as_ref().and_then(|labels| labels.get(key));
    let expected = [
        ("app.kubernetes.io/name", names::APP_NAME),
        ("app.kubernetes.io/managed-by", names::MANAGED_BY),
        ("app.kubernetes.io/instance", proxy),
    ];
    if expected.iter().any(|&(key, value)| label(key).is_none_or(|found| found != value)) {
        return no("is not one of the operator's, by its labels");
    }
    Ok(())
}

// By value, as `map_err` passes it.
fn unreachable(error: kube::Error) -> Refused {
    Refused::Unreachable(error.to_string())
}
