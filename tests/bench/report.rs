//! What was measured, as a table and as JSON: medians, spread, and ratios of pairs.
//!
//! A ratio is that of two subjects within one round, and the median of those: what else the machine did in a round touches both.

use serde::Serialize;

use crate::figure::{Better, Figure, thousands};
use crate::scenes::{Keys, Scene};
use crate::subject::Subject;

/// All rounds of one scene.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) scene: Scene,
    /// Of each round, the figures of each subject.
    pub(crate) rounds: Vec<Vec<(Subject, Vec<Figure>)>>,
}

/// One line of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    scene: String,
    #[serde(flatten)]
    keys: Keys,
    /// Whether the scene has several numbers of miners, this row one of them.
    #[serde(skip)]
    is_by_miners: bool,
    what: String,
    unit: &'static str,
    /// Less or more, or neither.
    better: Better,
    subject: &'static str,
    /// None where it could not be measured; the note says why.
    median: Option<f64>,
    least: Option<f64>,
    most: Option<f64>,
    rounds: usize,
    /// Of ours to this subject's, in the same round.
    ours: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Figures of one kind are beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind<'a> {
    what: &'a str,
    /// Where the scene has several numbers of them.
    miners: Option<usize>,
}

// === impl Played ===

impl Played {
    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut kinds: Vec<Kind<'_>> = Vec::new();
        let mut subjects = Vec::new();
        for (subject, figures) in self.rounds.iter().flatten() {
            if !subjects.contains(subject) {
                subjects.push(*subject);
            }
            for figure in figures {
                if !kinds.contains(&Kind::of(figure)) {
                    kinds.push(Kind::of(figure));
                }
            }
        }
        let pairs = kinds.iter().flat_map(|kind| subjects.iter().map(move |it| (*kind, *it)));
        pairs.filter_map(|(kind, subject)| self.row(kind, subject)).collect()
    }

    fn row(&self, kind: Kind<'_>, subject: Subject) -> Option<Row> {
        let figures: Vec<&Figure> =
            self.rounds.iter().filter_map(|round| find(round, kind, subject)).collect();
        let first = *figures.first()?;
        let values: Vec<f64> = figures.iter().filter_map(|figure| figure.value).collect();
        let (least, median, most) = spread(&values).map_or((None, None, None), |it| {
            let (least, median, most) = it;
            (Some(least), Some(median), Some(most))
        });
        let mut keys = self.scene.keys();
        keys.miners = first.miners.unwrap_or(keys.miners);
        Some(Row {
            scene: self.scene.name(),
            keys,
            is_by_miners: first.miners.is_some(),
            what: first.what.to_string(),
            unit: first.unit,
            better: first.better,
            subject: subject.name(),
            median,
            least,
            most,
            rounds: figures.len(),
            ours: self.ratio(kind, subject),
            note: note(&figures),
        })
    }

    fn ratio(&self, kind: Kind<'_>, subject: Subject) -> Option<f64> {
        let ratio = |round: &Vec<(Subject, Vec<Figure>)>| {
            let ours = find(round, kind, Subject::Loka)?.value?;
            let theirs = find(round, kind, subject)?.value?;
            (theirs > 0.0).then_some(ours / theirs)
        };
        let ratios: Vec<f64> = self.rounds.iter().filter_map(ratio).collect();
        let of_ours = self.rounds.first().and_then(|round| find(round, kind, Subject::Loka));
        let is_pair = subject != Subject::Loka
            && of_ours.is_some_and(|figure| figure.better != Better::Neither);
        is_pair.then(|| spread(&ratios)).flatten().map(|(_, median, _)| median)
    }
}

// === impl Kind ===

impl<'a> Kind<'a> {
    fn of(figure: &'a Figure) -> Self {
        Self { what: &figure.what, miners: figure.miners }
    }
}

/// The same round, and beside each figure that this is told of what a subject adds to that without anything between.
pub(crate) fn with_added(round: &[(Subject, Vec<Figure>)]) -> Vec<(Subject, Vec<Figure>)> {
    let added = |subject: Subject, figure: &Figure| {
        let direct = find(round, Kind::of(figure), Subject::Direct)?.value?;
        let value = figure.value.filter(|_| figure.is_added_to && subject != Subject::Direct)?;
        let what = format!("added {}", figure.what).into();
        Some(Figure { what, value: Some(value - direct), is_added_to: false, ..figure.clone() })
    };
    let all = |(subject, figures): &(Subject, Vec<Figure>)| {
        let more = figures.iter().filter_map(|figure| added(*subject, figure));
        (*subject, figures.iter().cloned().chain(more).collect())
    };
    round.iter().map(all).collect()
}

fn find<'a>(
    round: &'a [(Subject, Vec<Figure>)],
    kind: Kind<'_>,
    whose: Subject,
) -> Option<&'a Figure> {
    let (_, figures) = round.iter().find(|(subject, _)| *subject == whose)?;
    figures.iter().find(|figure| Kind::of(figure) == kind)
}

/// That of the last round which had one, and in how many there was one, if not in all.
fn note(figures: &[&Figure]) -> Option<String> {
    let notes: Vec<&str> = figures.iter().filter_map(|figure| figure.note.as_deref()).collect();
    let (last, count) = (notes.last()?, notes.len());
    if count == figures.len() {
        return Some((*last).to_owned());
    }
    Some(format!("{last} ({count} of {} rounds)", figures.len()))
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
                "\n{scene}\n  {:38} {:8} {:>10} {:>23} {:>11}\n",
                "", "", "median", "least … most", "ours/theirs"
            );
        }
        text += &line(row);
    }
    text
}

fn line(row: &Row) -> String {
    let median = row.median.map_or_else(|| "-".to_owned(), |median| format!("{median:.2}"));
    let range = row.least.zip(row.most);
    let range = range.map_or_else(String::new, |(least, most)| format!("{least:.2} … {most:.2}"));
    let ratio = row.ours.map_or_else(String::new, |ratio| format!("{ratio:.3}"));
    let sign = match row.better {
        Better::More => " ↑",
        Better::Less | Better::Neither => "",
    };
    let miners = if row.is_by_miners {
        format!("{} miners: ", thousands(row.keys.miners))
    } else {
        String::new()
    };
    let what = format!("{miners}{} {}{sign}", row.what, row.unit);
    let note = row.note.as_deref().map_or_else(String::new, |note| format!("  {note}"));
    let line = format!("  {what:38} {:8} {median:>10} {range:>23} {ratio:>11}{note}", row.subject);
    format!("{}\n", line.trim_end())
}
