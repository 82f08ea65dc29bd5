//! Checked documents to the config that a proxy runs: references resolved, quantities and
//! durations turned into plain numbers, every value with its origin. Deterministic. Owns the checks
//! that need more than one field or document; what one field may hold is the schema's.

mod authentication;
mod draft;
mod listeners;
mod miners;
mod origin;
mod pools;
mod reaching;
mod routes;
mod secret;
mod terms;

pub use origin::{Explained, Origin};

use crate::{
    problem::Problem,
    resources::{Resources, Sourced},
    runtime_config::{self, Drain, Observability, RuntimeConfig},
    secrets::SecretSource,
    stratum_proxy::StratumProxySpec,
};
use draft::{At, Draft, Notes};

/// A config, and where each of its values comes from.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// What a proxy runs.
    pub config: RuntimeConfig,
    explained: Vec<Explained>,
}

impl Rendered {
    /// Where each value comes from, in the order of the config. Shows no secret.
    #[must_use]
    pub fn explain(&self) -> &[Explained] {
        &self.explained
    }

    /// The name of the config by its content.
    #[must_use]
    pub fn hash(&self) -> String {
        runtime_config::hash(&self.config)
    }
}

/// Renders the config of one StratumProxy.
///
/// # Errors
/// All references that lead nowhere and all values that do not go together.
pub fn render(
    resources: &Resources,
    proxy: &Sourced<StratumProxySpec>,
    secrets: &dyn SecretSource,
) -> Result<Rendered, Vec<Problem>> {
    let mut notes = Notes::default();
    let mut config = RuntimeConfig {
        schema: runtime_config::SCHEMA,
        name: format!("{}/{}", proxy.namespace, proxy.name),
        listeners: listeners::render(&mut Draft::new(proxy, &mut notes), secrets),
        routes: routes::Routes { resources, secrets }.render(proxy, &mut notes),
        rules: miners::rules(&mut Draft::new(proxy, &mut notes)),
        firmware: miners::firmware(&mut Draft::new(proxy, &mut notes)),
        drain: drain(&mut Draft::new(proxy, &mut notes)),
        observability: observability(&mut Draft::new(proxy, &mut notes)),
    };
    authentication::pools_can_say(&mut Draft::new(proxy, &mut notes), &config);
    config.schema = config.schema_needed();
    notes.finish().map(|explained| Rendered { config, explained })
}

fn drain(draft: &mut Draft<'_, StratumProxySpec>) -> Drain {
    let at = At::new("spec.drain.timeout", "drain.timeoutMs");
    let timeout_ms = draft.millis(&at, &draft.document.spec.drain.timeout);
    Drain { timeout_ms }
}

fn observability(draft: &mut Draft<'_, StratumProxySpec>) -> Observability {
    let wanted = &draft.document.spec.observability;
    let log_level = wanted.log_level.map(|level| {
        let at = At::new("spec.observability.logLevel", "observability.logLevel");
        draft.text(&at, level.as_filter())
    });
    let ratio = wanted.tracing.as_ref().and_then(|tracing| tracing.sampling_ratio.as_deref());
    let tracing_sampling_ratio = ratio.map(|ratio| {
        let at = At::new(
            "spec.observability.tracing.samplingRatio",
            "observability.tracingSamplingRatio",
        );
        draft.text(&at, ratio)
    });
    Observability { log_level, tracing_sampling_ratio }
}

#[cfg(test)]
mod tests;
