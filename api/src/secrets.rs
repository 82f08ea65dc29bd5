//! Secret values: a text that no log shows, where it is looked for, and v1 Secret documents.
//! Owns redaction. Reads neither environment nor files: a caller's [`SecretSource`] does.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{documents::RawDocument, names, path, problem::Problem};

/// A text that no log shows. It serialises plainly: the rendered config must carry it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes a text for secret.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that must send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// One key of one Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRef {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The key in its data.
    pub key: String,
}

/// Why a secret was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretMiss {
    /// There is no such Secret.
    NoSecret,
    /// It has other keys.
    NoKey {
        /// Those that it has.
        known: Vec<String>,
    },
    /// It is there but cannot be read.
    Unreadable(String),
}

/// Where secrets are looked for.
pub trait SecretSource {
    /// Looks one up.
    ///
    /// # Errors
    /// Why it was not found here.
    fn find(&self, wanted: &SecretRef) -> Result<Secret, SecretMiss>;

    /// What this source is called in messages, such as `the documents`.
    fn place(&self) -> String;
}

/// Several sources, asked in their order: the first that has the key wins.
pub struct Layered<'a>(pub Vec<&'a dyn SecretSource>);

impl SecretSource for Layered<'_> {
    /// The most telling miss is reported: a source that knows the Secret outranks one without.
    fn find(&self, wanted: &SecretRef) -> Result<Secret, SecretMiss> {
        let mut miss = SecretMiss::NoSecret;
        for source in &self.0 {
            match (source.find(wanted), &miss) {
                (Ok(secret), _) => return Ok(secret),
                (Err(found), SecretMiss::NoSecret) => miss = found,
                (Err(_), SecretMiss::NoKey { .. } | SecretMiss::Unreadable(_)) => {}
            }
        }
        Err(miss)
    }

    fn place(&self) -> String {
        self.0.iter().map(|source| source.place()).collect::<Vec<_>>().join(" or ")
    }
}

/// The v1 Secrets among the documents.
#[derive(Debug, Clone, Default)]
pub struct DocumentSecrets {
    by_name: BTreeMap<(String, String), BTreeMap<String, Secret>>,
}

impl DocumentSecrets {
    pub(crate) fn add(&mut self, secret: SecretDocument) {
        self.by_name.insert((secret.namespace, secret.name), secret.data);
    }
}

impl SecretSource for DocumentSecrets {
    fn find(&self, wanted: &SecretRef) -> Result<Secret, SecretMiss> {
        let name = (wanted.namespace.clone(), wanted.name.clone());
        let data = self.by_name.get(&name).ok_or(SecretMiss::NoSecret)?;
        match data.get(&wanted.key) {
            Some(secret) => Ok(secret.clone()),
            None => Err(SecretMiss::NoKey { known: data.keys().cloned().collect() }),
        }
    }

    fn place(&self) -> String {
        "the documents".to_owned()
    }
}

/// A v1 Secret, decoded.
#[derive(Debug, Clone)]
pub struct SecretDocument {
    /// Its namespace; `default` where it names none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    data: BTreeMap<String, Secret>,
}

impl SecretDocument {
    /// Reads a document that is structurally a Secret. No problem that it reports shows a value.
    pub(crate) fn read(document: &RawDocument, mut value: Value) -> Result<Self, Vec<Problem>> {
        let text = |pointer| value.pointer(pointer).and_then(Value::as_str);
        let name = text("/metadata/name").unwrap_or_default().to_owned();
        let namespace = text("/metadata/namespace").unwrap_or(names::DEFAULT_NAMESPACE).to_owned();
        let mut reader = EntryReader { document, data: BTreeMap::new(), problems: Vec::new() };
        // `stringData` wins over `data`, as in an API server.
        for (field, decode) in [("stringData", plain as Decode), ("data", base64_text as Decode)] {
            let entries = value.get_mut(field).map(Value::take).unwrap_or_default();
            reader.read_field(field, entries, decode);
        }
        if reader.problems.is_empty() {
            Ok(Self { namespace, name, data: reader.data })
        } else {
            Err(reader.problems)
        }
    }
}

type Decode = fn(String) -> Result<String, (&'static str, &'static str)>;

struct EntryReader<'a> {
    document: &'a RawDocument,
    data: BTreeMap<String, Secret>,
    problems: Vec<Problem>,
}

impl EntryReader<'_> {
    fn read_field(&mut self, field: &str, entries: Value, decode: Decode) {
        let entries = match entries {
            Value::Null => Map::new(),
            Value::Object(entries) => entries,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                self.refuse(field, ("must be an object", "write one `key: value` on each line"));
                return;
            }
        };
        for (key, value) in entries {
            let decoded = match value {
                Value::String(text) => decode(text),
                _ => Err(("must be a text", "put the value in quotes")),
            };
            match (decoded, self.data.entry(key.clone())) {
                (Ok(text), Entry::Vacant(free)) => {
                    free.insert(Secret::new(text));
                }
                (Ok(_), Entry::Occupied(_)) => {}
                (Err(fault), _) => self.refuse(&path::field(field, &key), fault),
            }
        }
    }

    fn refuse(&mut self, path: &str, (message, remedy): (&str, &str)) {
        self.problems.push(Problem::of(&self.document.id, message, remedy).at(path));
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one of two decoders of the same type")]
fn plain(text: String) -> Result<String, (&'static str, &'static str)> {
    Ok(text)
}

fn base64_text(text: String) -> Result<String, (&'static str, &'static str)> {
    let bytes = STANDARD
        .decode(text.split_ascii_whitespace().collect::<String>())
        .map_err(|_| ("is not base64", "encode it, or write it plainly under stringData"))?;
    String::from_utf8(bytes)
        .map_err(|_| ("is not text once decoded", "passwords and PEM are UTF-8 text"))
}

#[cfg(test)]
mod tests;
