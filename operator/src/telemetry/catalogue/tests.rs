use std::collections::BTreeSet;
use std::path::Path;

use loka_ops::catalogue::Kind;

use super::super::Telemetry;
use super::*;

#[test]
fn names_are_unique_prefixed_and_carry_their_unit_last() {
    let names: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), ALL.len());
    for metric in ALL {
        let name = metric.name;
        assert!(name.starts_with("loka_operator_") || name == PROCESS_START.name, "{name}");
        // The registry appends these, and a full stop to the help.
        assert!(!name.ends_with("_total") && !name.ends_with("_info"), "{name}");
        assert!(!metric.help.ends_with('.'), "{name}");
        assert!(metric.kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
    }
}

#[test]
fn no_label_can_hold_the_name_of_an_object() {
    for metric in ALL.iter().filter(|metric| metric.kind != Kind::Info) {
        for label in metric.labels {
            assert!(!label.values.is_empty(), "{} {}", metric.name, label.name);
        }
    }
}

#[test]
fn what_is_registered_is_the_catalogue_and_every_series_begins_at_zero() {
    let mut text = String::new();
    Telemetry::silent().metrics().encode(&mut text).unwrap();
    let families: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    let wanted: BTreeSet<_> = ALL
        .iter()
        .map(|metric| (metric.name.to_owned(), metric.kind.as_str().to_owned()))
        .collect();
    assert_eq!(families, wanted);
    for metric in ALL.iter().filter(|metric| metric.kind == Kind::Counter) {
        let begin = format!("{}_total", metric.name);
        let seen = text.lines().filter(|line| line.starts_with(&begin)).count();
        let combinations: usize = metric.labels.iter().map(|label| label.values.len()).product();
        assert_eq!(seen, combinations, "{begin}\n{text}");
    }
}

#[test]
fn the_documentation_of_metrics_is_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operator-metrics.md");
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == markdown(),
        "docs/operator-metrics.md is out of date: run `cargo xtask codegen`"
    );
}

#[test]
fn the_queries_of_the_documentation_name_metrics_of_the_catalogue() {
    let text = markdown();
    let (_, queries) = text.split_once("```promql").unwrap();
    let (queries, _) = queries.split_once("```").unwrap();
    let mut seen = 0;
    for word in queries.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let Some(_) = word.strip_prefix("loka_operator_") else { continue };
        let name = word.strip_suffix("_bucket").unwrap_or(word);
        assert!(ALL.iter().any(|metric| metric.exposed() == name), "{word}");
        seen += 1;
    }
    assert_eq!(seen, 4);
}
