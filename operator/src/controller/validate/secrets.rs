//! Secrets of the cluster, as far as they are referred to. Shows no value.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use loka_api::{Secret, SecretMiss, SecretRef, SecretSource};

/// Secrets by namespace and name.
#[derive(Clone, Default)]
pub(in super::super) struct ClusterSecrets(BTreeMap<(String, String), Arc<core::Secret>>);

impl ClusterSecrets {
    /// Adds one that was read.
    pub(in super::super) fn add(&mut self, namespace: &str, name: &str, secret: Arc<core::Secret>) {
        self.0.insert((namespace.to_owned(), name.to_owned()), secret);
    }
}

impl SecretSource for ClusterSecrets {
    fn find(&self, wanted: &SecretRef) -> Result<Secret, SecretMiss> {
        let name = (wanted.namespace.clone(), wanted.name.clone());
        let secret = self.0.get(&name).ok_or(SecretMiss::NoSecret)?;
        let data = secret.data.as_ref();
        let Some(value) = data.and_then(|data| data.get(&wanted.key)) else {
            let known = data.map(|data| data.keys().cloned().collect()).unwrap_or_default();
            return Err(SecretMiss::NoKey { known });
        };
        match str::from_utf8(&value.0) {
            Ok(text) => Ok(Secret::new(text)),
            Err(_) => Err(SecretMiss::Unreadable(format!("the key {} is no text", wanted.key))),
        }
    }

    fn place(&self) -> String {
        "the cluster".to_owned()
    }
}

impl fmt::Debug for ClusterSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
