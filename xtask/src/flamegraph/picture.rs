//! A tree of functions as an SVG: each as wide as its part of all samples, what it called above it. A click makes one as wide
//! as the picture, and a click on the title all of them again.

use std::fmt::Write as _;

use super::stacks::{Function, Origin};

const WIDTH: f64 = 1_600.0;
const ROW: f64 = 17.0;
const HEAD: f64 = 58.0;

/// Of a letter of the font, about.
const LETTER: f64 = 6.6;

/// What is narrower is not drawn: nobody would see it.
const NARROWEST: f64 = 0.4;

/// Where functions are zoomed. Numbers of the page are read back from the elements, so that there is nothing to keep in step.
const SCRIPT: &str = r"
const all = [...document.querySelectorAll('g.f')];
const wide = document.documentElement.viewBox.baseVal.width;
const at = (g, name) => parseFloat(g.dataset[name]);
function show(x0, w0) {
  for (const g of all) {
    const x = (at(g, 'x') - x0) / w0 * wide, w = at(g, 'w') / w0 * wide;
    const inside = x + w > 0.01 && x < wide - 0.01;
    g.style.display = inside && w > 0.4 ? '' : 'none';
    const left = Math.max(x, 0), right = Math.min(x + w, wide);
    const [rect, text] = [g.querySelector('rect'), g.querySelector('text')];
    rect.setAttribute('x', left); rect.setAttribute('width', Math.max(right - left - 0.5, 0.3));
    text.setAttribute('x', left + 3);
    const room = Math.floor((right - left - 6) / 6.6), name = g.dataset.n;
    text.textContent = room < 3 ? '' : name.length <= room ? name : name.slice(0, room - 1) + '…';
  }
}
for (const g of all) g.addEventListener('click', () => show(at(g, 'x'), at(g, 'w')));
document.querySelector('#title').addEventListener('click', () => show(0, wide));
";

/// The picture of a tree, under a title.
pub(super) fn draw(title: &str, root: &Function) -> String {
    let height = HEAD + ROW * depth(root) as f64 + 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"ui-monospace, monospace\" font-size=\"11\">\n\
         <style>.f {{ cursor: pointer }} .f:hover rect {{ stroke: #000 }}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text id=\"title\" x=\"8\" y=\"22\" font-size=\"15\" cursor=\"pointer\">{}</text>\n",
        escaped(title)
    );
    let legend = [
        (Origin::Ours, "the proxy"),
        (Origin::Libraries, "libraries and the runtime"),
        (Origin::Kernel, "the kernel"),
    ];
    for ((origin, name), x) in legend.into_iter().zip([8.0, 110.0, 320.0]) {
        // Writing to a String cannot fail.
        writeln!(
            svg,
            "<rect x=\"{x}\" y=\"34\" width=\"12\" height=\"12\" fill=\"{}\"/><text x=\"{}\" y=\"44\">{name}</text>",
            colour(origin),
            x + 17.0,
        )
        .ok();
    }
    svg.push_str("<text x=\"420\" y=\"44\" fill=\"#666\">click: a function in full; the title: all again</text>\n");
    let scale = WIDTH / root.samples.max(1) as f64;
    row(&mut svg, root, &Place { left: 0.0, bottom: height - 8.0, scale, all: root.samples });
    writeln!(svg, "<script><![CDATA[{SCRIPT}]]></script>\n</svg>").ok();
    svg
}

/// Where what a function called is drawn.
struct Place {
    left: f64,
    bottom: f64,
    /// Of a sample.
    scale: f64,
    all: u64,
}

fn row(svg: &mut String, function: &Function, place: &Place) {
    let Place { mut left, bottom, scale, all } = *place;
    for (name, called) in &function.called {
        let width = called.samples as f64 * scale;
        if width >= NARROWEST {
            let top = bottom - ROW;
            let part = called.samples as f64 / all.max(1) as f64 * 100.0;
            let (drawn, colour) = ((width - 0.5).max(0.3), colour(called.origin));
            let (name, shown) = (escaped(name), escaped(&fitted(name, width)));
            writeln!(
                svg,
                "<g class=\"f\" data-x=\"{left:.2}\" data-w=\"{width:.3}\" data-n=\"{name}\">\
                 <title>{name}: {part:.2} %, {} samples</title>\
                 <rect x=\"{left:.2}\" y=\"{top}\" width=\"{drawn:.2}\" height=\"{}\" rx=\"1\" fill=\"{colour}\"/>\
                 <text x=\"{:.2}\" y=\"{}\">{shown}</text></g>",
                called.samples,
                ROW - 1.0,
                left + 3.0,
                top + 12.0,
            )
            .ok();
            row(svg, called, &Place { left, bottom: top, scale, all });
        }
        left += width;
    }
}

fn depth(function: &Function) -> usize {
    function.called.values().map(|called| 1 + depth(called)).max().unwrap_or(0)
}

fn colour(origin: Origin) -> &'static str {
    match origin {
        Origin::Ours => "#8fd19e",
        Origin::Libraries => "#f2cf7e",
        Origin::Kernel => "#f0a58c",
    }
}

/// As much of a name as there is room for.
fn fitted(name: &str, width: f64) -> String {
    let fits = |letters: usize| letters as f64 * LETTER + 6.0 <= width;
    match name.chars().count() {
        _ if !fits(3) => String::new(),
        letters if fits(letters) => name.to_owned(),
        letters => {
            let kept = (1..letters).take_while(|kept| fits(kept + 1)).count();
            name.chars().take(kept).chain(['…']).collect()
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(samples: u64, called: &[(&str, Function)]) -> Function {
        let mut function = Function { samples, ..Function::default() };
        for (name, it) in called {
            let it = Function { samples: it.samples, ..Function::default() };
            function.called.insert((*name).to_owned(), it);
        }
        function
    }

    #[test]
    fn a_function_is_as_wide_as_its_part_and_stands_beside_the_others() {
        let root = function(4, &[("a", function(1, &[])), ("b<T>", function(3, &[]))]);
        let svg = draw("t", &root);
        assert!(svg.contains("data-x=\"0.00\" data-w=\"400.000\" data-n=\"a\""), "{svg}");
        assert!(
            svg.contains("data-x=\"400.00\" data-w=\"1200.000\" data-n=\"b&lt;T&gt;\""),
            "{svg}"
        );
        assert!(svg.contains("<title>b&lt;T&gt;: 75.00 %, 3 samples</title>"), "{svg}");
    }

    #[test]
    fn names_are_cut_to_the_room_that_there_is() {
        assert_eq!(fitted("loka_proxy::session", 1_000.0), "loka_proxy::session");
        assert_eq!(fitted("loka_proxy::session", 60.0), "loka_pr…");
        assert_eq!(fitted("loka_proxy::session", 10.0), "");
    }
}
