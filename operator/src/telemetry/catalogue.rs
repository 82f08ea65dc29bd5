//! Every metric of the operator: name, kind, labels with all of their values, meaning. What is
//! registered and what is documented in `docs/operator-metrics.md` is this table; tests keep them
//! the same.

mod document;

pub use document::markdown;

use super::reasons::{
    Answer, ExportResult, Publish, ReconcileResult, Reconciled, StatusWrite, StreamRefusal, Watch,
};

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises; exposed with the suffix `_total`.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Durations in buckets; exposed with `_bucket`, `_sum` and `_count`.
    Histogram,
    /// Always 1, with the information in its labels; exposed with the suffix `_info`.
    Info,
}

/// A label and all of its values; none where the value is a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub values: &'static [&'static str],
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name without the suffix of its kind.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [Label],
    /// What it says, without a full stop.
    pub help: &'static str,
}

// === impl Kind ===

impl Kind {
    /// The kind as OpenMetrics spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Gauge | Self::Histogram => "",
            Self::Info => "_info",
        }
    }
}

// === impl Metric ===

impl Metric {
    /// The name that a query uses.
    pub fn exposed(&self) -> String {
        format!("{}{}", self.name, self.kind.suffix())
    }
}

/// Declares the constants and [`ALL`] in one go, so that none can be left out.
macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal: $values:expr),*] $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$(Label { name: $label, values: $values }),*],
                help: $help,
            };
        )+

        /// The whole catalogue, in the order of the documentation.
        pub const ALL: &[Metric] = &[$($constant,)+];
    };
}

metrics! {
    RECONCILES: Counter "loka_operator_reconcile" ["kind": Reconciled::LABELS, "result": ReconcileResult::LABELS]
        "Reconciles of the replica that leads, by how they ended";
    RECONCILE_DURATION: Histogram "loka_operator_reconcile_duration_seconds" ["kind": Reconciled::LABELS]
        "From the beginning of a reconcile to its end";
    STATUS_WRITES: Counter "loka_operator_status_writes" ["result": StatusWrite::LABELS]
        "Statuses to write, by what became of each attempt";
    WATCH_ERRORS: Counter "loka_operator_watch_errors" ["kind": Watch::LABELS]
        "Errors of a watch; it is tried again";

    LEADER: Gauge "loka_operator_leader" []
        "1 while this replica leads";
    LEASE_TRANSITIONS: Counter "loka_operator_lease_transitions" []
        "Times that this replica took the Lease or lost it";
    LEASE_ERRORS: Counter "loka_operator_lease_errors" []
        "Requests about the Lease that failed";

    CONFIG_PUBLISH: Counter "loka_operator_config_publish" ["result": Publish::LABELS]
        "Configurations to publish, by what became of them: each counts once, and failures at every attempt";
    CONFIG_ACKS: Counter "loka_operator_config_acks" ["result": Answer::LABELS]
        "Configurations sent to pods, by what these said";
    CONFIG_PROPAGATION: Histogram "loka_operator_config_propagation_seconds" []
        "From the rendering of a configuration until every ready pod runs it; not where none is ready when it is mounted";
    CONFIG_STREAMS: Gauge "loka_operator_config_streams" []
        "Pods connected to this replica";
    STREAMS_REFUSED: Counter "loka_operator_streams_refused" ["reason": StreamRefusal::LABELS]
        "Streams of pods that were not taken";

    SPANS_EXPORTED: Counter "loka_operator_spans_exported" ["result": ExportResult::LABELS]
        "Trace spans handed to the OTLP exporter";
    BUILD: Info "loka_operator_build" ["version": &[]]
        "The version of this binary";
    PROCESS_START: Gauge "process_start_time_seconds" []
        "When the process started";
}

#[cfg(test)]
mod tests;
