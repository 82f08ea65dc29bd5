//! The authority that pods trust the operator by: made once for an installation, kept in a Secret,
//! renewed long before it expires, and never seen by a pod before its certificate is.
//!
//! Every replica runs it. Whoever comes first writes; who comes second finds the Secret there (409)
//! and reads it. The certificate that a replica serves with lives in its memory only.
//!
//! Who deletes the Secret gets a new authority at once, with no overlap: pods that have not seen the
//! new bundle yet run on what they have, and dial again until they have.

mod material;
mod plan;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};
use loka_api::names;
use tokio::sync::watch;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use material::{Issued, Material, MaterialError};
use plan::{Step, plan};

/// The Secret is read this often, to learn of what another replica or a human did to it.
const READ_EVERY: Duration = Duration::from_secs(300);
/// After a failure.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// One read or write.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Each lost race and each step costs one; three suffice when nobody else writes.
const STEPS_MAX: usize = 10;

const READ: &str = "read";
const CREATE: &str = "made";
const REPLACE: &str = "written";

/// Where the authority is kept, and whom it vouches for.
#[derive(Debug, Clone)]
pub struct AuthorityArgs {
    /// Namespace of the operator.
    pub namespace: String,
    /// Name of the operator; the Secret is `<name>-ca`.
    pub operator: String,
    /// Service that pods dial.
    pub service: String,
}

/// Keeps the authority. [`Authority::run`] does the work.
pub struct Authority {
    secrets: Api<Secret>,
    secret: String,
    names: Vec<String>,
    issued: Option<Issued>,
    bundle: watch::Sender<String>,
    certificate: watch::Sender<Option<Arc<CertifiedKey>>>,
}

/// The certificate to serve with; none before the first is made.
#[derive(Clone)]
pub struct Certificate(pub(super) watch::Receiver<Option<Arc<CertifiedKey>>>);

/// Why the authority could not be read, made or renewed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The API server.
    #[error("the Secret {secret} could not be {verb}: {source}")]
    Api {
        /// Its name.
        secret: String,
        /// What was tried.
        verb: &'static str,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// The API server was silent.
    #[error("the API server has not answered about the Secret {secret} for {REQUEST_TIMEOUT:?}")]
    Silent {
        /// Its name.
        secret: String,
    },
    /// What it holds is of no use.
    #[error("the Secret {secret} is not usable, {why}; delete it, and a new one is made")]
    Unusable {
        /// Its name.
        secret: String,
        /// What is wrong.
        why: String,
    },
    /// Others write it, again and again.
    #[error("the Secret {secret} changes faster than it can be written")]
    Contended {
        /// Its name.
        secret: String,
    },
}

// === impl Authority ===

impl Authority {
    /// The bundle is empty until [`Self::run`] has read or made it; no ConfigMap is to be written
    /// from an empty one.
    pub fn new(
        client: Client,
        args: AuthorityArgs,
    ) -> (Self, watch::Receiver<String>, Certificate) {
        let AuthorityArgs { namespace, operator, service } = args;
        let (bundle, bundle_seen) = watch::channel(String::new());
        let (certificate, certificate_seen) = watch::channel(None);
        let host = format!("{service}.{namespace}.svc");
        let authority = Self {
            secrets: Api::namespaced(client, &namespace),
            secret: format!("{operator}-ca"),
            names: vec![format!("{host}.cluster.local"), host, service],
            issued: None,
            bundle,
            certificate,
        };
        (authority, bundle_seen, Certificate(certificate_seen))
    }

    /// Keeps it until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let pause = match self.turn(Timestamp::now()).await {
                Ok(pause) => pause,
                Err(error) => {
                    warn!(%error, "what was issued before is served on");
                    RETRY_AFTER
                }
            };
            tokio::select! {
                // An end is never put off by a timer that is due.
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Brings everything up to date, and says how long that lasts.
    async fn turn(&mut self, now: Timestamp) -> Result<Duration, AuthorityError> {
        let (material, until) = self.settle(now).await?;
        let stale = self.issued.as_ref().is_none_or(|issued| {
            now >= issued.life.two_thirds() || material.has_replaced_signer_of(issued)
        });
        // The bundle first: a certificate is never served before what it is checked by is known.
        let bundle = material.bundle(now);
        self.bundle.send_if_modified(|seen| {
            let changed = *seen != bundle;
            *seen = bundle;
            changed
        });
        if stale {
            let issued = material.issue(&self.names, now).map_err(|error| self.unusable(&error))?;
            info!(until = %issued.life.until, "certificate of the control stream issued");
            self.certificate.send_replace(Some(issued.certified.clone()));
            self.issued = Some(issued);
        }
        let due = self.issued.as_ref().map_or(until, |issued| issued.life.two_thirds().min(until));
        let pause = Duration::try_from(due.duration_since(now)).unwrap_or(RETRY_AFTER);
        Ok(pause.clamp(RETRY_AFTER, READ_EVERY))
    }

    /// Reads the Secret and carries out the plan until there is nothing left to do.
    async fn settle(&self, now: Timestamp) -> Result<(Material, Timestamp), AuthorityError> {
        for _ in 0..STEPS_MAX {
            let found = self.bounded(READ, self.secrets.get_opt(&self.secret)).await?;
            // One without data is one that somebody made for us to fill.
            let data = found.as_ref().and_then(|found| found.data.as_ref());
            let material = data
                .filter(|data| !data.is_empty())
                .map(Material::from_data)
                .transpose()
                .map_err(|error| self.unusable(&error))?;
            let step = plan(now, material.as_ref().map(Material::lives).as_ref());
            let changed = match (step, material) {
                (Step::Keep { until }, Some(material)) => return Ok((material, until)),
                (Step::AddNext, Some(material)) => material.with_next(&self.secret, now),
                (Step::Promote, Some(material)) => Ok(material.promoted()),
                (Step::Create, _) | (_, None) => Material::create(&self.secret, now),
            };
            let changed = changed.map_err(|error| self.unusable(&error))?;
            self.write(found, &changed, now, step).await?;
        }
        Err(AuthorityError::Contended { secret: self.secret.clone() })
    }

    /// Writes it, unless somebody else has written since it was read: then theirs is read.
    async fn write(
        &self,
        found: Option<Secret>,
        material: &Material,
        now: Timestamp,
        step: Step,
    ) -> Result<(), AuthorityError> {
        let params = PostParams::default();
        let data = Some(material.to_data(now));
        let written = if let Some(found) = found {
            // With the version that was read: the API server refuses it when there is a newer one.
            let secret = Secret { data, ..found };
            self.bounded(REPLACE, self.secrets.replace(&self.secret, &params, &secret)).await
        } else {
            let secret = Secret { metadata: self.metadata(), data, ..Secret::default() };
            self.bounded(CREATE, self.secrets.create(&params, &secret)).await
        };
        match written {
            Ok(_) => {
                info!(secret = %self.secret, ?step, "authority of the control stream written");
                Ok(())
            }
            Err(AuthorityError::Api { source, verb, secret: _ }) if is_lost_race(&source, verb) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn metadata(&self) -> ObjectMeta {
        let labels = [
            ("app.kubernetes.io/managed-by", names::MANAGED_BY),
            ("app.kubernetes.io/part-of", "loka-stratum"),
        ];
        ObjectMeta {
            name: Some(self.secret.clone()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            ..ObjectMeta::default()
        }
    }

    async fn bounded<T>(
        &self,
        verb: &'static str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, AuthorityError> {
        let secret = || self.secret.clone();
        match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => {
                Err(AuthorityError::Api { secret: secret(), verb, source: Box::new(source) })
            }
            Err(_) => Err(AuthorityError::Silent { secret: secret() }),
        }
    }

    fn unusable(&self, error: &MaterialError) -> AuthorityError {
        AuthorityError::Unusable { secret: self.secret.clone(), why: error.to_string() }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("secret", &self.secret)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

// === impl Certificate ===

impl Certificate {
    /// Waits for the first.
    pub async fn is_there(&mut self) {
        // An error means that the authority has ended, and so that nobody will serve.
        drop(self.0.wait_for(Option::is_some).await);
    }

    pub(super) fn current(&self) -> Option<Arc<CertifiedKey>> {
        self.0.borrow().clone()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

/// Somebody made it, wrote it or deleted it in the meantime. (Not found when it is to be made is
/// another matter: there is no such namespace.)
fn is_lost_race(error: &kube::Error, verb: &str) -> bool {
    let kube::Error::Api(status) = error else { return false };
    status.is_already_exists() || status.is_conflict() || (verb == REPLACE && status.is_not_found())
}

#[cfg(test)]
mod tests;
