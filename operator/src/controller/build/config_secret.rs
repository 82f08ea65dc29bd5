//! The snapshot that pods start from, whether the operator lives or not.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use loka_api::control::{Identity, Snapshot};
use loka_api::{names, runtime_config};

use super::Owner;

/// Builds it.
pub(in super::super) fn build(owner: &Owner<'_>, snapshot: &Snapshot) -> Secret {
    let mut metadata = owner.metadata(&names::config_secret(owner.name));
    let Identity { epoch: _, sequence, hash } = &snapshot.identity;
    metadata.annotations = Some(BTreeMap::from([
        (names::CONFIG_HASH_ANNOTATION.to_owned(), hash.clone()),
        (names::CONFIG_SEQUENCE_ANNOTATION.to_owned(), sequence.to_string()),
    ]));
    Secret {
        metadata,
        // Not `stringData`: who owns what it becomes is not tracked by server-side apply.
        data: Some(BTreeMap::from([(
            names::SNAPSHOT_FILE.to_owned(),
            ByteString(snapshot.to_file().into_bytes()),
        )])),
        type_: Some("Opaque".to_owned()),
        ..Default::default()
    }
}

/// What a Secret of ours holds, by its metadata alone: the epoch is the uid of its owner.
pub(in super::super) fn identity(metadata: &ObjectMeta) -> Option<Identity> {
    let annotations = metadata.annotations.as_ref()?;
    let owners = metadata.owner_references.as_ref()?;
    let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
    Some(Identity {
        epoch: owner.uid.clone(),
        sequence: annotations.get(names::CONFIG_SEQUENCE_ANNOTATION)?.parse().ok()?,
        hash: annotations.get(names::CONFIG_HASH_ANNOTATION)?.clone(),
    })
}

/// The snapshot in a Secret, if it can be read.
pub(in super::super) fn snapshot(secret: &Secret) -> Option<Snapshot> {
    let bytes = secret.data.as_ref()?.get(names::SNAPSHOT_FILE)?;
    Snapshot::from_file(str::from_utf8(&bytes.0).ok()?, runtime_config::SCHEMA).ok()
}
