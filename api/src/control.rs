//! What the operator and the proxies say to each other: the messages of `proto/control.proto`, the
//! snapshot as a file, and the order of snapshots. No sockets: either side brings its own.
//!
//! A pod starts from the mounted file, without the operator; then it holds the stream. Both carry
//! the same [`Snapshot`], and its [`Identity`] decides which of two is newer.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::runtime_config::{self, RuntimeConfig};

#[expect(
    missing_docs,
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated; described in proto/control.proto"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/loka.stratum.control.v1.rs"));
}

pub use generated::{
    Ack, FromProxy, Hello, Nack, PoolState, Problem, Report, ToProxy, control_client,
    control_server, from_proxy, to_proxy,
};
/// The messages whose checked forms are [`Identity`] and [`Snapshot`].
pub mod wire {
    pub use super::generated::{Identity, Snapshot};
}

/// Names a config. [`Identity::is_newer_than`] orders them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Uid of the StratumProxy: one that is deleted and made again begins anew.
    pub epoch: String,
    /// Rises with each config that is published, and never falls within an epoch.
    pub sequence: u64,
    /// [`runtime_config::hash`] of the config's bytes.
    pub hash: String,
}

/// A config as it travels: whole, named, and with the bytes that its hash is of. They hold passwords: `Debug` shows the
/// name alone.
#[derive(Clone)]
pub struct Snapshot {
    /// Its name.
    pub identity: Identity,
    /// What a proxy runs.
    pub config: RuntimeConfig,
    /// W3C trace context of the reconcile that published it; empty where nothing is traced.
    pub traceparent: String,
    json: Box<str>,
}

/// The mounted file, and the last known good one.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    identity: Identity,
    #[serde(default)]
    traceparent: String,
    config: Box<RawValue>,
}

/// Why bytes are no snapshot that can be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Not of the form of a snapshot.
    #[error("is no snapshot: {0}")]
    Malformed(String),
    /// The name is not of this content.
    #[error("has the hash {found}, and its name says {named}; it was changed on its way")]
    Hash {
        /// What the name says.
        named: String,
        /// What the bytes have.
        found: String,
    },
    /// From a newer operator.
    #[error("has the schema {found}, and this proxy, an older version, knows up to {known}")]
    Schema {
        /// Of the config.
        found: u32,
        /// Highest that is understood.
        known: u32,
    },
}

// === impl Identity ===

impl Identity {
    /// Whether a proxy that runs `other` takes this one: of another epoch, or with a higher
    /// sequence. The operator only ever sends the epoch of the StratumProxy that exists.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        self.epoch != other.epoch || self.sequence.cmp(&other.sequence) == Ordering::Greater
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.hash, self.sequence)
    }
}

impl From<wire::Identity> for Identity {
    fn from(wire::Identity { epoch, sequence, hash }: wire::Identity) -> Self {
        Self { epoch, sequence, hash }
    }
}

impl From<Identity> for wire::Identity {
    fn from(Identity { epoch, sequence, hash }: Identity) -> Self {
        Self { epoch, sequence, hash }
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// Names a rendered config.
    #[must_use]
    pub fn new(epoch: &str, sequence: u64, config: RuntimeConfig) -> Self {
        let json = runtime_config::json(&config);
        let hash = runtime_config::hash_of_json(json.as_bytes());
        let identity = Identity { epoch: epoch.to_owned(), sequence, hash };
        Self { identity, config, traceparent: String::new(), json: json.into_boxed_str() }
    }

    /// The same, with the trace context of what publishes it.
    #[must_use]
    pub fn traced(mut self, traceparent: &str) -> Self {
        traceparent.clone_into(&mut self.traceparent);
        self
    }

    /// Reads a file that [`Self::to_file`] wrote. `schema` is the highest that is understood:
    /// [`runtime_config::SCHEMA`].
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn from_file(text: &str, schema: u32) -> Result<Self, SnapshotError> {
        let malformed = |error: serde_json::Error| SnapshotError::Malformed(error.to_string());
        let File { identity, traceparent, config } =
            serde_json::from_str(text).map_err(malformed)?;
        Self::checked(identity, traceparent, config.get(), schema)
    }

    /// Reads what a stream carried.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn from_wire(message: wire::Snapshot, schema: u32) -> Result<Self, SnapshotError> {
        let wire::Snapshot { identity, config, traceparent } = message;
        let unnamed = || SnapshotError::Malformed("it has no identity".to_owned());
        let json =
            str::from_utf8(&config).map_err(|error| SnapshotError::Malformed(error.to_string()))?;
        Self::checked(identity.ok_or_else(unnamed)?.into(), traceparent, json, schema)
    }

    fn checked(
        identity: Identity,
        traceparent: String,
        json: &str,
        schema: u32,
    ) -> Result<Self, SnapshotError> {
        let found = runtime_config::hash_of_json(json.as_bytes());
        if found != identity.hash {
            return Err(SnapshotError::Hash { named: identity.hash, found });
        }
        // The schema first: a newer config may not even parse.
        let Schema { schema: needed } = serde_json::from_str(json)
            .map_err(|error| SnapshotError::Malformed(error.to_string()))?;
        if needed > schema {
            return Err(SnapshotError::Schema { found: needed, known: schema });
        }
        let config = serde_json::from_str(json)
            .map_err(|error| SnapshotError::Malformed(error.to_string()))?;
        Ok(Self { identity, config, traceparent, json: json.into() })
    }

    /// The text of the mounted file.
    #[must_use]
    pub fn to_file(&self) -> String {
        let Self { identity, config: _, traceparent, json } = self;
        // Texts and numbers always serialise; the config goes in as the bytes that were hashed.
        let quoted = |value: serde_json::Value| value.to_string();
        let (identity, traceparent) =
            (quoted(serde_json::json!(identity)), quoted(serde_json::json!(traceparent)));
        format!("{{\"identity\":{identity},\"traceparent\":{traceparent},\"config\":{json}}}\n")
    }

    /// The message of the stream.
    #[must_use]
    pub fn to_wire(&self) -> wire::Snapshot {
        let Self { identity, config: _, traceparent, json } = self;
        wire::Snapshot {
            identity: Some(identity.clone().into()),
            config: json.as_bytes().to_vec(),
            traceparent: traceparent.clone(),
        }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("identity", &self.identity).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Schema {
    schema: u32,
}

#[cfg(test)]
mod tests;
