//! Conditions as values: when the time of one changes, and when two are the same.

use k8s_openapi::jiff::Timestamp;
use loka_api::conditions::{Condition, ConditionStatus};
use loka_api::stratum_proxy::StratumProxyStatus;
use serde_json::Value;

/// Longest message: of a condition an API server takes more, and nobody reads it.
const MESSAGE_LENGTH_MAX: usize = 1024;

/// Type, status, reason and message, before they get their times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Verdict {
    pub(in super::super) type_: &'static str,
    pub(in super::super) status: ConditionStatus,
    pub(in super::super) reason: String,
    pub(in super::super) message: String,
}

/// Shorthand.
pub(in super::super) fn condition(
    type_: &'static str,
    status: ConditionStatus,
    reason: &str,
    message: impl Into<String>,
) -> Verdict {
    let message: String = message.into().chars().take(MESSAGE_LENGTH_MAX).collect();
    Verdict { type_, status, reason: reason.to_owned(), message }
}

impl Verdict {
    /// With the time of its last change of status: that of the one before, if that had the same.
    pub(in super::super) fn since(
        self,
        before: &[Condition],
        generation: Option<i64>,
        now: Timestamp,
    ) -> Condition {
        let Self { type_, status, reason, message } = self;
        let same = before.iter().find(|old| old.type_ == type_ && old.status == status);
        let last_transition_time =
            same.map_or_else(|| rfc3339(now), |old| old.last_transition_time.clone());
        Condition {
            type_: type_.to_owned(),
            status,
            reason,
            message,
            last_transition_time,
            observed_generation: generation,
        }
    }
}

/// As the API server writes times.
pub(in super::super) fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// When a condition took its status.
pub(in super::super) fn held_since(conditions: &[Condition], type_: &str) -> Option<Timestamp> {
    let found = conditions.iter().find(|condition| condition.type_ == type_)?;
    found.last_transition_time.parse().ok()
}

/// Whether two statuses say the same. Times follow from what is said: one that differs alone is no news.
pub(in super::super) fn same_but_times(
    left: &StratumProxyStatus,
    right: &StratumProxyStatus,
) -> bool {
    let timeless = |status: &StratumProxyStatus| {
        let mut value = serde_json::to_value(status).unwrap_or_default();
        let conditions = value.get_mut("conditions").and_then(Value::as_array_mut);
        for condition in conditions.into_iter().flatten() {
            if let Value::Object(fields) = condition {
                fields.remove("lastTransitionTime");
            }
        }
        if let Some(Value::Object(rejected)) = value.pointer_mut("/config/lastRejected") {
            rejected.remove("at");
        }
        value
    };
    timeless(left) == timeless(right)
}
