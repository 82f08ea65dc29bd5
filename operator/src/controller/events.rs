//! What is worth an event of Kubernetes: pure. A human reads them when something is wrong, so each is told once, when
//! it begins, and says what to look at.

use kube::runtime::events::{Event, EventType};
use loka_api::conditions::{Condition, ConditionStatus};
use loka_api::stratum_proxy::{PoolState, StratumProxyStatus};

/// Longest note that an API server takes.
const NOTE_BYTES_MAX: usize = 1024;

/// False for reasons that pass by themselves, or that another condition tells.
const NO_NEWS: [&str; 6] =
    ["NoPods", "NotRendered", "Unavailable", "ScaledToZero", "Complete", "Pending"];

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Happening {
    pub(super) is_warning: bool,
    pub(super) reason: String,
    pub(super) note: String,
}

/// What the change from one status to the next is worth.
pub(super) fn happenings(
    before: &StratumProxyStatus,
    after: &StratumProxyStatus,
) -> Vec<Happening> {
    let mut all: Vec<Happening> = Vec::new();
    for condition in &after.conditions {
        // The sum says nothing of its own.
        if condition.type_ == "Ready" {
            continue;
        }
        let old = before.conditions.iter().find(|old| old.type_ == condition.type_);
        if let Some(happening) = of_condition(old, condition)
            && all.iter().all(|told| told.reason != happening.reason)
        {
            all.push(happening);
        }
    }
    all.extend(synced(before, after));
    all.extend(pools(before, after));
    all
}

fn of_condition(old: Option<&Condition>, new: &Condition) -> Option<Happening> {
    let is_news = old.is_none_or(|old| old.status != new.status || old.reason != new.reason);
    let is_wrong = new.status == ConditionStatus::False && !NO_NEWS.contains(&new.reason.as_str());
    (is_news && is_wrong).then(|| Happening {
        is_warning: true,
        reason: event_reason(&new.reason).to_owned(),
        note: new.message.clone(),
    })
}

/// Reasons of conditions stand beside their type; an event's stands alone.
fn event_reason(reason: &str) -> &str {
    match reason {
        "Invalid" => "InvalidSpec",
        "Rejected" => "ConfigRejected",
        "PropagationDeadlineExceeded" => "PropagationSlow",
        other => other,
    }
}

fn synced(before: &StratumProxyStatus, after: &StratumProxyStatus) -> Option<Happening> {
    let is_synced = |status: &StratumProxyStatus| {
        let mut all = status.conditions.iter();
        all.any(|it| it.type_ == "Programmed" && it.status == ConditionStatus::True)
    };
    let config = after.config.as_ref().filter(|_| is_synced(after) && !is_synced(before))?;
    Some(Happening {
        is_warning: false,
        reason: "ConfigSynced".to_owned(),
        note: format!("config {} runs on {} pods", config.hash, config.pods.synced),
    })
}

fn pools(before: &StratumProxyStatus, after: &StratumProxyStatus) -> Vec<Happening> {
    let change = |new: &loka_api::stratum_proxy::PoolStatus| {
        let old = before.pools.iter().find(|old| old.name == new.name)?;
        let (is_warning, reason, note) = match (old.state, new.state) {
            (PoolState::Up, PoolState::Down) => {
                (true, "PoolDown", format!("pool {} gives no work any more", new.name))
            }
            (PoolState::Down, PoolState::Up) => {
                (false, "PoolRecovered", format!("pool {} gives work again", new.name))
            }
            _ => return None,
        };
        Some(Happening { is_warning, reason: reason.to_owned(), note })
    };
    after.pools.iter().filter_map(change).collect()
}

impl From<&Happening> for Event {
    fn from(Happening { is_warning, reason, note }: &Happening) -> Self {
        let mut cut = note.len().min(NOTE_BYTES_MAX);
        while !note.is_char_boundary(cut) {
            cut -= 1;
        }
        Self {
            type_: if *is_warning { EventType::Warning } else { EventType::Normal },
            reason: reason.clone(),
            note: note.get(..cut).map(str::to_owned),
            action: "Reconcile".to_owned(),
            secondary: None,
        }
    }
}

#[cfg(test)]
mod tests;
