//! From the contents of files to the configuration that runs.

use std::sync::Arc;
use std::time::Instant;

use loka_api::overlay::PREFIX;
use loka_api::runtime_config::RuntimeConfig;
use loka_api::{Explained, Layered, Origin, Resources, SecretRef, render};

use super::secrets::Secrets;
use loka_ops::environment::Environment;

use super::{ConfigError, Contents, Inputs, values};

/// A configuration that is valid and to be run.
#[derive(Clone, Debug)]
pub struct Applied {
    /// What to run.
    pub config: Arc<RuntimeConfig>,
    /// Its identity by content.
    pub hash: Box<str>,
    /// Where it came from: the files as given.
    pub origin: Box<str>,
    /// When it began to be read.
    pub started: Instant,
}

/// A valid configuration with what `check` tells about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What to run.
    pub config: RuntimeConfig,
    /// Its identity by content.
    pub hash: String,
    /// Where each value comes from.
    pub explained: Vec<Explained>,
    /// For each Secret that is used: its reference as `namespace/name key`, and the place it is
    /// taken from.
    pub secrets: Vec<(String, String)>,
}

/// Validates and renders what the files held.
///
/// # Errors
/// Everything that is wrong with the documents.
pub fn load(
    inputs: &Inputs,
    contents: &Contents,
    environment: &Environment,
) -> Result<Loaded, ConfigError> {
    let texts = contents.documents.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let set = environment.names(PREFIX);
    let set = set.map(|name| (name, environment.string(name).unwrap_or_default()));
    let resources = Resources::load_over(texts, set).map_err(ConfigError::documents)?;
    let proxy = resources.proxy(inputs.proxy.as_deref()).map_err(ConfigError::documents)?;
    let secrets = Secrets::new(environment, contents, &resources.secrets);
    let rendered = render(&resources, proxy, &Layered(secrets.places().to_vec()))
        .map_err(ConfigError::documents)?;
    let problems = values::check(&rendered.config, &proxy.document);
    if !problems.is_empty() {
        return Err(ConfigError::documents(problems));
    }
    Ok(Loaded {
        hash: rendered.hash(),
        explained: rendered.explain().to_vec(),
        secrets: secret_places(rendered.explain(), &secrets),
        config: rendered.config,
    })
}

// === impl Applied ===

impl Applied {
    /// A configuration that comes from no file, as of now: for tests, simulations and the demo.
    pub fn of(config: RuntimeConfig, origin: &str) -> Self {
        let hash = loka_api::hash(&config).into_boxed_str();
        let started = tokio::time::Instant::now().into_std();
        Self { config: Arc::new(config), hash, origin: origin.into(), started }
    }
}

fn secret_places(explained: &[Explained], secrets: &Secrets<'_>) -> Vec<(String, String)> {
    let mut places = Vec::new();
    for value in explained {
        if let Origin::Secret { namespace, name, key } = &value.origin {
            let wanted =
                SecretRef { namespace: namespace.clone(), name: name.clone(), key: key.clone() };
            let place = secrets.place_of(&wanted).unwrap_or_else(|| "nowhere".to_owned());
            places.push((value.origin.to_string(), place));
        }
    }
    places.sort();
    places.dedup();
    places
}

#[cfg(test)]
mod tests;
