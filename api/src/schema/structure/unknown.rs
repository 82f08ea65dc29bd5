//! Names that a schema does not know, and what was probably meant.

use serde_json::{Map, Value};

use super::Fault;

/// Up to this many differing letters are taken for a slip.
const SLIPS_MAX: usize = 3;

/// No longer name is compared: the comparison's cost grows with the length of the names.
const COMPARED_BYTES_MAX: usize = 64;

pub(super) fn fault(known: &Map<String, Value>, name: &str, path: &str) -> Fault {
    let remedy = match nearest(known.keys().map(String::as_str), name) {
        Some(near) => format!("did you mean {near}?"),
        None => {
            let names: Vec<_> = known.keys().map(String::as_str).collect();
            format!("remove it; known here: {}", names.join(", "))
        }
    };
    Fault::new(path, "unknown field".into(), remedy)
}

/// The candidate that a misspelt name is nearest to, if one is near at all.
#[must_use]
pub fn nearest<'a>(candidates: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    if name.len() > COMPARED_BYTES_MAX {
        return None;
    }
    let lower = name.to_lowercase();
    candidates
        .map(|candidate| {
            (strsim::damerau_levenshtein(&candidate.to_lowercase(), &lower), candidate)
        })
        // A short name is not near to another short name that shares no letter with it.
        .filter(|(slips, candidate)| *slips <= SLIPS_MAX && slips * 2 < candidate.len().max(2))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_none() {
        let known = ["poolRef", "port", "priority", "listeners"];
        for (given, expected) in [
            ("poolref", Some("poolRef")),
            ("prot", Some("port")),
            ("listener", Some("listeners")),
            ("prioritty", Some("priority")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(known.into_iter(), given), expected, "{given}");
        }
    }
}
