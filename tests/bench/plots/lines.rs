//! Lines: how something grows, or does not, with the number of miners.

use super::svg::{Anchor, Canvas, Voice};
use super::{Point, colour, number};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 200.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 46.0;
/// Lines across.
const RULES: f64 = 5.0;
/// Between two names on the right.
const APART: f64 = 16.0;

/// One line.
pub(super) struct Line {
    pub(super) subject: String,
    /// What tells it from another line of the same subject, or nothing.
    pub(super) variant: String,
    /// By the number of miners, which rises.
    pub(super) points: Vec<(usize, Point)>,
}

/// The picture: miners on a logarithmic scale, the figure on a plain one from 0.
pub(super) fn draw(title: &str, unit: &str, lines: &[Line]) -> String {
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    canvas.text((20.0, 26.0), Anchor::Start, Voice::Title, title);
    let points = || lines.iter().flat_map(|line| &line.points);
    let (floor, ceiling) = (HEIGHT - BOTTOM, TOP);
    let step = step(points().map(|(_, point)| point.most).fold(f64::MIN_POSITIVE, f64::max));
    let y = |value: f64| floor - value / (step * RULES) * (floor - ceiling);
    let mut counts: Vec<usize> = points().map(|(miners, _)| *miners).collect();
    counts.sort_unstable();
    counts.dedup();
    let log = |miners: usize| (miners as f64).ln();
    let (first, last) =
        (counts.first().map_or(0.0, |it| log(*it)), counts.last().map_or(1.0, |it| log(*it)));
    let x = |miners: usize| {
        LEFT + 14.0
            + (log(miners) - first) / (last - first).max(0.01) * (WIDTH - LEFT - RIGHT - 28.0)
    };
    for index in 0..=RULES as u32 {
        let value = f64::from(index) * step;
        canvas.rule((LEFT, y(value)), (WIDTH - RIGHT, y(value)));
        canvas.text((LEFT - 8.0, y(value) + 4.0), Anchor::End, Voice::Quiet, &number(value));
    }
    canvas.text((LEFT - 8.0, TOP - 12.0), Anchor::End, Voice::Quiet, unit);
    let mut free = f64::MIN;
    for miners in counts {
        // Numbers that stand too close are left out; their dots are not.
        if x(miners) > free {
            let text = crate::figure::thousands(miners);
            canvas.text((x(miners), floor + 18.0), Anchor::Middle, Voice::Quiet, &text);
            free = x(miners) + 44.0;
        }
    }
    let middle = LEFT + (WIDTH - LEFT - RIGHT) / 2.0;
    canvas.text((middle, floor + 36.0), Anchor::Middle, Voice::Quiet, "miners");
    let variants = variants(lines);
    for line in lines {
        let dashes = dashes(&variants, &line.variant);
        let places: Vec<_> =
            line.points.iter().map(|(miners, it)| (x(*miners), y(it.median))).collect();
        canvas.path(&places, colour(&line.subject), dashes);
        for (miners, point) in &line.points {
            if point.most > point.least {
                canvas.spread((x(*miners), y(point.least)), (x(*miners), y(point.most)));
            }
            canvas.dot((x(*miners), y(point.median)), colour(&line.subject));
        }
    }
    names(&mut canvas, lines, &variants, y);
    canvas.svg()
}

/// The name of each line at its end, or as near as the others leave room.
fn names(canvas: &mut Canvas, lines: &[Line], variants: &[&str], y: impl Fn(f64) -> f64) {
    let end = |line: &Line| line.points.last().map_or(0.0, |(_, point)| y(point.median));
    let mut order: Vec<&Line> = lines.iter().collect();
    order.sort_by(|a, b| end(a).total_cmp(&end(b)));
    let left = WIDTH - RIGHT + 10.0;
    let mut free = TOP - APART;
    for (index, line) in order.iter().enumerate() {
        // Room for those that come below it.
        let below = (order.len() - 1 - index) as f64 * APART;
        let at = end(line).max(free + APART).min(HEIGHT - BOTTOM - below);
        free = at;
        let dashes = dashes(variants, &line.variant);
        canvas.path(&[(left, at), (left + 22.0, at)], colour(&line.subject), dashes);
        let name = [line.subject.as_str(), line.variant.as_str()];
        let name = name.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(", ");
        canvas.text((left + 28.0, at + 4.0), Anchor::Start, Voice::Quiet, &name);
    }
}

fn variants(lines: &[Line]) -> Vec<&str> {
    let mut variants: Vec<&str> = lines.iter().map(|line| line.variant.as_str()).collect();
    variants.sort_unstable();
    variants.dedup();
    variants
}

fn dashes(variants: &[&str], variant: &str) -> &'static str {
    match variants.iter().position(|it| *it == variant) {
        Some(0) | None => "",
        Some(1) => "6 4",
        Some(_) => "2 3",
    }
}

/// A round number of which five reach to `most`.
fn step(most: f64) -> f64 {
    let rough = most / RULES;
    let decade = 10_f64.powf(rough.log10().floor());
    let round = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|it| it * decade >= rough);
    round.unwrap_or(10.0) * decade
}
