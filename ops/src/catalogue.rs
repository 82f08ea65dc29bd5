//! How a program lists its metrics, and how the list becomes a document. The rows are the programs'.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

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

/// One metric. `L` is what is known of each of its labels: the name, or all values too ([`Label`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric<L: 'static> {
    /// Its name without the suffix of its kind.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [L],
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

// === impl Label ===

impl AsRef<str> for Label {
    fn as_ref(&self) -> &str {
        self.name
    }
}

// === impl Metric ===

impl<L> Metric<L> {
    /// The name that a query uses.
    pub fn exposed(&self) -> String {
        format!("{}{}", self.name, self.kind.suffix())
    }
}

/// Declares the constants and `ALL` in one go, so that none can be left out. A label is its name, or
/// its name and all of its values; a catalogue has labels of one sort, and names it first.
#[macro_export]
macro_rules! metrics {
    (@label $label:literal) => { $label };
    (@label $label:literal $values:expr) => {
        $crate::catalogue::Label { name: $label, values: $values }
    };
    ($metric:ty; $($constant:ident: $kind:ident $name:literal [$($label:literal $(: $values:expr)?),*] $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $constant: $metric = $crate::catalogue::Metric {
                name: $name,
                kind: $crate::catalogue::Kind::$kind,
                labels: &[$($crate::metrics!(@label $label $($values)?)),*],
                help: $help,
            };
        )+

        /// The whole catalogue, in the order of the documentation.
        pub const ALL: &[$metric] = &[$($constant,)+];
    };
}

/// A catalogue as a document: `introduction`, a table of all metrics, and a table of `closed`: names
/// of a metric and of one of its labels, and what that may be.
pub fn markdown<'a, L: AsRef<str>>(
    introduction: &str,
    all: &[Metric<L>],
    closed: impl IntoIterator<Item = (String, &'a str, Vec<&'a str>)>,
) -> String {
    let mut out = introduction.to_owned();
    out.push_str("## All metrics\n\n| Metric | Kind | Labels | Meaning |\n|---|---|---|---|\n");
    for metric in all {
        let labels = code(metric.labels.iter().map(AsRef::as_ref));
        let (name, kind) = (metric.exposed(), metric.kind.as_str());
        line(&mut out, &format!("`{name}` | {kind} | {labels} | {}", metric.help));
    }
    out.push_str("\n## Values of labels\n\n| Metric | Label | Values |\n|---|---|---|\n");
    for (metric, label, values) in closed {
        line(&mut out, &format!("`{metric}` | `{label}` | {}", code(values)));
    }
    out
}

/// Registers what never changes: the version of the program, and when it started.
pub fn register_constants<L>(
    registry: &mut Registry,
    (build, version): (&Metric<L>, &'static str),
    (start, started): (&Metric<L>, SystemTime),
) {
    registry.register(build.name, build.help, Info::new(vec![("version", version)]));
    let seconds = started.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    registry.register(start.name, start.help, ConstGauge::new(seconds));
}

fn code<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn line(out: &mut String, cells: &str) {
    // Writing to a String cannot fail.
    let _written = writeln!(out, "| {cells} |");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[expect(unreachable_pub, reason = "the macro declares for a module that is seen")]
    mod names {
        metrics! {
            super::Metric<&'static str>;
            JOBS: Counter "jobs" ["pool", "kind"] "Jobs seen";
            BUILD: Info "build" ["version"] "The version";
            START: Gauge "start_seconds" [] "The start";
        }
    }

    #[expect(unreachable_pub, reason = "the macro declares for a module that is seen")]
    mod values {
        metrics! {
            super::Metric<super::Label>;
            ENDS: Histogram "ends_seconds" ["result": &["ok", "failed"]] "Ends";
        }
    }

    #[test]
    fn a_catalogue_of_either_sort_becomes_a_document() {
        let closed = [(names::JOBS.exposed(), "kind", vec!["clean", "dirty"])];
        let wanted = "\
# Metrics

## All metrics

| Metric | Kind | Labels | Meaning |
|---|---|---|---|
| `jobs_total` | counter | `pool`, `kind` | Jobs seen |
| `build_info` | info | `version` | The version |
| `start_seconds` | gauge |  | The start |

## Values of labels

| Metric | Label | Values |
|---|---|---|
| `jobs_total` | `kind` | `clean`, `dirty` |
";
        assert_eq!(markdown("# Metrics\n\n", names::ALL, closed), wanted);
        assert!(
            markdown("", values::ALL, [])
                .contains("| `ends_seconds` | histogram | `result` | Ends |")
        );
        assert_eq!(values::ENDS.labels[0].values, ["ok", "failed"]);
    }

    #[test]
    fn version_and_start_are_registered_by_their_rows() {
        let mut registry = Registry::default();
        let started = UNIX_EPOCH + Duration::from_millis(1_500);
        register_constants(&mut registry, (&names::BUILD, "1.2.3"), (&names::START, started));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.contains("build_info{version=\"1.2.3\"} 1\n"), "{text}");
        assert!(text.contains("start_seconds 1.5\n"), "{text}");
    }
}
