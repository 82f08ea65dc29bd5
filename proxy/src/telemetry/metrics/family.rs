//! Metrics with labels, bounded: a family that has as many series as it may takes the rest under
//! one name.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric as RegisteredMetric, Registry};

use super::super::catalogue::Metric;
use super::REMOTE_SECONDS;

/// Series per metric. Labels come from the configuration (512 routes of 8 pools, each with a few
/// endpoints) and from closed sets, so this is reached only by a configuration whose names change
/// for ever.
pub(crate) const SERIES_MAX: usize = 16_384;

/// Label of everything past [`SERIES_MAX`].
const OTHER: &str = "other";

/// The values of a metric's labels, in the catalogue's order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Labels<const N: usize> {
    keys: &'static [&'static str],
    values: [Box<str>; N],
}

/// A metric per combination of `N` labels.
#[derive(Debug)]
pub(crate) struct Series<const N: usize, M> {
    keys: &'static [&'static str],
    family: Family<Labels<N>, M>,
    /// Number of combinations seen; a race may count one twice, which only brings the bound
    /// nearer.
    seen: AtomicUsize,
}

// === impl Labels ===

impl<const N: usize> Labels<N> {
    pub(crate) fn new(keys: &'static [&'static str], values: [&str; N]) -> Self {
        debug_assert_eq!(keys.len(), N, "labels of the catalogue: {keys:?}");
        Self { keys, values: values.map(Box::from) }
    }
}

impl<const N: usize> EncodeLabelSet for Labels<N> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (key, value) in self.keys.iter().zip(&self.values) {
            (*key, value.as_ref()).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

// === impl Series ===

impl<const N: usize> Series<N, Counter> {
    pub(super) fn counts(registry: &mut Registry, metric: &Metric) -> Self {
        Self::register(registry, metric, Counter::default)
    }

    pub(crate) fn inc(&self, values: [&str; N]) {
        self.add(values, 1);
    }

    pub(crate) fn add(&self, values: [&str; N], count: u64) {
        self.of(values, |counter| counter.inc_by(count));
    }
}

impl<const N: usize> Series<N, Histogram> {
    pub(super) fn durations(registry: &mut Registry, metric: &Metric) -> Self {
        Self::register(registry, metric, || Histogram::new(REMOTE_SECONDS))
    }

    pub(crate) fn observe(&self, values: [&str; N], duration: Duration) {
        self.of(values, |histogram| histogram.observe(duration.as_secs_f64()));
    }
}

impl<const N: usize, M> Series<N, M>
where
    M: Clone,
    Family<Labels<N>, M>: RegisteredMetric,
{
    fn register(registry: &mut Registry, metric: &Metric, make: fn() -> M) -> Self {
        let family = Family::new_with_constructor(make);
        registry.register(metric.name, metric.help, family.clone());
        Self { keys: metric.labels, family, seen: AtomicUsize::new(0) }
    }

    /// What is counted under these values: looked up once where it is there, as it is for each share.
    fn of<T>(&self, values: [&str; N], count: impl FnOnce(&M) -> T) -> T {
        let labels = Labels::new(self.keys, values);
        if let Some(metric) = self.family.get(&labels) {
            return count(&metric);
        }
        let labels = match self.seen.fetch_add(1, Ordering::Relaxed) < SERIES_MAX {
            true => labels,
            false => Labels::new(self.keys, [OTHER; N]),
        };
        count(&self.family.get_or_create(&labels))
    }
}
