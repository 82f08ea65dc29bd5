use std::collections::BTreeSet;
use std::path::Path;

use loka_ops::catalogue::Kind;

use super::document::{LOST, UNANSWERED, WORK_STATES, closed_sets};
use super::*;
use crate::sink::ledger::{Lost, Unanswered};
use crate::sink::time::WorkState;

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
        "account", "class", "firmware", "hash", "kind", "listener", "name", "obeyed", "pool",
        "reason", "result", "route", "source", "state", "version",
    ];
    for metric in ALL {
        for label in metric.labels {
            assert!(allowed.contains(label), "{} has label {label}", metric.name);
        }
    }
}

#[test]
fn every_label_is_a_name_of_the_configuration_or_its_values_are_documented() {
    let names =
        ["account", "class", "firmware", "hash", "listener", "name", "pool", "route", "version"];
    let documented: BTreeSet<_> =
        closed_sets().iter().map(|(metric, label, _)| (metric.name, *label)).collect();
    let closed: BTreeSet<_> = ALL
        .iter()
        .flat_map(|metric| metric.labels.iter().map(|label| (metric.name, *label)))
        .filter(|(_, label)| !names.contains(label))
        .collect();
    assert_eq!(documented, closed);
}

#[test]
fn the_reasons_of_the_ledger_are_documented() {
    assert_eq!(UNANSWERED, Unanswered::ALL.map(Unanswered::label));
    assert_eq!(LOST, Lost::ALL.map(Lost::label));
    assert_eq!(WORK_STATES, WorkState::ALL.map(WorkState::label));
}

#[test]
fn the_documentation_names_every_family_of_the_ledger_in_its_identities() {
    let text = markdown();
    let (identities, _) = text.split_once("```promql").unwrap();
    for metric in ALL.iter().filter(|metric| metric.name.starts_with("loka_shares_")) {
        let is_sum = metric.name.ends_with("_difficulty") && metric.kind == Kind::Counter;
        let is_work = is_sum && metric.name != SHARES_BELOW_POOL_DIFFICULTY.name;
        assert!(is_work || identities.contains(&metric.exposed()), "{}", metric.exposed());
    }
}

#[test]
fn the_documentation_of_metrics_is_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == markdown(), "docs/metrics.md is out of date: run `cargo xtask codegen`");
}
