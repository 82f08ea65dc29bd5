//! Where Secrets come from without a cluster: environment, files, documents, in this order. The
//! first that has the key wins.

use std::collections::BTreeMap;

use loka_api::names::secret_variable;
use loka_api::{DocumentSecrets, Secret, SecretMiss, SecretRef, SecretSource};

use loka_ops::environment::Environment;

use super::Contents;

/// One environment variable per key: `STRATUM_SECRET_<SECRET>_<KEY>`.
pub(super) struct EnvironmentSecrets<'a>(pub(super) &'a Environment);

/// One file per key: `DIR/<secret>/<key>`.
pub(super) struct FileSecrets<'a>(&'a BTreeMap<String, BTreeMap<String, Secret>>);

/// All places, in the order in which they are asked.
pub(super) struct Secrets<'a> {
    environment: EnvironmentSecrets<'a>,
    files: FileSecrets<'a>,
    documents: &'a DocumentSecrets,
}

// === impl Secrets ===

impl<'a> Secrets<'a> {
    pub(super) fn new(
        environment: &'a Environment,
        contents: &'a Contents,
        documents: &'a DocumentSecrets,
    ) -> Self {
        let files = FileSecrets(&contents.secrets);
        Self { environment: EnvironmentSecrets(environment), files, documents }
    }

    /// The places, in order.
    pub(super) fn places(&self) -> [&dyn SecretSource; 3] {
        [&self.environment, &self.files, self.documents]
    }

    /// The place that `wanted` is taken from, in words.
    pub(super) fn place_of(&self, wanted: &SecretRef) -> Option<String> {
        let [environment, files, documents] = self.places();
        if environment.find(wanted).is_ok() {
            let variable = secret_variable(&wanted.name, &wanted.key);
            return Some(format!("the environment, {variable}"));
        }
        if files.find(wanted).is_ok() {
            return Some(format!("the secrets directory, {}/{}", wanted.name, wanted.key));
        }
        documents.find(wanted).is_ok().then(|| "a Secret document".to_owned())
    }
}

impl SecretSource for EnvironmentSecrets<'_> {
    fn find(&self, wanted: &SecretRef) -> Result<Secret, SecretMiss> {
        let variable = secret_variable(&wanted.name, &wanted.key);
        self.0.string(&variable).map(Secret::new).ok_or(SecretMiss::NoSecret)
    }

    fn place(&self) -> String {
        "the environment".to_owned()
    }
}

impl SecretSource for FileSecrets<'_> {
    fn find(&self, wanted: &SecretRef) -> Result<Secret, SecretMiss> {
        let keys = self.0.get(&wanted.name).ok_or(SecretMiss::NoSecret)?;
        let known = || keys.keys().cloned().collect();
        keys.get(&wanted.key).cloned().ok_or_else(|| SecretMiss::NoKey { known: known() })
    }

    fn place(&self) -> String {
        "the secrets directory".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> SecretRef {
        SecretRef {
            namespace: "mining".to_owned(),
            name: "pool-a".to_owned(),
            key: "password".to_owned(),
        }
    }

    fn contents() -> Contents {
        let keys = BTreeMap::from([("password".to_owned(), Secret::new("from a file"))]);
        Contents { secrets: BTreeMap::from([("pool-a".to_owned(), keys)]), ..Contents::default() }
    }

    #[test]
    fn the_environment_wins_over_files() {
        let environment: Environment =
            [("STRATUM_SECRET_POOL_A_PASSWORD", "from the environment")].into_iter().collect();
        let (contents, documents) = (contents(), DocumentSecrets::default());
        let secrets = Secrets::new(&environment, &contents, &documents);
        let found = loka_api::Layered(secrets.places().to_vec()).find(&wanted()).unwrap();
        assert_eq!(found.expose(), "from the environment");
        assert_eq!(
            secrets.place_of(&wanted()).as_deref(),
            Some("the environment, STRATUM_SECRET_POOL_A_PASSWORD")
        );
    }

    #[test]
    fn a_key_that_a_secret_lacks_is_answered_with_those_it_has() {
        let contents = contents();
        let missed =
            FileSecrets(&contents.secrets).find(&SecretRef { key: "x".into(), ..wanted() });
        assert_eq!(missed, Err(SecretMiss::NoKey { known: vec!["password".to_owned()] }));
    }
}
