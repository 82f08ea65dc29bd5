//! The seam to where the Lease is kept: three requests, each as it is, without a retry.

use std::future::Future;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client, Error};
use loka_api::names::FIELD_MANAGER;

/// One Lease.
pub(super) trait LeaseStore: Send + Sync + 'static {
    /// The Lease, if there is one.
    fn read(&self) -> impl Future<Output = Result<Option<Lease>, StoreError>> + Send;

    /// Makes it; [`StoreError::Conflict`] if there is one.
    fn create(&self, lease: &Lease) -> impl Future<Output = Result<Lease, StoreError>> + Send;

    /// Writes it over the version that it was read as; [`StoreError::Conflict`] if it has changed
    /// since.
    fn replace(&self, lease: &Lease) -> impl Future<Output = Result<Lease, StoreError>> + Send;
}

/// A request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// Somebody else was there first.
    #[error("changed by somebody else")]
    Conflict,
    /// No answer in time. Whether it was carried out is not known.
    #[error("no answer in time")]
    Timeout,
    /// The API server said no, or could not be reached.
    #[error(transparent)]
    Api(#[from] Box<Error>),
}

/// The Lease in a cluster.
#[derive(Clone, Debug)]
pub(super) struct ApiLease {
    api: Api<Lease>,
    name: Box<str>,
}

// === impl ApiLease ===

impl ApiLease {
    pub(super) fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.into() }
    }

    fn params() -> PostParams {
        PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
    }
}

impl LeaseStore for ApiLease {
    async fn read(&self) -> Result<Option<Lease>, StoreError> {
        self.api.get_opt(&self.name).await.map_err(wrap)
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, StoreError> {
        let mut lease = lease.clone();
        lease.metadata.name = Some(self.name.to_string());
        self.api.create(&Self::params(), &lease).await.map_err(wrap)
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, StoreError> {
        self.api.replace(&self.name, &Self::params(), lease).await.map_err(wrap)
    }
}

fn wrap(error: Error) -> StoreError {
    match error {
        // Both are 409: changed since it was read, or made by another.
        Error::Api(status) if status.code == 409 => StoreError::Conflict,
        // Deleted since it was read: the next look tells.
        Error::Api(status) if status.code == 404 => StoreError::Conflict,
        other => Box::new(other).into(),
    }
}
