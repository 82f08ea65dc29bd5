//! Which pools are mined on, and how well they do.

use super::farm::PROXIES;
use super::{Dashboard, Kind, Panel, Row};

pub(super) const DASHBOARD: Dashboard = Dashboard {
    uid: "loka-pools",
    title: "Stratum: pools",
    says: "Which pools are mined on, why that changed, and how each of them answers.",
    choices: PROXIES,
    rows: &[STATE, VERDICTS, CONNECTIONS],
};

const STATE: Row = Row {
    title: "Who is mined on",
    panels: &[
        Panel {
            title: "Pools that a route works for",
            says: "yes: the miners of the route, or a part of them, mine for the pool. A route with no pool at all earns nothing.",
            kind: Kind::States,
            unit: "short",
            series: &[("{{route}}: {{pool}}", "max by (route, pool) (loka_pool_active{$F})")],
        },
        Panel {
            title: "Pools that are up",
            says: "yes: connected, logged in and with a job. A pool that is unfit is up, and not mined on for what it does.",
            kind: Kind::States,
            unit: "short",
            series: &[(
                "{{route}}: {{pool}}",
                r#"min by (route, pool) (loka_pool_state{$F, state="up"})"#,
            )],
        },
        Panel {
            title: "Part of the hashrate, by pool",
            says: "Of each route's measured hashrate, the part that works for the pool now.",
            kind: Kind::Lines,
            unit: "percentunit",
            series: &[(
                "{{route}}: {{pool}}",
                "avg by (route, pool) (loka_pool_hashrate_part{$F})",
            )],
        },
        Panel {
            title: "Changes of pool, by reason",
            says: "How often routes took another pool. Each clean change makes shares stale that are on their way.",
            kind: Kind::Lines,
            unit: "short",
            series: &[(
                "{{route}}: {{reason}}",
                "sum by (route, reason) (increase(loka_route_switches_total{$F}[10m]))",
            )],
        },
    ],
};

const VERDICTS: Row = Row {
    title: "Verdicts",
    panels: &[
        Panel {
            title: "Refused of what is due, by pool",
            says: "Shares that were found good here and that the pool refused. More than a percent is worth asking the pool about.",
            kind: Kind::Lines,
            unit: "percentunit",
            series: &[(
                "{{pool}}",
                "(sum by (pool) (rate(loka_shares_pool_rejected_total{$F}[15m])) or 0 * sum by (pool) (rate(loka_shares_due_total{$F}[15m]))) / sum by (pool) (rate(loka_shares_due_total{$F}[15m]))",
            )],
        },
        Panel {
            title: "Refused by pools, by reason",
            says: "In our words for what the pool says. stale: the pool had a newer block by then.",
            kind: Kind::Lines,
            unit: "cps",
            series: &[(
                "{{pool}}: {{reason}}",
                "sum by (pool, reason) (rate(loka_shares_pool_rejected_total{$F}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "Time to a verdict, 99 of 100",
            says: "From writing a share to the pool to its answer. The round trip is a part of it.",
            kind: Kind::Lines,
            unit: "s",
            series: &[(
                "{{pool}}",
                "histogram_quantile(0.99, sum by (pool, le) (rate(loka_pool_verdict_seconds_bucket{$F}[$__rate_interval])))",
            )],
        },
        Panel {
            title: "Difficulty that pools ask for",
            says: "Shares of at least this difficulty are due. It decides how many shares go to the pool, and not what is earned.",
            kind: Kind::Lines,
            unit: "short",
            series: &[("{{route}}: {{pool}}", "max by (route, pool) (loka_pool_difficulty{$F})")],
        },
    ],
};

const CONNECTIONS: Row = Row {
    title: "Connections and jobs",
    panels: &[
        Panel {
            title: "Age of the last job",
            says: "A pool that sends none for minutes may be dead without having hung up.",
            kind: Kind::Lines,
            unit: "s",
            series: &[(
                "{{route}}: {{pool}}",
                "max by (route, pool) (loka_pool_job_age_seconds{$F})",
            )],
        },
        Panel {
            title: "Jobs, by kind",
            says: "clean: the work before it is worth nothing any more, as after a block. continue: shares of both count.",
            kind: Kind::Lines,
            unit: "cps",
            series: &[(
                "{{pool}}: {{kind}}",
                "sum by (pool, kind) (rate(loka_jobs_received_total{$F}[$__rate_interval]))",
            )],
        },
        Panel {
            title: "Times that a pool went down, by reason",
            says: "docs/metrics.md says whose side each reason is on, and what is done about it.",
            kind: Kind::Lines,
            unit: "short",
            series: &[(
                "{{pool}}: {{reason}}",
                "sum by (pool, reason) (increase(loka_pool_down_total{$F}[10m]))",
            )],
        },
        Panel {
            title: "Time to log in, 9 of 10",
            says: "From the attempt to connect to the first job: what a fail-over to a pool that is not kept warm costs.",
            kind: Kind::Lines,
            unit: "s",
            series: &[(
                "{{pool}}",
                "histogram_quantile(0.9, sum by (pool, le) (rate(loka_pool_login_seconds_bucket{$F}[1h])))",
            )],
        },
        Panel {
            title: "What pools did that they should not",
            says: "Broke the protocol, asked us elsewhere, were held unfit, refused a login, or sent a job that pays somebody else.",
            kind: Kind::Lines,
            unit: "short",
            series: &[
                (
                    "{{pool}}: misbehaved",
                    "sum by (pool) (increase(loka_pool_misbehaved_total{$F}[10m]))",
                ),
                (
                    "{{pool}}: asked for a reconnect",
                    "sum by (pool) (increase(loka_pool_reconnects_asked_total{$F}[10m]))",
                ),
                (
                    "{{pool}}: unfit by {{reason}}",
                    "sum by (pool, reason) (increase(loka_pool_suspected_total{$F}[10m]))",
                ),
                (
                    "{{pool}}: refused our login",
                    "sum by (pool) (increase(loka_pool_login_refused_total{$F}[10m]))",
                ),
                (
                    "{{pool}}: pays somebody else",
                    "sum by (pool) (increase(loka_pool_unverified_jobs_total{$F}[10m]))",
                ),
            ],
        },
    ],
};
