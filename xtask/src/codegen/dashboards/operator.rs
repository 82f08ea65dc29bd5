//! Whether edits take effect.

use super::{Choice, Dashboard, Kind, Panel, Row};

pub(super) const DASHBOARD: Dashboard = Dashboard {
    uid: "loka-operator",
    title: "Stratum: operator",
    says: "Whether edits of StratumProxies and StratumPools take effect, and how long they take to reach the last pod. Miners go on without the operator.",
    choices: &[Choice { label: "namespace", title: "Namespace", of: "loka_operator_build_info" }],
    rows: &[EDITS, RECONCILES, SURROUNDINGS],
};

const EDITS: Row = Row {
    title: "Edits",
    panels: &[
        Panel {
            title: "Operators that lead",
            says: "One. None for some seconds while the leader changes; for longer, edits have no effect.",
            kind: Kind::Stat(None),
            unit: "short",
            series: &[("", "sum(loka_operator_leader{$O})")],
        },
        Panel {
            title: "Pods on the stream",
            says: "Proxies that have a change pushed to them; others read it from their mount, later.",
            kind: Kind::Stat(None),
            unit: "short",
            series: &[("", "sum(loka_operator_config_streams{$O})")],
        },
        Panel {
            title: "Configurations refused by a canary, last day",
            says: "They went nowhere else. The StratumProxy's conditions say which pod refused, and why.",
            kind: Kind::Stat(Some([1.0, 10.0])),
            unit: "short",
            series: &[(
                "",
                r#"sum(increase(loka_operator_config_publish_total{$O, result="rejected"}[1d]))"#,
            )],
        },
        Panel {
            title: "Time until every ready pod runs an edit",
            says: "From rendering a configuration to the last acknowledgement.",
            kind: Kind::Lines,
            unit: "s",
            series: &[
                (
                    "median",
                    "histogram_quantile(0.5, sum by (le) (rate(loka_operator_config_propagation_seconds_bucket{$O}[30m])))",
                ),
                (
                    "9 of 10",
                    "histogram_quantile(0.9, sum by (le) (rate(loka_operator_config_propagation_seconds_bucket{$O}[30m])))",
                ),
            ],
        },
        Panel {
            title: "Configurations and what pods said of them",
            says: "published, rejected by a canary, or failed to be written; ack, nack or nothing in time, pod by pod.",
            kind: Kind::Lines,
            unit: "short",
            series: &[
                (
                    "{{result}}",
                    "sum by (result) (increase(loka_operator_config_publish_total{$O}[10m]))",
                ),
                (
                    "pods: {{result}}",
                    "sum by (result) (increase(loka_operator_config_acks_total{$O}[10m]))",
                ),
            ],
        },
    ],
};

const RECONCILES: Row = Row {
    title: "Reconciles",
    panels: &[
        Panel {
            title: "Reconciles a second, by how they ended",
            says: "invalid: the resource says something wrong, and its conditions say what. forbidden, failed, timed_out: the API server.",
            kind: Kind::Lines,
            unit: "cps",
            series: &[(
                "{{kind}} {{result}}",
                "sum by (kind, result) (rate(loka_operator_reconcile_total{$O}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "Time of a reconcile, 99 of 100",
            says: "A point on it leads to the trace of one of them, where Prometheus keeps exemplars.",
            kind: Kind::Lines,
            unit: "s",
            series: &[(
                "{{kind}}",
                "histogram_quantile(0.99, sum by (kind, le) (rate(loka_operator_reconcile_duration_seconds_bucket{$O}[$__rate_interval])))",
            )],
        },
        Panel {
            title: "Statuses written",
            says: "unchanged: looked at, and nothing to write. Many conflicts: somebody else writes them.",
            kind: Kind::Lines,
            unit: "cps",
            series: &[(
                "{{result}}",
                "sum by (result) (rate(loka_operator_status_writes_total{$O}[$__rate_interval]))",
            )],
        },
    ],
};

const SURROUNDINGS: Row = Row {
    title: "The API server and the pods",
    panels: &[
        Panel {
            title: "Errors of watches",
            says: "Each is tried again. Many for long: the operator may act on what is old.",
            kind: Kind::Lines,
            unit: "short",
            series: &[(
                "{{kind}}",
                "sum by (kind) (increase(loka_operator_watch_errors_total{$O}[10m]))",
            )],
        },
        Panel {
            title: "Lease",
            says: "Changes of the leader, and requests about the lease that failed.",
            kind: Kind::Lines,
            unit: "short",
            series: &[
                ("changes", "sum(increase(loka_operator_lease_transitions_total{$O}[10m]))"),
                ("errors", "sum(increase(loka_operator_lease_errors_total{$O}[10m]))"),
            ],
        },
        Panel {
            title: "Streams that were refused",
            says: "By reason. not_leader is ordinary: the pod goes to the one that leads.",
            kind: Kind::Lines,
            unit: "short",
            series: &[(
                "{{reason}}",
                "sum by (reason) (increase(loka_operator_streams_refused_total{$O}[10m]))",
            )],
        },
        Panel {
            title: "Spans of the operator handed to the collector",
            says: "Traces leave over OTLP where an endpoint is set. failed: they are gone, reconciles are not.",
            kind: Kind::Lines,
            unit: "cps",
            series: &[(
                "{{result}}",
                "sum by (result) (rate(loka_operator_spans_exported_total{$O}[$__rate_interval]))",
            )],
        },
    ],
};
