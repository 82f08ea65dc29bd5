//! Reads OpenMetrics text as strictly as the specification has it, for tests of what we expose.

use std::collections::{BTreeMap, BTreeSet};

/// What a scrape said.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    /// Kind by family.
    pub(super) families: BTreeMap<String, String>,
    /// Value by series, written `name{label="value",…}`.
    pub(super) series: BTreeMap<String, f64>,
}

impl Exposition {
    /// Panics at the first line that a scraper would refuse.
    pub(super) fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("ends with # EOF");
        let mut read = Self::default();
        let (mut family, mut helped) = (String::new(), BTreeSet::new());
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, _help) = rest.split_once(' ').expect(line);
                assert!(helped.insert(name.to_owned()), "{name} is described twice");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                let known = read.families.insert(name.to_owned(), kind.to_owned());
                assert!(known.is_none(), "{name} is exposed twice, or not in one piece");
                name.clone_into(&mut family);
            } else {
                read.sample(line, &family);
            }
        }
        read
    }

    fn sample(&mut self, line: &str, family: &str) {
        let (series, value) = line.rsplit_once(' ').expect(line);
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let suffixes: &[&str] = match self.families.get(family).map(String::as_str) {
            Some("counter") => &["_total"],
            Some("gauge") => &[""],
            Some("histogram") => &["_bucket", "_count", "_sum"],
            Some("info") => &["_info"],
            kind => panic!("{line}: family {family:?} of kind {kind:?}"),
        };
        let suffix = name.strip_prefix(family);
        assert!(suffix.is_some_and(|suffix| suffixes.contains(&suffix)), "{line}: in {family}");
        check_labels(labels.strip_suffix('}').expect(line));
        let value: f64 = value.parse().expect(line);
        let known = self.series.insert(series.to_owned(), value);
        assert!(known.is_none(), "{series} twice");
    }

    /// The value of one series.
    pub(super) fn value(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.series))
    }

    /// The sum of a counter or gauge over all of its series.
    pub(super) fn sum(&self, name: &str) -> f64 {
        let of = |series: &str| series.split('{').next() == Some(name);
        self.series.iter().filter(|(series, _)| of(series)).map(|(_, value)| value).sum()
    }
}

/// `name="value"`, by commas; in a value `\\`, `\"` and `\n` are escaped.
fn check_labels(labels: &str) {
    let mut rest = labels;
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").expect(labels);
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        let mut escaped = false;
        let end = value.find(|c| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        let (_, after) = value.split_at(end.expect(labels) + 1);
        rest = after.strip_prefix(',').unwrap_or(after);
    }
}
