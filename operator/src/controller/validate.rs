//! Whether what was read can be run: pure. Documents go through the same validation and rendering as in the
//! proxy's `check`, so that both refuse the same with the same words; what only a cluster knows (references
//! that lead nowhere, the shape of pods) is judged here.

mod pod;
mod secrets;

pub(super) use pod::PodShape;
pub(super) use secrets::ClusterSecrets;

use std::time::Duration;

use loka_api::names;
use loka_api::stratum_pool::{SecretUse, StratumPool};
use loka_api::stratum_proxy::{StratumProxy, StratumProxySpec};
use loka_api::{
    Problem, RawDocument, Resources, RuntimeConfig, SecretMiss, SecretRef, SecretSource as _,
    render, runtime_config,
};
use serde_json::Value;

use super::index::pools_of;

/// Accounts that are named in a status; of more the number is.
const ACCOUNTS_SHOWN_MAX: usize = 4;
/// Problems that a condition tells.
const PROBLEMS_SHOWN_MAX: usize = 8;

/// Bytes of a configuration that a Secret holds, beside what else is in the mounted file. The API server takes a Secret of a
/// mebibyte; one that is refused only when it is written would run in pods, and not be what they start from.
const CONFIG_BYTES_MAX: usize = 1024 * 1024 - 4096;

/// All that a StratumProxy is rendered from.
#[derive(Clone, Debug)]
pub(super) struct Dereferenced {
    /// The resource itself.
    pub(super) proxy: StratumProxy,
    /// The StratumPools of it that exist.
    pub(super) pools: Vec<StratumPool>,
    /// The Secrets of it that exist.
    pub(super) secrets: ClusterSecrets,
}

/// What can be run.
#[derive(Clone, Debug)]
pub(super) struct Validated {
    /// The spec with its defaults.
    pub(super) spec: StratumProxySpec,
    /// What pods are to run.
    pub(super) config: RuntimeConfig,
    /// Its hash.
    pub(super) hash: String,
    /// What pods look like.
    pub(super) pod: PodShape,
    /// The longest that a drain takes.
    pub(super) drain: Duration,
    /// The accounts that are paid, in the order of the pools.
    pub(super) accounts: String,
}

/// Why it cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// A document is wrong in itself.
    #[error("{reason}: {message}")]
    NotAccepted {
        /// Of the condition.
        reason: &'static str,
        /// For a human.
        message: String,
    },
    /// A reference leads nowhere.
    #[error("{reason}: {message}")]
    Unresolved {
        /// Of the condition.
        reason: &'static str,
        /// For a human.
        message: String,
    },
}

/// Judges what was read.
pub(super) fn validate(read: &Dereferenced) -> Result<Validated, Unfit> {
    let documents = documents(read);
    let resources = Resources::from_documents(&documents).map_err(|problems| invalid(&problems))?;
    let proxy = resources.proxy(None).map_err(|problems| invalid(&problems))?;
    let pod = PodShape::read(&proxy.spec.pod)
        .map_err(|fault| Unfit::NotAccepted { reason: "InvalidPod", message: fault.to_string() })?;
    resolve(read)?;
    let rendered =
        render(&resources, proxy, &read.secrets).map_err(|problems| unrendered(&problems))?;
    let json = runtime_config::json(&rendered.config);
    fits(json.len())?;
    Ok(Validated {
        spec: proxy.spec.clone(),
        hash: runtime_config::hash_of_json(json.as_bytes()),
        drain: Duration::from_millis(rendered.config.drain.timeout_ms),
        accounts: accounts(&rendered.config),
        config: rendered.config,
        pod,
    })
}

/// What pods start from is mounted, so it must fit what is mounted.
fn fits(bytes: usize) -> Result<(), Unfit> {
    if bytes <= CONFIG_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "the configuration that spec.routes, spec.rules and the lists of spec.listeners[].authentication come to has {bytes} bytes, and a Secret \
         holds {CONFIG_BYTES_MAX}; give some of the routes to another StratumProxy"
    );
    Err(Unfit::NotAccepted { reason: "Invalid", message })
}

/// The objects as documents, in an order that does not depend on how they were read.
fn documents(read: &Dereferenced) -> Vec<RawDocument> {
    let mut pools: Vec<&StratumPool> = read.pools.iter().collect();
    pools.sort_by_key(|pool| pool.metadata.name.clone());
    let proxy = serde_json::to_value(&read.proxy);
    let all = std::iter::once(proxy).chain(pools.into_iter().map(serde_json::to_value));
    // Types of ours always serialise; one that did not would be missed below as a missing reference.
    all.filter_map(Result::ok)
        .map(|value| {
            let namespace = value.pointer("/metadata/namespace").and_then(Value::as_str);
            RawDocument::from_object(
                namespace.unwrap_or(names::DEFAULT_NAMESPACE).to_owned().as_str(),
                value,
            )
        })
        .collect()
}

/// References first, since they have reasons of their own.
fn resolve(read: &Dereferenced) -> Result<(), Unfit> {
    let namespace = read.proxy.metadata.namespace.clone().unwrap_or_default();
    let unresolved = |reason, message| Err(Unfit::Unresolved { reason, message });
    for wanted in pools_of(&read.proxy.spec) {
        let found = read.pools.iter().find(|pool| pool.metadata.name.as_deref() == Some(wanted));
        let Some(pool) = found else {
            let message = format!(
                "there is no StratumPool {namespace}/{wanted}; create it, or take it out of spec.routes"
            );
            return unresolved("PoolNotFound", message);
        };
        for used in pool.spec.secrets() {
            secret(read, &namespace, wanted, used)?;
        }
    }
    Ok(())
}

/// A key of a Secret that StratumPool `pool` refers to.
fn secret(
    read: &Dereferenced,
    namespace: &str,
    pool: &str,
    used: SecretUse<'_>,
) -> Result<(), Unfit> {
    let SecretUse { field, name, key } = used;
    let place = format!("StratumPool {pool}, {field}");
    let (namespace, name, key) = (namespace.to_owned(), name.to_owned(), key.to_owned());
    let named = format!("{namespace}/{name}");
    let (reason, message) =
        match read.secrets.find(&SecretRef { namespace, name, key: key.clone() }) {
            Ok(_) => return Ok(()),
            Err(SecretMiss::NoSecret) => {
                ("SecretNotFound", format!("{place}: there is no Secret {named}; create it"))
            }
            Err(SecretMiss::NoKey { known }) => {
                let known = known.join(", ");
                let message = format!(
                    "{place}: Secret {named} has no key {key}, it has [{known}]; add the key"
                );
                ("SecretKeyMissing", message)
            }
            Err(SecretMiss::Unreadable(why)) => {
                ("SecretKeyMissing", format!("{place}: Secret {named} cannot be read: {why}"))
            }
        };
    Err(Unfit::Unresolved { reason, message })
}

fn invalid(problems: &[Problem]) -> Unfit {
    Unfit::NotAccepted { reason: "Invalid", message: told(problems) }
}

fn unrendered(problems: &[Problem]) -> Unfit {
    let of_tls = |problem: &Problem| problem.path.contains(".tls");
    if !problems.is_empty() && problems.iter().all(of_tls) {
        return Unfit::Unresolved { reason: "InvalidCertificate", message: told(problems) };
    }
    invalid(problems)
}

/// Problems on one line, as many as a human reads.
fn told(problems: &[Problem]) -> String {
    let line = |problem: &Problem| {
        let text = problem.to_string();
        text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
    };
    let mut lines: Vec<_> = problems.iter().take(PROBLEMS_SHOWN_MAX).map(line).collect();
    if let Some(more) = problems.len().checked_sub(PROBLEMS_SHOWN_MAX).filter(|more| *more > 0) {
        lines.push(format!("and {more} more problems"));
    }
    lines.join(" | ")
}

fn accounts(config: &RuntimeConfig) -> String {
    let mut accounts: Vec<&str> = Vec::new();
    for pool in config.routes.iter().flat_map(|route| &route.pools) {
        if !accounts.contains(&pool.account.as_str()) {
            accounts.push(&pool.account);
        }
    }
    let more = accounts.len().saturating_sub(ACCOUNTS_SHOWN_MAX);
    accounts.truncate(ACCOUNTS_SHOWN_MAX);
    let shown = accounts.join(",");
    if more > 0 { format!("{shown},+{more}") } else { shown }
}

#[cfg(test)]
mod tests;
