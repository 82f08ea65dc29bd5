//! Bars: a panel for each thing that is measured, with a scale of its own, and in it a bar for each subject.

use super::svg::{Anchor, Canvas, Voice};
use super::{Point, colour, number};

const COLUMNS: usize = 2;
const WIDTH: f64 = 760.0;
const MARGIN: f64 = 20.0;
const TOP: f64 = 44.0;
const BAR: f64 = 15.0;
const STEP: f64 = 21.0;
/// Of a panel, before its bars and after them.
const HEAD: f64 = 24.0;
const FOOT: f64 = 18.0;
/// For names on the left and figures on the right.
const NAMES: f64 = 64.0;
const FIGURES: f64 = 74.0;

/// One scale.
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) unit: String,
    /// The name and the length of each bar.
    pub(super) bars: Vec<(String, Point)>,
}

/// The picture of all panels.
pub(super) fn draw(title: &str, panels: &[Panel]) -> String {
    let heights = panels.chunks(COLUMNS).map(|row| {
        let most = row.iter().map(|panel| panel.bars.len()).max().unwrap_or_default();
        HEAD + most as f64 * STEP + FOOT
    });
    let heights: Vec<f64> = heights.collect();
    let mut canvas = Canvas::new(WIDTH, TOP + heights.iter().sum::<f64>());
    canvas.text((MARGIN, 26.0), Anchor::Start, Voice::Title, title);
    let width = (WIDTH - MARGIN * (COLUMNS as f64 + 1.0)) / COLUMNS as f64;
    let mut top = TOP;
    for (row, height) in panels.chunks(COLUMNS).zip(heights) {
        for (column, panel) in row.iter().enumerate() {
            panel.draw(&mut canvas, (MARGIN + column as f64 * (width + MARGIN), top), width);
        }
        top += height;
    }
    canvas.svg()
}

// === impl Panel ===

impl Panel {
    fn draw(&self, canvas: &mut Canvas, (left, top): (f64, f64), width: f64) {
        canvas.text((left, top + 12.0), Anchor::Start, Voice::Plain, &self.title);
        let names =
            self.bars.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        // About what a letter takes.
        let names = NAMES.max(names as f64 * 6.3 + 8.0);
        let most = self.bars.iter().map(|(_, point)| point.most).fold(f64::MIN_POSITIVE, f64::max);
        let scale = (width - names - FIGURES) / most;
        for (index, (name, point)) in self.bars.iter().enumerate() {
            let top = top + HEAD + index as f64 * STEP;
            let (base, middle) = (left + names, top + BAR / 2.0);
            canvas.text((base - 6.0, middle + 4.0), Anchor::End, Voice::Quiet, name);
            canvas.bar((base, top), ((point.median * scale).max(1.0), BAR), colour(name));
            if point.most > point.least {
                let at = |value: f64| (base + value * scale, middle);
                canvas.spread(at(point.least), at(point.most));
            }
            let figure = format!("{} {}", number(point.median), self.unit);
            let end = base + point.most * scale + 8.0;
            canvas.text((end, middle + 4.0), Anchor::Start, Voice::Quiet, &figure);
        }
        let base = left + names;
        let bottom = top + HEAD + self.bars.len() as f64 * STEP - STEP + BAR;
        canvas.rule((base, top + HEAD - 3.0), (base, bottom + 3.0));
    }
}
