//! Logs and traces. Where traces are sent is the environment's (`OTEL_*`), not the document's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::rules;

/// Logs and traces.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Observability {
    /// How much is logged. Absent: what the process was started with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LogLevel")]
    pub log_level: Option<LogLevel>,

    /// Traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Tracing>,
}

/// The least severe line that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LogLevel {
    /// What stops something.
    Error,
    /// And what is wrong but goes on.
    Warn,
    /// And what an operator of the farm wants to know.
    Info,
    /// And what a developer wants to know.
    Debug,
    /// And every message of the wire.
    Trace,
}

impl LogLevel {
    /// As log filters write it.
    #[must_use]
    pub const fn as_filter(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Traces.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Tracing {
    /// The part of the shares that is traced, from "0" to "1". Absent: what the process was
    /// started with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.matches('^(0([.][0-9]{1,9})?|1([.]0{1,9})?)$')",
        "must be a decimal number from 0 to 1; write it like \"0.01\"",
    )])))]
    pub sampling_ratio: Option<String>,
}
