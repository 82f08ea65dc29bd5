//! The status of a StratumPool: whether it is valid, whether its Secret is there, and whether the pods get work from it.
//! It has a queue of its own, fed by what the StratumProxies' pods report.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use loka_api::conditions::{Condition, ConditionStatus};
use loka_api::stratum_pool::{SecretUse, StratumPool, StratumPoolStatus};
use loka_api::{RawDocument, names};

use super::ended::{self, Ended};
use super::update_status::{Target, Verdict, Writer, condition};
use super::watches::{Named, Pool, key_of};
use super::{Context, Error, RECONCILE_MAX};
use crate::fleet::{PodLink, ProxyKey};
use crate::telemetry::reasons::Reconciled;

/// The type of the condition that pods speak of.
const AVAILABLE: &str = "Available";

/// Errors that a message tells.
const ERRORS_SHOWN_MAX: usize = 3;

/// What the pods say of one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Reports {
    up: usize,
    down: usize,
    errors: BTreeSet<String>,
}

pub(super) async fn reconcile(object: Arc<Pool>, context: Arc<Context>) -> Result<Action, Error> {
    if !context.fence.may_write() {
        return Ok(Action::await_change());
    }
    let key = key_of(object.as_ref());
    let began = Instant::now();
    let done = tokio::time::timeout(RECONCILE_MAX, turn(&object, &key, &context)).await;
    let done = done.unwrap_or(Err(Error::TimedOut));
    ended::tell(&context.telemetry, (Reconciled::StratumPool, &key), began, &done);
    done.map(|Ended { action, .. }| action)
}

async fn turn(object: &Pool, key: &ProxyKey, context: &Context) -> Result<Ended, Error> {
    context.wait_until_ready().await?;
    let named = (key.namespace.clone(), key.name.clone());
    let pool = match &object.0 {
        Ok(pool) => pool,
        Err(invalid) => return Ok(Ended::invalid(Action::await_change(), invalid.to_string())),
    };
    let before = pool.status.clone().unwrap_or_default();
    let after = observe(pool, &named, &before, context).await?;
    let target = Target {
        kind: names::STRATUM_POOL,
        namespace: &named.0,
        name: &named.1,
        uid: pool.metadata.uid.as_deref().unwrap_or_default(),
    };
    let version = pool.metadata.resource_version.clone();
    let Context { client, fence, telemetry, .. } = context;
    let writer = Writer::new(client, fence, telemetry, target, version);
    if says_the_same(&before, &after) {
        writer.leave();
    } else {
        writer.write_as::<StratumPool>(&after).await?;
    }
    let action = Action::requeue(context.resync());
    Ok(match unfit(&after) {
        Some(why) => Ended::invalid(action, why),
        None => Ended::well(action),
    })
}

/// What is wrong with the documents, if something is.
fn unfit(status: &StratumPoolStatus) -> Option<String> {
    let is_wrong = |it: &&Condition| it.type_ != AVAILABLE && it.status == ConditionStatus::False;
    let wrong = status.conditions.iter().find(is_wrong)?;
    Some(format!("{}: {}", wrong.reason, wrong.message))
}

async fn observe(
    pool: &StratumPool,
    named: &Named,
    before: &StratumPoolStatus,
    context: &Context,
) -> Result<StratumPoolStatus, Error> {
    let (namespace, name) = named;
    let users = context.notes.index.users_of_pool(namespace, name);
    let links: Vec<PodLink> = users.iter().flat_map(|user| context.fleet.links(user)).collect();
    let reports = reports(name, &links);
    let verdicts = [
        accepted(pool),
        resolved(pool, namespace, context).await?,
        available(&reports, users.len(), before, context.is_new_leader()),
    ];
    let generation = pool.metadata.generation;
    let now = Timestamp::now();
    let since = |verdict: Verdict| verdict.since(&before.conditions, generation, now);
    Ok(StratumPoolStatus {
        observed_generation: generation,
        conditions: verdicts.into_iter().map(since).collect(),
        used_by: Some(i32::try_from(users.len()).unwrap_or(i32::MAX)),
    })
}

fn accepted(pool: &StratumPool) -> Verdict {
    let document =
        RawDocument::from_object("cluster", serde_json::to_value(pool).unwrap_or_default());
    match loka_api::validate(&document) {
        Ok(_) => condition("Accepted", ConditionStatus::True, "Accepted", "the resource is valid"),
        Err(problems) => {
            let told = problems.first().map(ToString::to_string).unwrap_or_default();
            condition("Accepted", ConditionStatus::False, "Invalid", told.replace('\n', ";"))
        }
    }
}

async fn resolved(
    pool: &StratumPool,
    namespace: &str,
    context: &Context,
) -> Result<Verdict, Error> {
    use ConditionStatus::{False, True};
    let used = pool.spec.secrets();
    if used.is_empty() {
        let message = "it refers to no Secret";
        return Ok(condition("ResolvedRefs", True, "ResolvedRefs", message));
    }
    for SecretUse { field, name, key } in used {
        let secret =
            context.secrets.read(&context.client, &context.stores, namespace, name).await?;
        let has_key = |secret: &k8s_openapi::api::core::v1::Secret| {
            secret.data.as_ref().is_some_and(|data| data.contains_key(key))
        };
        let (reason, message) = match secret {
            Some(secret) if has_key(&secret) => continue,
            Some(_) => {
                let message =
                    format!("{field}: Secret {namespace}/{name} has no key {key}; add it");
                ("SecretKeyMissing", message)
            }
            None => {
                let message = format!("{field}: there is no Secret {namespace}/{name}; create it");
                ("SecretNotFound", message)
            }
        };
        return Ok(condition("ResolvedRefs", False, reason, message));
    }
    Ok(condition("ResolvedRefs", True, "ResolvedRefs", "the Secrets have the keys"))
}

fn reports(name: &str, links: &[PodLink]) -> Reports {
    let mut reports = Reports::default();
    for link in links {
        let all = link.report.iter().flat_map(|report| &report.pools);
        let of_pool: Vec<_> =
            all.filter(|state| state.pool.split('/').next() == Some(name)).collect();
        if of_pool.iter().any(|state| state.up) {
            reports.up += 1;
        } else if !of_pool.is_empty() {
            reports.down += 1;
            let errors = of_pool.iter().map(|state| state.last_error.clone());
            reports.errors.extend(errors.filter(|error| !error.is_empty()));
        }
    }
    reports
}

fn available(
    reports: &Reports,
    users: usize,
    before: &StratumPoolStatus,
    is_new_leader: bool,
) -> Verdict {
    use ConditionStatus::{False, True, Unknown};
    let Reports { up, down, errors } = reports;
    let held = before.conditions.iter().find(|old| old.type_ == AVAILABLE);
    match (up, down) {
        (0, 0) if users == 0 => condition(
            AVAILABLE,
            Unknown,
            "NotUsed",
            "no StratumProxy names it, so nobody has tried it",
        ),
        (0, 0) => match held {
            // The pods are about to dial this replica and to say it again.
            Some(Condition { status, reason, message, .. }) if is_new_leader => {
                condition(AVAILABLE, *status, reason, message.as_str())
            }
            _ => condition(AVAILABLE, Unknown, "NotReported", "no pod has said yet how it is"),
        },
        (0, down) => {
            let told: Vec<_> = errors.iter().take(ERRORS_SHOWN_MAX).cloned().collect();
            let why = if told.is_empty() { "it gives no work".to_owned() } else { told.join("; ") };
            let message = format!("none of {down} pods gets work from it: {why}");
            condition(AVAILABLE, False, "PoolDown", message)
        }
        (up, down) => {
            let message = format!("{up} of {} pods get work from it", up + down);
            condition(AVAILABLE, True, "PoolUp", message)
        }
    }
}

fn says_the_same(left: &StratumPoolStatus, right: &StratumPoolStatus) -> bool {
    let StratumPoolStatus { observed_generation, conditions, used_by } = left;
    let timeless = |conditions: &[Condition]| {
        let mut all = conditions.to_vec();
        all.iter_mut().for_each(|condition| condition.last_transition_time.clear());
        all
    };
    *observed_generation == right.observed_generation
        && *used_by == right.used_by
        && timeless(conditions) == timeless(&right.conditions)
}

#[cfg(test)]
mod tests;
