use std::collections::BTreeMap;

use super::super::catalogue::ALL;
use super::*;

fn text(metrics: &Metrics) -> String {
    let mut text = String::new();
    metrics.encode(&mut text, &Registry::default()).unwrap();
    text
}

#[test]
fn every_registered_metric_is_in_the_catalogue_with_its_kind() {
    let text = text(&Metrics::new(UNIX_EPOCH));
    let known: BTreeMap<_, _> = ALL.iter().map(|metric| (metric.name, metric.kind)).collect();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert_eq!(known.get(name).map(|kind| kind.as_str()), Some(kind), "{name}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn a_counter_is_exposed_with_the_labels_of_the_catalogue() {
    let metrics = Metrics::new(UNIX_EPOCH);
    metrics.miner_closed.inc(["v1", "idle"]);
    metrics.miner_closed.inc(["v1", "idle"]);
    let text = text(&metrics);
    assert!(
        text.contains("loka_miner_closed_total{listener=\"v1\",reason=\"idle\"} 2\n"),
        "{text}"
    );
}

#[test]
fn series_beyond_the_bound_are_counted_under_one_name() {
    let metrics = Metrics::new(UNIX_EPOCH);
    for number in 0..SERIES_MAX + 5 {
        metrics.miner_connections.inc([&format!("listener-{number}")]);
    }
    metrics.miner_connections.inc(["listener-0"]);
    let text = text(&metrics);
    let series = text.lines().filter(|line| line.starts_with("loka_miner_connections_total{"));
    assert_eq!(series.count(), SERIES_MAX + 1);
    assert!(text.contains("loka_miner_connections_total{listener=\"other\"} 5\n"));
    assert!(text.contains("loka_miner_connections_total{listener=\"listener-0\"} 2\n"));
}

#[test]
fn a_name_with_quotes_cannot_break_the_exposition() {
    let metrics = Metrics::new(UNIX_EPOCH);
    metrics.miner_connections.inc(["a\"b\nc"]);
    assert!(text(&metrics).contains("{listener=\"a\\\"b\\nc\"} 1\n"));
}
