//! The registry: counters, gauges and histograms that events feed, as OpenMetrics text on demand.
//!
//! Labels are members of closed sets, so every series is made at the start: rates need a series
//! that begins at zero, and none can come later.

use std::fmt;
use std::time::{Duration, SystemTime};

use loka_ops::catalogue::register_constants;
use loka_ops::otlp::{ExportResult, SpanCount};
use loka_ops::throttle::Throttle;
use prometheus_client::encoding::{EncodeLabel as _, EncodeLabelSet, LabelSetEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric as Registered, Registry};

use super::catalogue::{self as names, Metric};

/// Bounds of the buckets, in seconds: a reconcile takes a few requests, a configuration up to a
/// canary's patience.
const SECONDS: [f64; 13] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0, 120.0];

/// Log lines that any pod of the cluster can cause.
const STRANGER_LINES_PER_SECOND: u32 = 5;

/// The numbers of the process. Fields are named as in [`super::catalogue`].
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub(super) config_acks: Counts<1>,
    pub(super) config_propagation: Histogram,
    pub(super) config_publish: Counts<1>,
    pub(super) config_streams: Gauge,
    pub(super) leader: Gauge,
    pub(super) lease_errors: Counter,
    pub(super) lease_transitions: Counter,
    pub(super) reconcile_duration: Durations,
    pub(super) reconciles: Counts<2>,
    pub(super) spans_exported: Counts<1>,
    pub(super) status_writes: Counts<1>,
    pub(super) streams_refused: Counts<1>,
    pub(super) watch_errors: Counts<1>,
    /// Lines that a stranger can cause share this allowance.
    pub(super) stranger_log: Throttle,
}

/// A counter per combination of labels.
#[derive(Debug)]
pub(super) struct Counts<const N: usize> {
    metric: &'static Metric,
    family: Family<Labels<N>, Counter>,
}

/// A histogram per value of its one label, whose buckets point to a trace.
#[derive(Debug)]
pub(super) struct Durations {
    metric: &'static Metric,
    family: Family<Labels<1>, HistogramWithExemplars<Labels<1>>>,
}

/// Names and values, in the catalogue's order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Labels<const N: usize>([(&'static str, String); N]);

// === impl Metrics ===

impl Metrics {
    pub(super) fn new(started: SystemTime) -> Self {
        let mut registry = Registry::default();
        let build = (&names::BUILD, env!("CARGO_PKG_VERSION"));
        register_constants(&mut registry, build, (&names::PROCESS_START, started));
        Self {
            config_acks: Counts::register(&mut registry, &names::CONFIG_ACKS, one),
            config_propagation: register(
                &mut registry,
                &names::CONFIG_PROPAGATION,
                Histogram::new(SECONDS),
            ),
            config_publish: Counts::register(&mut registry, &names::CONFIG_PUBLISH, one),
            config_streams: register(&mut registry, &names::CONFIG_STREAMS, Gauge::default()),
            leader: register(&mut registry, &names::LEADER, Gauge::default()),
            lease_errors: register(&mut registry, &names::LEASE_ERRORS, Counter::default()),
            lease_transitions: register(
                &mut registry,
                &names::LEASE_TRANSITIONS,
                Counter::default(),
            ),
            reconcile_duration: Durations::register(&mut registry, &names::RECONCILE_DURATION),
            reconciles: Counts::register(&mut registry, &names::RECONCILES, two),
            spans_exported: Counts::register(&mut registry, &names::SPANS_EXPORTED, one),
            status_writes: Counts::register(&mut registry, &names::STATUS_WRITES, one),
            streams_refused: Counts::register(&mut registry, &names::STREAMS_REFUSED, one),
            watch_errors: Counts::register(&mut registry, &names::WATCH_ERRORS, one),
            stranger_log: Throttle::per_second(STRANGER_LINES_PER_SECOND),
            registry,
        }
    }

    /// Appends the registry to `out`.
    ///
    /// # Errors
    /// Only those of `out`.
    pub fn encode(&self, out: &mut impl fmt::Write) -> fmt::Result {
        text::encode(out, &self.registry)
    }
}

impl SpanCount for Metrics {
    fn count(&self, result: ExportResult, spans: u64) {
        self.spans_exported.add([result.label()], spans);
    }
}

// === impl Counts ===

impl<const N: usize> Counts<N> {
    fn register(
        registry: &mut Registry,
        metric: &'static Metric,
        combinations: fn(&Metric) -> Vec<[&'static str; N]>,
    ) -> Self {
        let family = register(registry, metric, Family::default());
        let counts = Self { metric, family };
        for values in combinations(metric) {
            counts.add(values, 0);
        }
        counts
    }

    pub(super) fn inc(&self, values: [&'static str; N]) {
        self.add(values, 1);
    }

    pub(super) fn add(&self, values: [&'static str; N], count: u64) {
        self.family.get_or_create(&labels(self.metric, values)).inc_by(count);
    }
}

// === impl Durations ===

impl Durations {
    fn register(registry: &mut Registry, metric: &'static Metric) -> Self {
        let make = || HistogramWithExemplars::new(SECONDS.into_iter());
        let family = register(registry, metric, Family::new_with_constructor(make as fn() -> _));
        for values in one(metric) {
            drop(family.get_or_create(&labels(metric, values)));
        }
        Self { metric, family }
    }

    pub(super) fn observe(&self, value: &'static str, duration: Duration, trace: Option<String>) {
        let exemplar = trace.map(|id| Labels([("trace_id", id)]));
        let now = exemplar.is_some().then(SystemTime::now);
        self.family.get_or_create(&labels(self.metric, [value])).observe(
            duration.as_secs_f64(),
            exemplar,
            now,
        );
    }
}

// === impl Labels ===

impl<const N: usize> EncodeLabelSet for Labels<N> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            (*name, value.as_str()).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

fn labels<const N: usize>(metric: &Metric, values: [&'static str; N]) -> Labels<N> {
    debug_assert_eq!(metric.labels.len(), N, "{}", metric.name);
    let mut names = metric.labels.iter().map(|label| label.name);
    Labels(values.map(|value| (names.next().unwrap_or_default(), value.to_owned())))
}

/// Every value of a metric's one label.
fn one(metric: &Metric) -> Vec<[&'static str; 1]> {
    metric.labels.first().map_or_else(Vec::new, |label| label.values.iter().map(|v| [*v]).collect())
}

/// Every combination of a metric's two labels.
fn two(metric: &Metric) -> Vec<[&'static str; 2]> {
    let [first, second] = metric.labels else { return Vec::new() };
    let pairs = first.values.iter().flat_map(|a| second.values.iter().map(move |b| [*a, *b]));
    pairs.collect()
}

fn register<M: Registered + Clone>(registry: &mut Registry, metric: &Metric, made: M) -> M {
    registry.register(metric.name, metric.help, made.clone());
    made
}
