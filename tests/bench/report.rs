//! What was measured, as a table and as JSON: medians, spread, and ratios of pairs.
//!
//! A ratio is that of two subjects within one round, and the median of those: what else the machine did in a round touches both.

use serde::Serialize;

use crate::scenes::{Figure, Keys};
use crate::subject::Subject;

/// All rounds of one scene.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) scene: Keys,
    /// Of each round, the figures of each subject, in the same order.
    pub(crate) rounds: Vec<Vec<(Subject, Vec<Figure>)>>,
}

/// One line of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    scene: String,
    #[serde(flatten)]
    keys: Keys,
    what: &'static str,
    unit: &'static str,
    subject: &'static str,
    median: f64,
    least: f64,
    most: f64,
    rounds: usize,
    /// Of ours to this subject's, in the same round.
    ours: Option<f64>,
}

// === impl Played ===

impl Played {
    pub(crate) fn rows(&self) -> Vec<Row> {
        let first = self.rounds.first().map(Vec::as_slice).unwrap_or_default();
        let kinds = first.first().map_or(0, |(_, figures)| figures.len());
        let mut rows = Vec::new();
        for kind in 0..kinds {
            for (place, (subject, figures)) in first.iter().enumerate() {
                let Some(figure) = figures.get(kind) else { continue };
                let values = self.values(place, kind);
                let Some((least, median, most)) = spread(&values) else { continue };
                // What no process stands for: no proxy at all uses nothing.
                if most == 0.0 {
                    continue;
                }
                rows.push(Row {
                    scene: self.scene.name(),
                    keys: self.scene.clone(),
                    what: figure.what,
                    unit: figure.unit,
                    subject: subject.name(),
                    median,
                    least,
                    most,
                    rounds: values.len(),
                    ours: self.ratio(*subject, &values, kind),
                });
            }
        }
        rows
    }

    fn values(&self, place: usize, kind: usize) -> Vec<f64> {
        let value = |round: &Vec<(Subject, Vec<Figure>)>| {
            round.get(place).and_then(|(_, figures)| figures.get(kind)).map(|figure| figure.value)
        };
        self.rounds.iter().filter_map(value).collect()
    }

    fn ratio(&self, subject: Subject, theirs: &[f64], kind: usize) -> Option<f64> {
        let first = self.rounds.first()?;
        let loka = first.iter().position(|(it, _)| *it == Subject::Loka)?;
        let ours = self.values(loka, kind);
        let is_pair = subject != Subject::Loka && theirs.iter().all(|value| *value > 0.0);
        let ratios: Vec<f64> =
            ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
        is_pair.then(|| spread(&ratios)).flatten().map(|(_, median, _)| median)
    }
}

/// Least, median and most.
fn spread(values: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some((*sorted.first()?, *sorted.get(sorted.len() / 2)?, *sorted.last()?))
}

/// The table.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut scene = "";
    for row in rows {
        if row.scene != scene {
            scene = &row.scene;
            text += &format!(
                "\n{scene}\n  {:18} {:8} {:>10} {:>21} {:>12}\n",
                "", "", "median", "least … most", "ours/theirs"
            );
        }
        let spread = format!("{:.2} … {:.2}", row.least, row.most);
        let ratio = row.ours.map_or_else(String::new, |ratio| format!("{ratio:.3}"));
        let what = format!("{} {}", row.what, row.unit);
        text += &format!(
            "  {what:18} {:8} {:>10.2} {spread:>21} {ratio:>12}\n",
            row.subject, row.median
        );
    }
    text
}

/// 10,000.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
