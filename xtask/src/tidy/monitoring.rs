//! Whatever names a metric names one that there is, with labels and values that it has; every alert has a runbook, and tests
//! that ring it and that do not.
//!
//! What there is stands in the tables of the documents of the metrics, which the catalogues in the code are written to.

use std::collections::{BTreeMap, BTreeSet};

use super::Problem;
use super::tree::{File, Tree};

/// The documents of all metrics.
const METRICS: [&str; 2] = ["docs/metrics.md", "docs/operator-metrics.md"];

/// What asks Prometheus.
const RULES: &str = "charts/loka-stratum/alerts/";
const DASHBOARDS: &str = "charts/loka-stratum/dashboards/";
const TESTS: &str = "tests/alerts/";
const RUNBOOKS: &str = "docs/runbooks/";

/// Their table of contents.
const CONTENTS: &str = "docs/runbooks/README.md";

/// How our metrics begin.
const OURS: &str = "loka_";

/// What Prometheus makes of a histogram.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Labels that are put on by whoever scrapes, and that of a histogram.
const PUT_ON: [&str; 6] = ["instance", "job", "le", "namespace", "pod", "stratumproxy"];

const UNKNOWN: &str = "docs/metrics.md and docs/operator-metrics.md have what there is";
const RUNBOOK: &str = "each alert has docs/runbooks/<its name>.md, and each of these an alert";
const TESTED: &str = "tests/alerts has a case that rings it, and one that does not";

/// What the documents have.
#[derive(Debug, Default)]
struct Known<'a> {
    /// The labels of each metric.
    labels: BTreeMap<&'a str, BTreeSet<&'a str>>,
    histograms: BTreeSet<&'a str>,
    /// The values of a label of a metric, where they are of a closed set.
    values: BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>>,
}

/// Queries that ask for what there is not, and alerts without a runbook or tests.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let known = Known::of(tree);
    let mut problems = Vec::new();
    for file in &tree.files {
        let asks = [RULES, DASHBOARDS, TESTS].iter().any(|room| file.path.starts_with(room));
        if asks || file.path.starts_with(RUNBOOKS) {
            problems.extend(unknown(&known, file));
        }
    }
    problems.extend(alerts(tree));
    problems
}

// === impl Known ===

impl<'a> Known<'a> {
    fn of(tree: &'a Tree) -> Self {
        let mut known = Self::default();
        let documents = tree.files.iter().filter(|file| METRICS.contains(&file.path.as_str()));
        for cells in documents.flat_map(|file| file.text.lines()).filter_map(cells) {
            match cells[..] {
                // Metric, kind, labels, meaning.
                [metric, kind, labels, _] if metric.starts_with('`') => {
                    if kind == "histogram" {
                        known.histograms.insert(bare(metric));
                    }
                    known.labels.entry(bare(metric)).or_default().extend(quoted(labels));
                }
                // Metric, label, values.
                [metric, label, values] if metric.starts_with('`') => {
                    let values = quoted(values);
                    known.values.entry((bare(metric), bare(label))).or_default().extend(values);
                }
                _ => {}
            }
        }
        known
    }

    /// The metric that a series is of.
    fn metric<'b>(&self, series: &'b str) -> Option<&'b str> {
        let whole = PARTS.iter().find_map(|part| series.strip_suffix(part));
        let whole = whole.filter(|name| self.histograms.contains(name));
        whole.or_else(|| self.labels.contains_key(series).then_some(series))
    }

    /// What is wrong with a matcher of a label.
    fn wrong(&self, metric: &str, label: &str, value: &str) -> Option<String> {
        let labels = self.labels.get(metric)?;
        if !labels.contains(label) && !PUT_ON.contains(&label) {
            return Some(format!("{metric} has no label {label}"));
        }
        let values = self.values.get(&(metric, label))?;
        let is_pattern = value.is_empty() || value.contains(['$', '*', '+', '{']);
        let unknown = value.split('|').find(|value| !values.contains(value));
        unknown.filter(|_| !is_pattern).map(|value| format!("{label} of {metric} is never {value}"))
    }
}

fn cells(line: &str) -> Option<Vec<&str>> {
    let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
    Some(row.split(" | ").map(str::trim).collect())
}

fn bare(cell: &str) -> &str {
    cell.trim_matches('`')
}

fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn unknown(known: &Known<'_>, file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (line, text) in file.text.lines().enumerate() {
        // In JSON a quote is one within a text.
        let text = text.replace("\\\"", "\"");
        for (series, rest) in named(&text) {
            let wrong = match known.metric(series) {
                None => vec![format!("there is no metric {series}")],
                Some(metric) => {
                    let matchers = matchers(rest);
                    matchers
                        .filter_map(|(label, value)| known.wrong(metric, label, value))
                        .collect()
                }
            };
            let problem = |what| Problem::new(&file.path, line + 1, what, UNKNOWN);
            problems.extend(wrong.into_iter().map(problem));
        }
    }
    problems
}

/// Our metrics in a line, each with what follows it.
fn named(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_of_a_name = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
    line.match_indices(OURS).filter_map(move |(at, _)| {
        let (before, from) = line.split_at_checked(at)?;
        let end = from.find(|sign: char| !is_of_a_name(sign)).unwrap_or(from.len());
        let is_begun = before.chars().next_back().is_some_and(is_of_a_name);
        (!is_begun).then(|| from.split_at(end))
    })
}

/// The labels and values between the braces that follow at once.
fn matchers(rest: &str) -> impl Iterator<Item = (&str, &str)> {
    let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    let inside = inside.map_or("", |(inside, _)| inside);
    let mut parts = inside.split('"');
    std::iter::from_fn(move || {
        let label = parts.next()?.trim_matches([',', ' ', '=', '!', '~']);
        Some((label, parts.next()?))
    })
}

fn alerts(tree: &Tree) -> Vec<Problem> {
    let of = |room: &'static str| tree.files.iter().filter(move |file| file.path.starts_with(room));
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    let contents = tree.files.iter().find(|file| file.path == CONTENTS);
    for (file, line, name) in of(RULES).flat_map(declared) {
        names.insert(name);
        let mut tell = |what: String, remedy| {
            problems.push(Problem::new(&file.path, line, what, remedy));
        };
        let path = format!("{RUNBOOKS}{name}.md");
        let says =
            |file: &&File| file.path == path && file.text.starts_with(&format!("# {name}\n"));
        let is_listed = contents.is_some_and(|file| file.text.contains(&format!("({name}.md)")));
        if !of(RUNBOOKS).any(|file| says(&file)) || !is_listed || !file.text.contains(&path) {
            tell(
                format!(
                    "{name} has no runbook of its name, or the rule or the list does not lead there"
                ),
                RUNBOOK,
            );
        }
        let (rung, silent) = of(TESTS)
            .map(|file| cases(&file.text, name))
            .fold((false, false), |(rung, silent), (rings, is_silent)| {
                (rung || rings, silent || is_silent)
            });
        if !rung || !silent {
            tell(format!("{name} is not tested both ways"), TESTED);
        }
    }
    for file in of(RUNBOOKS).filter(|file| file.path != CONTENTS) {
        let name = file.path.trim_start_matches(RUNBOOKS).trim_end_matches(".md");
        if !names.contains(name) {
            problems.push(Problem::new(
                &file.path,
                1,
                format!("there is no alert {name}"),
                RUNBOOK,
            ));
        }
    }
    problems
}

/// The alerts of a file of rules, with their lines.
fn declared(file: &File) -> impl Iterator<Item = (&File, usize, &str)> {
    let lines = file.text.lines().enumerate();
    lines.filter_map(move |(line, text)| {
        Some((file, line + 1, text.trim_start().strip_prefix("- alert: ")?.trim()))
    })
}

/// Whether the cases of a file have the alert ringing, and whether they have it silent.
fn cases(text: &str, name: &str) -> (bool, bool) {
    let named = text.split("alertname: ").skip(1).filter(|case| {
        case.strip_prefix(name).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    });
    named.fold((false, false), |(rung, silent), case| {
        let is_silent = case.split_once("exp_alerts:").is_none_or(|(_, expected)| {
            expected.lines().next().is_some_and(|line| line.trim().starts_with("[]"))
        });
        (rung || !is_silent, silent || is_silent)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: (&str, &str) = (
        "docs/metrics.md",
        "| Metric | Kind | Labels | Meaning |\n|---|---|---|---|\n\
         | `loka_a_total` | counter | `pool`, `reason` | What |\n| `loka_b_seconds` | histogram |  | What |\n\n\
         | Metric | Label | Values |\n|---|---|---|\n| `loka_a_total` | `reason` | `x`, `y` |\n",
    );

    #[track_caller]
    fn check_query(query: &str, wanted: &[&str]) {
        let tree = Tree::sample(&[DOCUMENT, ("charts/loka-stratum/alerts/a.yaml", query)]);
        let found: Vec<String> = check(&tree).into_iter().map(|problem| problem.what).collect();
        assert_eq!(found, wanted, "{query}");
    }

    #[test]
    fn queries_ask_for_metrics_labels_and_values_that_there_are() {
        for fine in [
            r#"rate(loka_a_total{pool="p", reason=~"x|y", namespace=~"$namespace"}[5m])"#,
            r#"{\"expr\": \"loka_a_total{reason!=\"x\"}\"}"#,
            "histogram_quantile(0.9, rate(loka_b_seconds_bucket[1m])) + loka_b_seconds_count",
            r#"loka_a_total{reason=~".*"} or up{reason="z"}"#,
        ] {
            check_query(fine, &[]);
        }
        check_query("loka_c_total > 0", &["there is no metric loka_c_total"]);
        check_query("loka_a_total_bucket", &["there is no metric loka_a_total_bucket"]);
        check_query(r#"loka_a_total{rout="r"}"#, &["loka_a_total has no label rout"]);
        check_query(r#"loka_a_total{reason=~"x|z"}"#, &["reason of loka_a_total is never z"]);
    }

    fn of_alert(runbook: (&str, &str), contents: &str, tests: &str) -> Vec<usize> {
        let rules = "groups:\n- rules:\n  - alert: A\n    runbook: docs/runbooks/A.md\n";
        let tree = Tree::sample(&[
            ("charts/loka-stratum/alerts/a.yaml", rules),
            runbook,
            (CONTENTS, contents),
            ("tests/alerts/a.yaml", tests),
        ]);
        check(&tree).into_iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn an_alert_has_a_runbook_and_cases_that_ring_it_and_do_not() {
        let runbook = ("docs/runbooks/A.md", "# A\n");
        let rung = "- alertname: A\n  exp_alerts:\n  - exp_labels: {}\n";
        let silent = "- alertname: A\n  exp_alerts: []\n";
        let both = format!("{rung}{silent}");
        assert_eq!(of_alert(runbook, "[A](A.md)", &both), [0; 0]);
        assert_eq!(of_alert(runbook, "[A](A.md)", rung), [3]);
        assert_eq!(of_alert(runbook, "[A](A.md)", silent), [3]);
        assert_eq!(of_alert(runbook, "[A](A.md)", &both.replace("name: A", "name: AB")), [3]);
        assert_eq!(of_alert(runbook, "", &both), [3]);
        assert_eq!(of_alert(("docs/runbooks/A.md", "# B\n"), "[A](A.md)", &both), [3]);
        assert_eq!(of_alert(("docs/runbooks/B.md", "# B\n"), "[A](A.md)", &both), [3, 1]);
    }
}
