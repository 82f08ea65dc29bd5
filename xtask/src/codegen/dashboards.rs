//! Grafana's dashboards, from tables of what they show: the JSON of one is mostly its place on the page.
//!
//! The classic form of the JSON, which every Grafana of today reads. What is asked of Prometheus stands in the modules below,
//! one for each dashboard.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::Generated;

mod farm;
mod operator;
mod pools;
mod proxies;

/// The directory that they are written to.
pub(super) const DIRECTORY: &str = "charts/loka-stratum/dashboards";

/// Of the classic JSON, by Grafana 11; later ones bring it up to theirs when they read it.
const SCHEMA_VERSION: u32 = 39;

/// Columns of a page, and rows of a panel.
const COLUMNS: u32 = 24;
const STAT_HEIGHT: u32 = 4;
const HEIGHT: u32 = 8;

/// In a query: of the proxies, or of the operators, that are chosen above. Outside of Kubernetes the labels are empty, which
/// `.*` matches.
const CHOSEN: [(&str, &str); 2] = [
    ("$F", r#"namespace=~"$namespace", stratumproxy=~"$stratumproxy""#),
    ("$O", r#"namespace=~"$namespace""#),
];

/// A dashboard.
struct Dashboard {
    /// Links to it have this: it never changes.
    uid: &'static str,
    title: &'static str,
    says: &'static str,
    choices: &'static [Choice],
    rows: &'static [Row],
}

/// What can be chosen above: the values of a label.
struct Choice {
    label: &'static str,
    title: &'static str,
    /// Whose label it is.
    of: &'static str,
}

struct Row {
    title: &'static str,
    panels: &'static [Panel],
}

struct Panel {
    title: &'static str,
    /// What a person wants to know who sees it for the first time.
    says: &'static str,
    kind: Kind,
    /// By Grafana's name.
    unit: &'static str,
    /// How it is named in the legend, and the query.
    series: &'static [(&'static str, &'static str)],
}

/// How it is drawn.
#[derive(Clone, Copy)]
enum Kind {
    /// One number for each series, in green; in yellow and red from these values on, or below them if they fall.
    Stat(Option<[f64; 2]>),
    /// Lines over time.
    Lines,
    /// Areas over time, one on the other.
    Stack,
    /// Bars of what is, over time.
    States,
}

/// Every dashboard as a file.
pub(super) fn files() -> Result<Vec<Generated>, String> {
    [farm::DASHBOARD, pools::DASHBOARD, proxies::DASHBOARD, operator::DASHBOARD]
        .iter()
        .map(|dashboard| {
            let name = dashboard.uid.trim_start_matches("loka-");
            let path: PathBuf = Path::new(DIRECTORY).join(format!("{name}.json"));
            let text = serde_json::to_string_pretty(&dashboard.json())
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            Ok(Generated { path, text: text + "\n" })
        })
        .collect()
}

// === impl Dashboard ===

impl Dashboard {
    fn json(&self) -> Value {
        let Self { uid, title, says, choices, rows } = self;
        let source = json!({
            "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
        });
        let variables: Vec<Value> =
            std::iter::once(source).chain(choices.iter().map(Choice::json)).collect();
        json!({
            "uid": uid,
            "title": title,
            "description": says,
            "tags": ["stratum"],
            "schemaVersion": SCHEMA_VERSION,
            "editable": true,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": { "from": "now-3h", "to": "now" },
            "links": [{
                "type": "dashboards", "tags": ["stratum"], "title": "Stratum", "asDropdown": true,
                "includeVars": true, "keepTime": true,
            }],
            "templating": { "list": variables },
            "annotations": { "list": [] },
            "panels": panels(rows),
        })
    }
}

// === impl Choice ===

impl Choice {
    fn json(&self) -> Value {
        let Self { label, title, of } = self;
        json!({
            "name": label, "label": title, "type": "query", "datasource": datasource(),
            "query": { "query": format!("label_values({of}, {label})"), "refId": label },
            "definition": format!("label_values({of}, {label})"),
            "refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": ".*",
            "current": { "selected": true, "text": ["All"], "value": ["$__all"] },
        })
    }
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// Panels and the titles above them, from the top left.
fn panels(rows: &[Row]) -> Vec<Value> {
    let (mut shown, mut top) = (Vec::new(), 0);
    for row in rows {
        shown.push(json!({
            "id": shown.len() + 1, "type": "row", "title": row.title, "collapsed": false, "panels": [],
            "gridPos": { "x": 0, "y": top, "w": COLUMNS, "h": 1 },
        }));
        top += 1;
        let mut left = 0;
        let widths = widths(row.panels);
        for (panel, (width, height)) in row.panels.iter().zip(widths) {
            if left + width > COLUMNS {
                (left, top) = (0, top + height);
            }
            let place = json!({ "x": left, "y": top, "w": width, "h": height });
            shown.push(panel.json(shown.len() + 1, place));
            left += width;
            if left >= COLUMNS {
                (left, top) = (0, top + height);
            }
        }
        if left > 0 {
            top += HEIGHT;
        }
    }
    shown
}

/// Numbers share a line; of the rest two stand side by side, and one alone takes the line.
fn widths(panels: &[Panel]) -> Vec<(u32, u32)> {
    let is_stat = |panel: &&Panel| matches!(panel.kind, Kind::Stat(_));
    let stats = u32::try_from(panels.iter().filter(is_stat).count()).unwrap_or(COLUMNS);
    let rest = panels.iter().filter(|panel| !is_stat(panel)).count();
    let mut drawn = 0;
    let mut width = |panel: &Panel| match panel.kind {
        Kind::Stat(_) => (COLUMNS / stats.max(1), STAT_HEIGHT),
        Kind::Lines | Kind::Stack | Kind::States => {
            drawn += 1;
            let is_alone = drawn == rest && rest % 2 == 1;
            (if is_alone { COLUMNS } else { COLUMNS / 2 }, HEIGHT)
        }
    };
    panels.iter().map(&mut width).collect()
}

// === impl Panel ===

impl Panel {
    fn json(&self, id: usize, place: Value) -> Value {
        let Self { title, says, kind, unit, series } = self;
        let targets = series.iter().zip('A'..).map(|((legend, query), place)| {
            json!({
                "refId": place.to_string(), "datasource": datasource(), "legendFormat": legend,
                "expr": of_chosen(query), "exemplar": query.contains("_bucket"),
                "instant": matches!(kind, Kind::Stat(_)), "range": !matches!(kind, Kind::Stat(_)),
            })
        });
        let mut panel = json!({
            "id": id, "title": title, "description": says, "type": kind.name(),
            "datasource": datasource(), "gridPos": place, "targets": targets.collect::<Vec<_>>(),
            "fieldConfig": { "defaults": kind.defaults(unit), "overrides": [] },
            "options": kind.options(),
        });
        if let (Kind::States, Some(panel)) = (kind, panel.as_object_mut()) {
            panel.insert("maxDataPoints".to_owned(), json!(200));
        }
        panel
    }
}

fn of_chosen(query: &str) -> String {
    CHOSEN.iter().fold(query.to_owned(), |query, (chosen, by)| query.replace(chosen, by))
}

// === impl Kind ===

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Stat(_) => "stat",
            Self::Lines | Self::Stack => "timeseries",
            Self::States => "state-timeline",
        }
    }

    fn defaults(self, unit: &str) -> Value {
        let mut defaults = Map::new();
        defaults.insert("unit".to_owned(), json!(unit));
        match self {
            Self::Stat(limits) => {
                defaults.insert("thresholds".to_owned(), thresholds(limits));
            }
            Self::Lines => {
                defaults
                    .insert("custom".to_owned(), json!({ "lineWidth": 1, "showPoints": "never" }));
                defaults.insert("min".to_owned(), json!(0));
            }
            Self::Stack => {
                let custom = json!({
                    "lineWidth": 1, "showPoints": "never", "fillOpacity": 30,
                    "stacking": { "mode": "normal" },
                });
                defaults.insert("custom".to_owned(), custom);
                defaults.insert("min".to_owned(), json!(0));
            }
            Self::States => {
                let map = json!([{ "type": "value", "options": {
                    "0": { "text": "no", "color": "gray", "index": 0 },
                    "1": { "text": "yes", "color": "green", "index": 1 },
                } }]);
                defaults.insert("mappings".to_owned(), map);
            }
        }
        Value::Object(defaults)
    }

    fn options(self) -> Value {
        match self {
            Self::Stat(_) => json!({
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                "colorMode": "value", "graphMode": "none", "textMode": "auto",
            }),
            Self::Lines | Self::Stack => json!({
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            Self::States => json!({
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": false },
                "rowHeight": 0.9, "showValue": "never",
            }),
        }
    }
}

/// Steps of colour: each holds from its value on.
fn thresholds(limits: Option<[f64; 2]>) -> Value {
    let steps = match limits {
        None => vec![(None, "green")],
        Some([yellow, red]) if yellow < red => {
            vec![(None, "green"), (Some(yellow), "yellow"), (Some(red), "red")]
        }
        Some([yellow, red]) => vec![(None, "red"), (Some(red), "yellow"), (Some(yellow), "green")],
    };
    let steps: Vec<Value> =
        steps.into_iter().map(|(value, color)| json!({ "value": value, "color": color })).collect();
    json!({ "mode": "absolute", "steps": steps })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn places(dashboard: &Value) -> Vec<[u64; 4]> {
        let panels = dashboard["panels"].as_array().unwrap();
        let place =
            |panel: &Value| ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        panels.iter().map(place).collect()
    }

    #[test]
    fn panels_neither_overlap_nor_leave_the_page() {
        for file in files().unwrap() {
            let dashboard: Value = serde_json::from_str(&file.text).unwrap();
            let mut cells = HashSet::new();
            for [x, y, w, h] in places(&dashboard) {
                assert!(w > 0 && x + w <= u64::from(COLUMNS), "{}: {x} {w}", file.path.display());
                let all = (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y)));
                for cell in all {
                    assert!(cells.insert(cell), "{}: two at {cell:?}", file.path.display());
                }
            }
        }
    }

    #[test]
    fn every_panel_has_a_title_of_its_own_words_and_a_query_of_chosen_proxies() {
        let mut uids = HashSet::new();
        for file in files().unwrap() {
            let dashboard: Value = serde_json::from_str(&file.text).unwrap();
            assert!(uids.insert(dashboard["uid"].to_string()), "{}", file.path.display());
            let mut titles = HashSet::new();
            for panel in dashboard["panels"].as_array().unwrap() {
                assert!(titles.insert(panel["title"].to_string()), "{}", panel["title"]);
                if panel["type"] == "row" {
                    continue;
                }
                assert!(
                    panel["description"].as_str().is_some_and(|says| says.len() > 20),
                    "{panel}"
                );
                for target in panel["targets"].as_array().unwrap() {
                    let query = target["expr"].as_str().unwrap();
                    assert!(query.contains(r#"namespace=~"$namespace""#), "{query}");
                    assert!(!query.contains("$F") && !query.contains("$O"), "{query}");
                }
            }
        }
    }

    #[test]
    fn colours_turn_at_their_values_whichever_way_is_worse() {
        let colours = |limits| {
            let thresholds = thresholds(Some(limits));
            let steps = thresholds["steps"].as_array().unwrap().clone();
            steps
                .into_iter()
                .map(|step| step["color"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(colours([0.1, 0.5]), ["green", "yellow", "red"]);
        assert_eq!(colours([0.98, 0.95]), ["red", "yellow", "green"]);
    }
}
