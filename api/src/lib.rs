//! The contract of proxy and operator: resource types, their whole validation (structure and CEL,
//! the same with and without a cluster), and the rendered runtime config.
//!
//! Pure: no sockets, no files, no clock. Callers read documents and secrets and pass them in.

#![warn(missing_docs)]

pub mod allow_list;
pub mod conditions;
pub mod control;
#[cfg(feature = "crd")]
pub mod crd;
mod documents;
#[cfg(any(test, feature = "cases"))]
pub mod edit;
pub mod names;
pub mod overlay;
mod path;
mod problem;
mod render;
pub mod reserved;
mod resources;
mod rules;
pub mod runtime_config;
mod schema;
mod secrets;
pub mod stratum_pool;
pub mod stratum_proxy;
mod validate;
pub mod values;

pub use documents::{DocumentId, RawDocument, read};
pub use problem::Problem;
pub use render::{Explained, Origin, Rendered, render};
pub use resources::{Resources, Sourced};
pub use runtime_config::{RuntimeConfig, hash};
pub use schema::structure::nearest;
pub use secrets::{
    DocumentSecrets, Layered, Secret, SecretDocument, SecretMiss, SecretRef, SecretSource,
};
pub use validate::{Resource, validate};
