//! The documents of one run, typed and by kind. Owns their uniqueness and the choice of the one
//! StratumProxy that a process runs. Reads no files: texts are passed in.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::{
    documents::{DocumentId, RawDocument, read},
    overlay, path,
    problem::Problem,
    secrets::DocumentSecrets,
    stratum_pool::StratumPoolSpec,
    stratum_proxy::StratumProxySpec,
    validate::{Resource, validate},
};

/// A checked document: its spec with all defaults filled in, and where it came from. Only
/// [`validate`] makes one.
#[derive(Debug, Clone)]
pub struct Sourced<T> {
    /// Where the document stands.
    pub document: DocumentId,
    /// Its namespace; `default` where it names none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it wants.
    pub spec: T,
    given: Value,
    overlaid: BTreeMap<String, String>,
}

impl<T> Sourced<T> {
    pub(crate) fn new(document: &RawDocument, namespace: String, name: String, spec: T) -> Self {
        let (given, overlaid) = (document.value.clone(), document.overlaid.clone());
        Self { document: document.id.clone(), namespace, name, spec, given, overlaid }
    }

    /// Whether the document itself says what stands at `path`; otherwise it is a default.
    pub(crate) fn says(&self, path: &str) -> bool {
        path::lookup(&self.given, path).is_some_and(|value| !value.is_null())
    }

    /// The variable of the environment that says it instead of the document.
    pub(crate) fn variable(&self, path: &str) -> Option<&str> {
        overlay::variable(&self.overlaid, path)
    }
}

/// The documents of one run.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    /// StratumProxies, in the order of reading.
    pub proxies: Vec<Sourced<StratumProxySpec>>,
    /// StratumPools, in the order of reading.
    pub pools: Vec<Sourced<StratumPoolSpec>>,
    /// Secrets.
    pub secrets: DocumentSecrets,
}

impl Resources {
    /// Reads and checks all documents of all texts, each given with the name of its source.
    ///
    /// # Errors
    /// All that is wrong with any of them.
    pub fn load<'a>(
        texts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<Problem>> {
        Self::load_over(texts, [])
    }

    /// The same, with the fields that variables of the environment set over what the documents say ([`overlay`]).
    ///
    /// # Errors
    /// All that is wrong with any document, or with what a variable sets.
    pub fn load_over<'a, 'b>(
        texts: impl IntoIterator<Item = (&'a str, &'a str)>,
        variables: impl IntoIterator<Item = (&'b str, &'b str)>,
    ) -> Result<Self, Vec<Problem>> {
        let (mut all, mut problems) = (Vec::new(), Vec::new());
        for (source, text) in texts {
            let (documents, malformed) = read(source, text);
            problems.extend(malformed);
            all.extend(documents);
        }
        problems.extend(overlay::overlay(&mut all, variables));
        match Self::from_documents(&all) {
            Ok(resources) if problems.is_empty() => Ok(resources),
            Ok(_) => Err(problems),
            Err(invalid) => Err(problems.into_iter().chain(invalid).collect()),
        }
    }

    /// Checks documents that have been read, such as objects of an API server.
    ///
    /// # Errors
    /// All that is wrong with any of them.
    pub fn from_documents(documents: &[RawDocument]) -> Result<Self, Vec<Problem>> {
        let (mut resources, mut problems) = (Self::default(), Vec::new());
        let mut seen = HashMap::new();
        for document in documents {
            match validate(document) {
                Ok(resource) => {
                    problems.extend(repeated(&mut seen, document, &resource));
                    resources.add(resource);
                }
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(resources) } else { Err(problems) }
    }

    fn add(&mut self, resource: Resource) {
        match resource {
            Resource::Proxy(proxy) => self.proxies.push(proxy),
            Resource::Pool(pool) => self.pools.push(pool),
            Resource::Secret(secret) => self.secrets.add(secret),
        }
    }

    /// The StratumProxy to run: the one of this name, or the only one.
    ///
    /// # Errors
    /// If there is none, or a choice that was not made.
    pub fn proxy(&self, name: Option<&str>) -> Result<&Sourced<StratumProxySpec>, Vec<Problem>> {
        let found: Vec<_> = self
            .proxies
            .iter()
            .filter(|proxy| name.is_none_or(|name| proxy.name == name))
            .collect();
        let known: Vec<_> = self.proxies.iter().map(|proxy| proxy.document.to_string()).collect();
        let problem = match (found.as_slice(), name) {
            ([proxy], _) => return Ok(proxy),
            ([], _) if known.is_empty() => Problem::of(
                &"the documents",
                "have no StratumProxy among them",
                "add a document of `kind: StratumProxy`",
            ),
            ([], name) => Problem::of(
                &"the documents",
                &format!("have no StratumProxy named {}", name.unwrap_or_default()),
                &format!("choose one of {}", known.join(", ")),
            ),
            (_, _) => Problem::of(
                &"the documents",
                &format!("have {} StratumProxies and a process runs one", found.len()),
                &format!("name one, or take the others out: {}", known.join(", ")),
            ),
        };
        Err(vec![problem])
    }
}

/// Kind, namespace and name of each document so far, and where it stands.
type Seen = HashMap<(&'static str, String, String), String>;

fn repeated(seen: &mut Seen, document: &RawDocument, resource: &Resource) -> Option<Problem> {
    let (kind, namespace, name) = match resource {
        Resource::Proxy(it) => (crate::names::STRATUM_PROXY, &it.namespace, &it.name),
        Resource::Pool(it) => (crate::names::STRATUM_POOL, &it.namespace, &it.name),
        Resource::Secret(it) => ("Secret", &it.namespace, &it.name),
    };
    let here = document.id.to_string();
    let first = seen.insert((kind, namespace.clone(), name.clone()), here)?;
    let message = format!("the {kind} {namespace}/{name} stands at {first} already");
    let problem = Problem::of(&document.id, &message, "remove one of the two, or rename it");
    Some(problem.at("metadata.name"))
}

#[cfg(test)]
mod tests;
