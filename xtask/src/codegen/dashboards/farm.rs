//! Whether the farm is paid for what it does.

use super::{Choice, Dashboard, Kind, Panel, Row};

pub(super) const PROXIES: &[Choice] = &[
    Choice { label: "namespace", title: "Namespace", of: "loka_proxy_build_info" },
    Choice { label: "stratumproxy", title: "StratumProxy", of: "loka_proxy_build_info" },
];

pub(super) const DASHBOARD: Dashboard = Dashboard {
    uid: "loka-farm",
    title: "Stratum: farm",
    says: "Whether the farm is paid for what its machines do, and where work is lost if it is not.",
    choices: PROXIES,
    rows: &[PAID_WORK, SHARES, MINERS],
};

const PAID_WORK: Row = Row {
    title: "Paid work",
    panels: &[
        Panel {
            title: "Credited of what is due, last hour",
            says: "Work that pools credited, of the work that met their target. What is missing was refused, lost, or never judged.",
            kind: Kind::Stat(Some([0.98, 0.95])),
            unit: "percentunit",
            series: &[(
                "",
                "sum(rate(loka_shares_pool_accepted_difficulty_total{$F}[1h])) / sum(rate(loka_shares_due_difficulty_total{$F}[1h]))",
            )],
        },
        Panel {
            title: "Hashing time with live work, last hour",
            says: "Part of what the connected miners could hash that had a live job of a pool to work on.",
            kind: Kind::Stat(Some([0.99, 0.97])),
            unit: "percentunit",
            series: &[(
                "",
                r#"sum(rate(loka_miner_work_difficulty_total{$F, state="paid"}[1h])) / sum(rate(loka_miner_work_difficulty_total{$F, state!="absent"}[1h]))"#,
            )],
        },
        Panel {
            title: "Hashrate that pools credit",
            says: "From the difficulty of the shares that pools accepted in the last ten minutes: it varies by chance with few shares.",
            kind: Kind::Stat(None),
            unit: "Hs",
            series: &[(
                "",
                "sum(rate(loka_shares_pool_accepted_difficulty_total{$F}[10m])) * 2^32",
            )],
        },
        Panel {
            title: "Miners connected",
            says: "Connections of miners that are up now, over all pods.",
            kind: Kind::Stat(None),
            unit: "short",
            series: &[("", "sum(loka_miners_connected{$F})")],
        },
        Panel {
            title: "Due shares lost or never judged, last day",
            says: "Shares that a pool should have paid for and never got, or got and never answered.",
            kind: Kind::Stat(Some([1.0, 100.0])),
            unit: "short",
            series: &[(
                "",
                "(sum(increase(loka_shares_lost_total{$F}[1d])) or vector(0)) + (sum(increase(loka_shares_unanswered_total{$F}[1d])) or vector(0))",
            )],
        },
        Panel {
            title: "Hashrate by account",
            says: "What each account is credited, beside the work of all miners as it was judged here. The two are apart by luck and by what is refused.",
            kind: Kind::Lines,
            unit: "Hs",
            series: &[
                (
                    "credited to {{account}}",
                    "sum by (account) (rate(loka_shares_pool_accepted_difficulty_total{$F}[10m])) * 2^32",
                ),
                ("judged here", "sum(rate(loka_shares_accepted_difficulty_total{$F}[10m])) * 2^32"),
            ],
        },
        Panel {
            title: "What the machines worked on",
            says: "paid: live work. stale: the last job of a pool that is gone. no_job: nothing yet. draining: asked to leave. absent: gone by themselves, for up to an hour.",
            kind: Kind::Stack,
            unit: "Hs",
            series: &[(
                "{{state}}",
                "sum by (state) (rate(loka_miner_work_difficulty_total{$F}[$__rate_interval])) * 2^32",
            )],
        },
    ],
};

const SHARES: Row = Row {
    title: "Shares",
    panels: &[
        Panel {
            title: "Shares a second, by what became of them",
            says: "Every share ends in one of these. Below the pool's target means good, and not due to the pool.",
            kind: Kind::Stack,
            unit: "cps",
            series: &[
                (
                    "below the pool's target",
                    "sum(rate(loka_shares_below_pool_difficulty_total{$F}[$__rate_interval]))",
                ),
                ("credited", "sum(rate(loka_shares_pool_accepted_total{$F}[$__rate_interval]))"),
                ("refused here", "sum(rate(loka_shares_rejected_total{$F}[$__rate_interval]))"),
                (
                    "refused by the pool",
                    "sum(rate(loka_shares_pool_rejected_total{$F}[$__rate_interval]))",
                ),
                ("never judged", "sum(rate(loka_shares_unanswered_total{$F}[$__rate_interval]))"),
                ("lost", "sum(rate(loka_shares_lost_total{$F}[$__rate_interval]))"),
            ],
        },
        Panel {
            title: "Refused here, by reason",
            says: "stale: too late, by the network or the miner. low_difficulty, duplicate, ntime_out_of_range, version_bits: the miner's own faults.",
            kind: Kind::Lines,
            unit: "cps",
            series: &[(
                "{{reason}}",
                "sum by (reason) (rate(loka_shares_rejected_total{$F}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "Refused of received, by firmware",
            says: "The five classes of firmware of whose shares the largest part is refused here.",
            kind: Kind::Lines,
            unit: "percentunit",
            series: &[(
                "{{class}}",
                "topk(5, sum by (class) (rate(loka_class_shares_rejected_total{$F}[15m])) / sum by (class) (rate(loka_class_shares_received_total{$F}[15m])))",
            )],
        },
        Panel {
            title: "Shares on their way to a pool",
            says: "held: not written yet. outstanding: written, and without a verdict. Both are near 0 where pools answer.",
            kind: Kind::Lines,
            unit: "short",
            series: &[
                ("held", "sum(loka_shares_held{$F})"),
                ("outstanding", "sum(loka_shares_outstanding{$F})"),
            ],
        },
    ],
};

const MINERS: Row = Row {
    title: "Miners",
    panels: &[
        Panel {
            title: "Miners by listener",
            says: "Connections that are up. A step down is a rack, a switch or a site.",
            kind: Kind::Lines,
            unit: "short",
            series: &[(
                "{{stratumproxy}} {{listener}}",
                "sum by (stratumproxy, listener) (loka_miners_connected{$F})",
            )],
        },
        Panel {
            title: "Sessions that ended, by reason",
            says: "Each costs its miner the time to come back. docs/metrics.md says whose side each reason is on.",
            kind: Kind::Lines,
            unit: "cps",
            series: &[(
                "{{reason}}",
                "sum by (reason) (rate(loka_miner_closed_total{$F}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "Newcomers that were turned away, by reason",
            says: "Connections that did not become a session: by limits, bans, or for want of memory or descriptors.",
            kind: Kind::Lines,
            unit: "cps",
            series: &[(
                "{{reason}}",
                "sum by (reason) (rate(loka_miner_refused_total{$F}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "Time until a miner has a new job",
            says: "From reading a job of the pool to writing it to a miner. What a miner finds in between may be stale.",
            kind: Kind::Lines,
            unit: "s",
            series: &[
                (
                    "median",
                    "histogram_quantile(0.5, sum by (le) (rate(loka_job_delivery_seconds_bucket{$F}[$__rate_interval])))",
                ),
                (
                    "99 of 100",
                    "histogram_quantile(0.99, sum by (le) (rate(loka_job_delivery_seconds_bucket{$F}[$__rate_interval])))",
                ),
            ],
        },
    ],
};
