//! YAML text to documents: splits a stream at its `---`, and keeps where each document stands.
//! Owns the bounds on size and number. Does not know what a document should look like beyond its
//! being a mapping with text keys.

mod expansion;

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::problem::{Problem, shortened};

/// The largest text that is read: hundreds of documents of ordinary size. It also bounds the work
/// of [`parse`], which counts lines anew for each document. What aliases make of it is bounded by
/// [`expansion`].
const SOURCE_BYTES_MAX: usize = 1 << 20;

/// The most documents in one text.
const DOCUMENTS_MAX: usize = 256;

/// What some editors put at the beginning of a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The most opening brackets in one document, inside texts or not. The parser's work for each token
/// grows with the brackets that are open, and it looks at the depth only when all is parsed.
const BRACKETS_MAX: usize = 4096;

/// What the parser says when it has followed aliases too often.
const PARSERS_ALIAS_LIMIT: &str = "repetition limit exceeded";

const ALIAS_REMEDY: &str = "write out what the aliases (`*name`) stand for";

const YAML_REMEDY: &str = "correct the YAML at this place: indent with spaces, and put texts in \
    quotes that contain `: ` or ` #` or begin with a special character";

/// Where a document stands and what it calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentId {
    /// The file, or whatever the caller named the text.
    pub source: Arc<str>,
    /// Its number in the text, from 1.
    pub index: usize,
    /// The line that it begins on, from 1. 0: it did not come from a text.
    pub line: usize,
    /// Its `kind`, or empty.
    pub kind: String,
    /// Its `metadata.name`, or empty.
    pub name: String,
}

impl DocumentId {
    fn of(source: &Arc<str>, index: usize, line: usize, value: &Value) -> Self {
        let text =
            |pointer| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, name) = (text("/kind"), text("/metadata/name"));
        Self { source: Arc::clone(source), index, line, kind, name }
    }
}

/// `farm.yaml:12 StratumProxy/farm-east`
impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Unlike the source, kind and name are the document's own words: they may be anything.
        let (kind, name) = (shortened(&self.kind), shortened(&self.name));
        f.write_str(&self.source)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        match (kind.is_empty(), name.is_empty()) {
            (true, _) => Ok(()),
            (false, true) => write!(f, " {kind}"),
            (false, false) => write!(f, " {kind}/{name}"),
        }
    }
}

/// A document as it was written, unchecked. May hold secrets: its `Debug` shows none of it.
#[derive(Clone, PartialEq)]
pub struct RawDocument {
    /// Where it stands.
    pub id: DocumentId,
    /// What it says.
    pub value: Value,
    /// What the environment says in its place: the variable, by the path of the field.
    pub(crate) overlaid: BTreeMap<String, String>,
}

impl RawDocument {
    /// A document that did not come from a text, such as an object of an API server.
    #[must_use]
    pub fn from_object(source: &str, value: Value) -> Self {
        Self {
            id: DocumentId::of(&Arc::from(source), 1, 0, &value),
            value,
            overlaid: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for RawDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawDocument").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Reads every document of a text. One that is malformed does not hide the others.
#[must_use]
pub fn read(source: &str, text: &str) -> (Vec<RawDocument>, Vec<Problem>) {
    let source: Arc<str> = Arc::from(source);
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    if text.len() > SOURCE_BYTES_MAX {
        problems.push(Problem::of(
            &source,
            &format!("has {} bytes, and at most {SOURCE_BYTES_MAX} are read", text.len()),
            "split it into several files",
        ));
        return (documents, problems);
    }
    for (line, chunk) in split(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)) {
        if chunk.lines().all(is_blank) {
            continue;
        }
        if documents.len() + problems.len() == DOCUMENTS_MAX {
            problems.push(Problem::of(
                &source,
                &format!("has more than {DOCUMENTS_MAX} documents"),
                "split it into several files",
            ));
            break;
        }
        match parse(&source, documents.len() + 1, line, chunk) {
            Ok(Some(document)) => documents.push(document),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    (documents, problems)
}

/// The pieces between document markers, with the line that each begins on. A marker stands at the
/// beginning of a line, and YAML allows none inside any scalar.
fn split(text: &str) -> Vec<(usize, &str)> {
    let mut pieces = Vec::new();
    let (mut begin, mut begin_line, mut offset) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if is_marker(line) {
            pieces.push((begin_line, text.get(begin..offset).unwrap_or_default()));
            // What follows the marker on its own line belongs to the next document.
            (begin, begin_line) = (offset + MARKER_LENGTH, index + 1);
        }
        offset += line.len();
    }
    pieces.push((begin_line, text.get(begin..).unwrap_or_default()));
    pieces
}

const MARKER_LENGTH: usize = 3;

fn is_marker(line: &str) -> bool {
    ["---", "..."]
        .iter()
        .filter_map(|marker| line.strip_prefix(marker))
        .any(|rest| rest.chars().next().is_none_or(char::is_whitespace))
}

fn parse(
    source: &Arc<str>,
    index: usize,
    line: usize,
    chunk: &str,
) -> Result<Option<RawDocument>, Problem> {
    let brackets = chunk.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if brackets > BRACKETS_MAX {
        let message =
            format!("has {brackets} opening brackets, and at most {BRACKETS_MAX} are read");
        let place = format!("{source}:{line}");
        return Err(Problem::of(&place, &message, "indent instead, or split it into several"));
    }
    // The empty lines make the parser count from the beginning of the file.
    let text = format!("{}{chunk}", "\n".repeat(line.saturating_sub(1)));
    let yaml: serde_yaml::Value = expansion::check(&text)
        .and_then(|()| serde_yaml::from_str(&text))
        .map_err(|error| malformed(source, &error.to_string()))?;
    // The marker's line is rarely where the reader looks; the first line with content is.
    let blank = chunk.lines().take_while(|line| is_blank(line)).count();
    let line = line + blank;
    let value = json(yaml, "").map_err(|(path, message)| {
        Problem::of(&format!("{source}:{line}"), message, YAML_REMEDY).at(&path)
    })?;
    if value.is_null() {
        return Ok(None);
    }
    let (id, overlaid) = (DocumentId::of(source, index, line, &value), BTreeMap::new());
    Ok(Some(RawDocument { id, value, overlaid }))
}

fn malformed(source: &Arc<str>, error: &str) -> Problem {
    let is_of_aliases =
        [expansion::EXPANDED, PARSERS_ALIAS_LIMIT].iter().any(|it| error.contains(it));
    let remedy = if is_of_aliases { ALIAS_REMEDY } else { YAML_REMEDY };
    Problem::of(source, &format!("malformed YAML: {error}"), remedy)
}

fn is_blank(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

fn json(yaml: serde_yaml::Value, path: &str) -> Result<Value, (String, &'static str)> {
    let fault = |message| (path.to_owned(), message);
    Ok(match yaml {
        serde_yaml::Value::Null => Value::Null,
        serde_yaml::Value::Bool(it) => Value::Bool(it),
        serde_yaml::Value::String(it) => Value::String(it),
        serde_yaml::Value::Number(it) => {
            serde_json::to_value(it).map_err(|_| fault("is a number that JSON cannot express"))?
        }
        serde_yaml::Value::Sequence(items) => {
            let items = items.into_iter().enumerate();
            Value::Array(
                items.map(|(i, it)| json(it, &format!("{path}[{i}]"))).collect::<Result<_, _>>()?,
            )
        }
        serde_yaml::Value::Mapping(fields) => {
            let mut object = Map::new();
            for (key, it) in fields {
                let serde_yaml::Value::String(key) = key else {
                    return Err(fault("has a key that is not a text"));
                };
                let value = json(it, &crate::path::field(path, &key))?;
                object.insert(key, value);
            }
            Value::Object(object)
        }
        serde_yaml::Value::Tagged(_) => return Err(fault("has a YAML tag (`!…`)")),
    })
}

#[cfg(test)]
mod tests;
