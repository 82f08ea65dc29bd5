//! A picture as SVG text. Legible on a light background and on a dark one: it brings its own, as the reader prefers it.

use std::fmt::Write as _;

/// Where a text ends at the place that it is given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How large a text is, and how much it matters.
#[derive(Clone, Copy, Debug)]
pub(super) enum Voice {
    Title,
    Plain,
    Quiet,
}

/// What is drawn on.
#[derive(Debug)]
pub(super) struct Canvas {
    width: f64,
    height: f64,
    body: String,
}

const STYLE: &str = "<style>\
    .back{fill:#fff}.title,.plain{fill:#1f2328}.quiet{fill:#59636e}.rule{stroke:#d1d9e0}.spread{stroke:#1f2328}\
    .title{font-size:14px;font-weight:600}.plain{font-size:12px}.quiet{font-size:11px}\
    @media (prefers-color-scheme:dark){.back{fill:#0d1117}.title,.plain{fill:#f0f6fc}.quiet{fill:#9198a1}\
    .rule{stroke:#3d444d}.spread{stroke:#f0f6fc}}</style>";

// === impl Canvas ===

impl Canvas {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, voice: Voice, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let class = match voice {
            Voice::Title => "title",
            Voice::Plain => "plain",
            Voice::Quiet => "quiet",
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.add(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>"
        ));
    }

    pub(super) fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
        self.add(&format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"1.5\" fill=\"{colour}\"/>"
        ));
    }

    /// Of a grid.
    pub(super) fn rule(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.stroke(from, to, "rule", 1.0);
    }

    /// From the least to the most, with a mark at each end.
    pub(super) fn spread(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.stroke((x1, y1), (x2, y2), "spread", 1.2);
        let is_level = (y1 - y2).abs() < 0.01;
        for (x, y) in [(x1, y1), (x2, y2)] {
            let (across, along) = if is_level { (0.0, 3.0) } else { (3.0, 0.0) };
            self.stroke((x - across, y - along), (x + across, y + along), "spread", 1.2);
        }
    }

    /// From point to point.
    pub(super) fn path(&mut self, points: &[(f64, f64)], colour: &str, dashes: &str) {
        let places: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.add(&format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\"/>",
            places.join(" ")
        ));
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), colour: &str) {
        self.add(&format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"));
    }

    fn stroke(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str, width: f64) {
        self.add(&format!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\" stroke-width=\"{width}\"/>"
        ));
    }

    fn add(&mut self, element: &str) {
        writeln!(self.body, "{element}").expect("text takes all");
    }

    /// All of it.
    pub(super) fn svg(&self) -> String {
        let Self { width, height, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', \
             sans-serif\">\n{STYLE}\n<rect width=\"100%\" height=\"100%\" class=\"back\"/>\n{body}</svg>\n"
        )
    }
}
