//! Whether the pods are well, and what they run.

use super::farm::PROXIES;
use super::{Dashboard, Kind, Panel, Row};

pub(super) const DASHBOARD: Dashboard = Dashboard {
    uid: "loka-proxies",
    title: "Stratum: proxies",
    says: "Whether the pods are well, how much room they have, and which configuration each of them runs.",
    choices: PROXIES,
    rows: &[CONFIGURATION, ROOM, DOORS, BOOKS],
};

const CONFIGURATION: Row = Row {
    title: "Configuration",
    panels: &[
        Panel {
            title: "Pods",
            says: "Proxies that answer Prometheus now, by version.",
            kind: Kind::Stat(None),
            unit: "short",
            series: &[("{{version}}", "count by (version) (loka_proxy_build_info{$F})")],
        },
        Panel {
            title: "Pods by configuration",
            says: "By the hash of what they run. More than one for longer than a change takes: some pods are behind.",
            kind: Kind::Stat(None),
            unit: "short",
            series: &[("{{name}} {{hash}}", "count by (name, hash) (loka_proxy_config_info{$F})")],
        },
        Panel {
            title: "Pods that refused a change",
            says: "They run the last good configuration. Their /status says which field is wrong.",
            kind: Kind::Stat(Some([1.0, 2.0])),
            unit: "short",
            series: &[("", "sum(loka_proxy_config_refused{$F})")],
        },
        Panel {
            title: "Since the configuration was applied",
            says: "The oldest of all pods.",
            kind: Kind::Stat(None),
            unit: "s",
            series: &[("", "max(time() - loka_proxy_config_last_applied_timestamp_seconds{$F})")],
        },
        Panel {
            title: "Where configurations came from",
            says: "stream: pushed by the operator. mounted: from the Secret. last_good: kept from before, for nothing better could be had. files: documents.",
            kind: Kind::Lines,
            unit: "short",
            series: &[("{{source}}", "sum by (source) (loka_proxy_config_source{$F})")],
        },
        Panel {
            title: "Changes of configuration",
            says: "What became of each: applied, or refused with the last good one going on.",
            kind: Kind::Lines,
            unit: "short",
            series: &[(
                "{{result}}",
                "sum by (result) (increase(loka_proxy_config_apply_total{$F}[10m]))",
            )],
        },
    ],
};

const ROOM: Row = Row {
    title: "Room",
    panels: &[
        Panel {
            title: "Memory of each pod",
            says: "As the kernel counts it, and what it may be. Newcomers are refused before it is used up.",
            kind: Kind::Lines,
            unit: "bytes",
            series: &[
                ("{{instance}}", "loka_memory_resident_bytes{$F}"),
                ("budget", "max(loka_memory_budget_bytes{$F})"),
            ],
        },
        Panel {
            title: "Memory by what it is for",
            says: "What is accounted. A miner that is connected and silent takes about 3 KiB, over TLS about 11.",
            kind: Kind::Stack,
            unit: "bytes",
            series: &[("{{kind}}", "sum by (kind) (loka_memory_bytes{$F})")],
        },
        Panel {
            title: "Descriptors",
            says: "Part of those that may be open. Each miner takes one.",
            kind: Kind::Lines,
            unit: "percentunit",
            series: &[("{{instance}}", "loka_descriptors_open{$F} / loka_descriptors_limit{$F}")],
        },
        Panel {
            title: "Out of room",
            says: "yes: new miners are refused, those that are in go on.",
            kind: Kind::States,
            unit: "short",
            series: &[("{{reason}}", "max by (reason) (loka_refusing{$F})")],
        },
    ],
};

const DOORS: Row = Row {
    title: "Doors",
    panels: &[
        Panel {
            title: "Listeners that take miners",
            says: "no: its port cannot be had, it was drained by hand, or its certificate cannot be served.",
            kind: Kind::States,
            unit: "short",
            series: &[(
                "{{stratumproxy}} {{listener}}",
                "min by (stratumproxy, listener) (loka_listener_up{$F})",
            )],
        },
        Panel {
            title: "New connections",
            says: "Many of them with few miners: something connects and goes again and again.",
            kind: Kind::Lines,
            unit: "cps",
            series: &[(
                "{{listener}}",
                "sum by (listener) (rate(loka_miner_connections_total{$F}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "Handshakes and bans",
            says: "Connections that are no miner yet, and addresses that are refused for what they did.",
            kind: Kind::Lines,
            unit: "short",
            series: &[
                ("handshakes at {{listener}}", "sum by (listener) (loka_miner_handshakes{$F})"),
                ("banned at {{listener}}", "sum by (listener) (loka_miner_banned_addresses{$F})"),
            ],
        },
        Panel {
            title: "Logins that were refused, and TLS that came to nothing",
            says: "By reason. A certificate that miners refuse shows here first.",
            kind: Kind::Lines,
            unit: "short",
            series: &[
                (
                    "login: {{reason}}",
                    "sum by (reason) (increase(loka_miner_logins_refused_total{$F}[10m]))",
                ),
                (
                    "TLS: {{reason}}",
                    "sum by (reason) (increase(loka_miner_tls_failed_total{$F}[10m]))",
                ),
            ],
        },
    ],
};

const BOOKS: Row = Row {
    title: "Books and hands",
    panels: &[
        Panel {
            title: "Since the ledger was last kept",
            says: "More than a few seconds: its disk is full, or gone. A pod that is killed then forgets what came since.",
            kind: Kind::Lines,
            unit: "s",
            series: &[("{{instance}}", "loka_ledger_kept_age_seconds{$F}")],
        },
        Panel {
            title: "Records of the audit log",
            says: "A minute. summarised: told as a number, for there were too many alike. lost: neither written nor told one by one.",
            kind: Kind::Lines,
            unit: "cpm",
            series: &[(
                "{{result}}",
                "sum by (result) (rate(loka_audit_records_total{$F}[$__rate_interval])) * 60",
            )],
        },
        Panel {
            title: "By hand",
            says: "What was done or refused at the admin API, and who was not let in.",
            kind: Kind::Lines,
            unit: "short",
            series: &[
                (
                    "{{kind}} {{result}}",
                    "sum by (kind, result) (increase(loka_admin_acts_total{$F}[10m]))",
                ),
                (
                    "not let in: {{reason}}",
                    "sum by (reason) (increase(loka_admin_denied_total{$F}[10m]))",
                ),
            ],
        },
        Panel {
            title: "Spans handed to the collector",
            says: "Traces leave over OTLP where an endpoint is set. failed: they are gone, mining is not.",
            kind: Kind::Lines,
            unit: "cps",
            series: &[(
                "{{result}}",
                "sum by (result) (rate(loka_proxy_spans_exported_total{$F}[$__rate_interval]))",
            )],
        },
    ],
};
