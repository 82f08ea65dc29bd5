use std::collections::BTreeSet;
use std::path::Path;

use super::*;

#[test]
fn names_are_unique_prefixed_and_carry_their_unit_last() {
    let names: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), ALL.len());
    for metric in ALL {
        assert!(
            metric.name.starts_with("loka_") || metric.name == "process_start_time_seconds",
            "{}",
            metric.name
        );
        // The registry appends these, and a full stop to the help.
        assert!(!metric.name.ends_with("_total") && !metric.name.ends_with("_info"));
        assert!(!metric.help.ends_with('.'), "{}", metric.name);
        if metric.kind == Kind::Histogram {
            assert!(metric.name.ends_with("_seconds"), "{}", metric.name);
        }
    }
}

#[test]
fn no_label_can_hold_a_worker_or_an_address() {
    let allowed = [
        "account", "hash", "kind", "listener", "name", "obeyed", "pool", "reason", "result",
        "route", "state", "version",
    ];
    for metric in ALL {
        for label in metric.labels {
            assert!(allowed.contains(label), "{} has label {label}", metric.name);
        }
    }
}

#[test]
fn the_documentation_of_metrics_is_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == markdown(), "docs/metrics.md is out of date: run `cargo xtask codegen`");
}
