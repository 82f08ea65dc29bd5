//! The figures as pictures: those of the docs, drawn of whatever was measured.
//!
//! They go by the keys of the rows (kind, miners, variant) and by what a figure is called. A picture for which there is
//! nothing is left out.

mod bars;
mod lines;
mod svg;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use self::bars::Panel;
use self::lines::Line;
use crate::figure::thousands;

/// A row of bench.json.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Measured {
    kind: String,
    miners: usize,
    variant: String,
    what: String,
    unit: String,
    subject: String,
    #[serde(flatten)]
    point: Point,
}

/// A figure and its spread.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Point {
    median: f64,
    least: f64,
    most: f64,
}

/// One of the pictures.
struct Plot {
    file: &'static str,
    title: &'static str,
    kind: &'static str,
    /// The figures that it shows, with all that follows them behind a comma; of lines the first alone.
    whats: &'static [&'static str],
    /// Those of so many miners alone.
    miners: Option<usize>,
    shape: Shape,
}

enum Shape {
    /// A panel for each scene and figure, a bar for each subject.
    Subjects,
    /// A panel for each scene and subject, a bar for each figure.
    Figures,
    /// A line for each subject and variant, by the number of miners.
    Lines,
}

const PLOTS: [Plot; 10] = [
    Plot {
        file: "cost.svg",
        title: "CPU for a share (median of the rounds; the line from the least to the most)",
        kind: "cost",
        whats: &["cpu per share"],
        miners: Some(256),
        shape: Shape::Subjects,
    },
    Plot {
        file: "cost-by-miners.svg",
        title: "CPU for a share, by the number of connections",
        kind: "cost",
        whats: &["cpu per share"],
        miners: None,
        shape: Shape::Lines,
    },
    Plot {
        file: "latency.svg",
        title: "From submit to answer",
        kind: "latency",
        whats: &["p50", "p99"],
        miners: None,
        shape: Shape::Subjects,
    },
    Plot {
        file: "fan-out.svg",
        title: "From the pool's clean job to the miners'",
        kind: "fan-out",
        whats: &["mean", "last"],
        miners: None,
        shape: Shape::Subjects,
    },
    Plot {
        file: "memory.svg",
        title: "Resident memory for a miner that is logged in and silent",
        kind: "idle",
        whats: &["memory per miner"],
        miners: None,
        shape: Shape::Lines,
    },
    Plot {
        file: "set-up.svg",
        title: "CPU to connect a miner and log it in",
        kind: "idle",
        whats: &["cpu per set-up"],
        miners: None,
        shape: Shape::Subjects,
    },
    Plot {
        file: "failover.svg",
        title: "From the pool's end to work of the next pool",
        kind: "failover",
        whats: &["mean", "last"],
        miners: None,
        shape: Shape::Subjects,
    },
    Plot {
        file: "many-routes.svg",
        title: "One process with 500 routes and 200 pools",
        kind: "many",
        whats: &[
            "first job",
            "every route",
            "one route moved",
            "all routes moved",
            "slowest answer",
        ],
        miners: None,
        shape: Shape::Figures,
    },
    Plot {
        file: "threads.svg",
        title: "CPU for a share, by threads",
        kind: "threads",
        whats: &["cpu per share"],
        miners: None,
        shape: Shape::Figures,
    },
    Plot {
        file: "storm.svg",
        title: "All miners dial again at once: from its SYN to a miner's work",
        kind: "reconnect storm",
        whats: &["hashing"],
        miners: None,
        shape: Shape::Subjects,
    },
];

/// Draws what there is of the rows in these files.
pub(crate) fn draw(from: &[PathBuf], into: &Path) -> Result<(), String> {
    let mut rows: Vec<Measured> = Vec::new();
    for file in from {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = fs::read_to_string(file).map_err(|error| told(&error))?;
        let more: Vec<serde_json::Value> =
            serde_json::from_str(&text).map_err(|error| told(&error))?;
        // What could not be measured is a row with a note and without a number.
        for row in more.into_iter().filter(|row| !row["median"].is_null()) {
            rows.push(serde_json::from_value(row).map_err(|error| told(&error))?);
        }
    }
    fs::create_dir_all(into).map_err(|error| format!("{}: {error}", into.display()))?;
    for plot in &PLOTS {
        let Some(picture) = plot.picture(&rows) else { continue };
        let file = into.join(plot.file);
        fs::write(&file, picture).map_err(|error| format!("{}: {error}", file.display()))?;
        println!("{}", file.display());
    }
    Ok(())
}

// === impl Plot ===

impl Plot {
    fn picture(&self, rows: &[Measured]) -> Option<String> {
        let is_shown = |what: &str| {
            let rest = self.whats.iter().find_map(|shown| what.strip_prefix(shown));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(", "))
        };
        let wanted = |row: &&Measured| {
            row.kind == self.kind
                && self.miners.is_none_or(|miners| row.miners == miners)
                && is_shown(&row.what)
        };
        let rows: Vec<&Measured> = rows.iter().filter(wanted).collect();
        match self.shape {
            Shape::Subjects => {
                let panels = panels(&rows, |row| (row.title(), &row.unit, row.subject.clone()));
                (!panels.is_empty()).then(|| bars::draw(self.title, &panels))
            }
            Shape::Figures => {
                let title = |row: &Measured| format!("{}, {}", row.subject, row.scene());
                let panels = panels(&rows, |row| (title(row), &row.unit, row.what.clone()));
                (!panels.is_empty()).then(|| bars::draw(self.title, &panels))
            }
            Shape::Lines => {
                let lines = lines(&rows);
                let unit = rows.first().map(|row| row.unit.as_str()).unwrap_or_default();
                (!lines.is_empty()).then(|| lines::draw(self.title, unit, &lines))
            }
        }
    }
}

// === impl Measured ===

impl Measured {
    fn scene(&self) -> String {
        let miners = format!("{} miners", thousands(self.miners));
        [miners.as_str(), self.variant.as_str()]
            .into_iter()
            .filter(|it| !it.is_empty())
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn title(&self) -> String {
        format!("{}: {}", self.scene(), self.what)
    }
}

/// Rows of one title and unit are one panel, in the order in which they come.
fn panels<'a>(
    rows: &[&'a Measured],
    place: impl Fn(&'a Measured) -> (String, &'a String, String),
) -> Vec<Panel> {
    let mut panels: Vec<Panel> = Vec::new();
    for row in rows {
        let (title, unit, name) = place(row);
        let bar = (name, row.point);
        match panels.iter_mut().find(|panel| panel.title == title && panel.unit == *unit) {
            Some(panel) => panel.bars.push(bar),
            None => panels.push(Panel { title, unit: unit.clone(), bars: vec![bar] }),
        }
    }
    panels
}

/// Those of more than one point.
fn lines(rows: &[&Measured]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for row in rows {
        let point = (row.miners, row.point);
        let same = |line: &&mut Line| line.subject == row.subject && line.variant == row.variant;
        match lines.iter_mut().find(same) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                subject: row.subject.clone(),
                variant: row.variant.clone(),
                points: vec![point],
            }),
        }
    }
    lines.retain(|line| line.points.len() > 1);
    lines.iter_mut().for_each(|line| line.points.sort_by_key(|(miners, _)| *miners));
    lines
}

/// Of middle brightness: seen on white and on black.
fn colour(subject: &str) -> &'static str {
    match subject {
        "haproxy" => "#4c8bc9",
        "nginx" => "#a06cc9",
        "direct" => "#8b949e",
        "beside" => "#b08c6a",
        "ckproxy" => "#d08a2c",
        "slush" | "stratehm" => "#c05c6e",
        _ => "#2a9d74",
    }
}

/// With three digits that say something.
fn number(value: f64) -> String {
    if value >= 1000.0 {
        return thousands(value.round() as usize);
    }
    let digits = match value.abs() {
        0.0 | 100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
