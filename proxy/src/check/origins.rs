//! Where each value comes from, grouped by that, the first that wins first: the environment, documents, values made of
//! others, Secrets, defaults. One wide table would say the same and be read by nobody.

use std::io::{self, Write};

use loka_api::{Explained, Origin};

use super::units::duration;
use crate::table::columns;

/// Paths of the rendered config that are in milliseconds end in this.
const MILLISECONDS: &str = "Ms";

/// Ends of paths that name a unit; values are shown as people write them.
const UNITS: [&str; 3] = [MILLISECONDS, "Minute", "Permille"];

/// The values of one origin.
struct Group {
    title: String,
    rows: Vec<[String; 2]>,
}

/// Writes every value under its origin. `secrets` holds, for each Secret, the place that it is
/// taken from.
pub(super) fn origins(
    explained: &[Explained],
    secrets: &[(String, String)],
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "\nWhere each value comes from")?;
    for Group { title, rows } in groups(explained, secrets) {
        writeln!(out, "  {title}")?;
        columns("    ", &rows, out)?;
    }
    Ok(())
}

fn groups(explained: &[Explained], secrets: &[(String, String)]) -> Vec<Group> {
    let (mut set, mut documents, mut made) = (vec![], vec![], vec![]);
    let (mut kept, mut defaults) = (vec![], vec![]);
    for value in explained {
        let Explained { path, value: _, origin } = value;
        let is = readable(value);
        let path = UNITS.iter().find_map(|unit| path.strip_suffix(unit)).unwrap_or(path).to_owned();
        match origin {
            Origin::Document { document, path: field } => {
                add(&mut documents, document.clone(), [field.clone(), is]);
            }
            Origin::Environment { variable, path: field } => {
                let title = "the environment, whatever the documents say".to_owned();
                add(&mut set, title, [field.clone(), format!("{is}\n      by {variable}")]);
            }
            Origin::Derived { of } => {
                // It names two documents, too much for one line.
                let of = of.replace(" and ", "\n      and ");
                add(
                    &mut made,
                    "made of other values".to_owned(),
                    [path, format!("{is}\n      of {of}")],
                );
            }
            Origin::Secret { .. } => {
                add(&mut kept, secret(&origin.to_string(), secrets), [path, is]);
            }
            Origin::Default { path: _ } => {
                add(&mut defaults, "defaults".to_owned(), [path, is]);
            }
        }
    }
    set.into_iter().chain(documents).chain(made).chain(kept).chain(defaults).collect()
}

/// A field that two routes use is said once.
fn add(groups: &mut Vec<Group>, title: String, row: [String; 2]) {
    match groups.iter_mut().find(|group| group.title == title) {
        Some(group) if group.rows.contains(&row) => {}
        Some(group) => group.rows.push(row),
        None => groups.push(Group { title, rows: vec![row] }),
    }
}

fn secret(reference: &str, secrets: &[(String, String)]) -> String {
    let place = secrets.iter().find(|(known, _)| known == reference);
    let place = place.map_or("nowhere", |(_, place)| place.as_str());
    format!("{reference}, taken from {place}")
}

fn readable(value: &Explained) -> String {
    let milliseconds = value.path.ends_with(MILLISECONDS).then(|| value.value.parse().ok());
    milliseconds.flatten().map_or_else(|| value.value.clone(), duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(path: &str, value: &str, origin: Origin) -> Explained {
        Explained { path: path.to_owned(), value: value.to_owned(), origin }
    }

    fn document(field: &str) -> Origin {
        Origin::Document { document: "farm.yaml:3 StratumPool/a".into(), path: field.into() }
    }

    fn set(variable: &str, field: &str) -> Origin {
        Origin::Environment { variable: variable.into(), path: field.into() }
    }

    #[test]
    fn values_stand_under_their_origin_once_and_in_units_that_people_read() {
        let secret = Origin::Secret { namespace: "ns".into(), name: "s".into(), key: "k".into() };
        let explained = [
            value("a.timeoutMs", "120000", document("spec.timeout")),
            value("b.timeoutMs", "120000", document("spec.timeout")),
            value("port", "3334", set("STRATUM__PROXY__A__SPEC__PORT", "spec.port")),
            value("idleMs", "500", Origin::Default { path: "spec.idle".into() }),
            value("password", "(secret)", secret),
            value("user", "acme.east", Origin::Derived { of: "x and y".into() }),
        ];
        let secrets = [("Secret ns/s key k".to_owned(), "a Secret document".to_owned())];
        let mut out = Vec::new();
        origins(&explained, &secrets, &mut out).unwrap();
        let expected = "
Where each value comes from
  the environment, whatever the documents say
    spec.port  3334
      by STRATUM__PROXY__A__SPEC__PORT
  farm.yaml:3 StratumPool/a
    spec.timeout  2m
  made of other values
    user  acme.east
      of x
      and y
  Secret ns/s key k, taken from a Secret document
    password  (secret)
  defaults
    idle  500ms
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
