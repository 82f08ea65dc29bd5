//! Every metric of the operator: name, kind, labels with all of their values, meaning. What is
//! registered and what is documented in `docs/operator-metrics.md` is this table; tests keep them
//! the same.

mod document;

pub use document::markdown;

use loka_ops::otlp::ExportResult;

use super::reasons::{
    Answer, Publish, ReconcileResult, Reconciled, StatusWrite, StreamRefusal, Watch,
};

/// One metric, with the values of its labels.
pub type Metric = loka_ops::catalogue::Metric<loka_ops::catalogue::Label>;

loka_ops::metrics! {
    Metric;

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
