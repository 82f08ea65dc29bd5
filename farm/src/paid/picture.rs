//! The excess by phase as a picture: two bars each, on a logarithmic scale.

use std::fmt::Write as _;

use super::report::Report;

const ROW: usize = 34;
const LEFT: usize = 130;
const WIDTH: usize = 520;

/// Below a hundredth of a second a bar has no length.
const SECONDS_MIN: f64 = 0.01;
const DECADES: f64 = 5.0;

/// As SVG.
#[must_use]
pub fn svg(report: &Report) -> String {
    let height = 60 + report.phases.len() * ROW;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"18\">Seconds of the whole farm's work lost per event beyond the oracle \
         (logarithmic)</text>\n",
        LEFT + WIDTH + 90
    );
    for (index, phase) in report.phases.iter().enumerate() {
        let top = 34 + index * ROW;
        // Writing to a String cannot fail.
        writeln!(text, "<text x=\"8\" y=\"{}\">{}</text>", top + 15, phase.phase).ok();
        let bars =
            [("proxy", phase.excess.proxy, "#1b7f5c"), ("direct", phase.excess.direct, "#b5482f")];
        for (line, (name, seconds, colour)) in bars.into_iter().enumerate() {
            let (y, length) = (top + line * 13, length(seconds));
            writeln!(
                text,
                "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.0}\" height=\"11\" fill=\"{colour}\"/>\
                 <text x=\"{:.0}\" y=\"{}\" font-size=\"10\">{name} {seconds:.2} s</text>",
                LEFT as f64 + length + 4.0,
                y + 9
            )
            .ok();
        }
    }
    text.push_str("</svg>\n");
    text
}

fn length(seconds: f64) -> f64 {
    let decades = (seconds.max(SECONDS_MIN) / SECONDS_MIN).log10();
    decades.min(DECADES) / DECADES * WIDTH as f64
}
