//! The checks that need the protocol core: the contract knows the form of a difficulty or an
//! extranonce layout, the core knows what can be computed with. Tests hold the two
//! against each other. The same goes for a listener's certificate, which only this process can look into.

use loka_api::Problem;
use loka_api::runtime_config::{ExtranonceLayout, Listener, RuntimeConfig, SCHEMA};
use loka_stratum::difficulty::Difficulty;
use loka_stratum::extranonce::Layout;

use crate::tls::Terms;

/// What the core cannot work with; empty if all is well. A snapshot comes past no other check: its references are looked
/// at as well. `document` is where it came from, for the messages.
pub(crate) fn check(config: &RuntimeConfig, document: &impl ToString) -> Vec<Problem> {
    let mut problems = Vec::new();
    if config.schema > SCHEMA {
        let message = format!("has schema {}, and this proxy knows {SCHEMA}", config.schema);
        problems.push(Problem::of(document, &message, "run a newer stratum-proxy"));
    }
    for (index, listener) in config.listeners.iter().enumerate() {
        problems.extend(difficulties(listener, index, document));
        problems.extend(references(config, index, listener, document));
        problems.extend(certificate(listener, index, document));
    }
    for (index, route) in config.routes.iter().enumerate() {
        if let Some(layout) = &route.extranonce {
            problems.extend(extranonce(layout, index, document));
        }
    }
    problems
}

fn references(
    config: &RuntimeConfig,
    index: usize,
    listener: &Listener,
    document: &impl ToString,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |field: &str, message: String, remedy: &str| {
        let path = format!("spec.listeners[{index}].{field}");
        problems.push(Problem::of(document, &message, remedy).at(&path));
    };
    if !config.routes.iter().any(|route| route.name == listener.route) {
        wrong(
            "routeRef",
            format!("there is no route {}", listener.route),
            "name one of spec.routes",
        );
    }
    let mut before = config.listeners.iter().take(index);
    if let Some(other) =
        before.find(|other| other.port == listener.port || other.name == listener.name)
    {
        let message = format!("listener {} has this port or this name already", other.name);
        wrong("port", message, "give each listener a name and a port of its own");
    }
    problems
}

fn difficulties(listener: &Listener, index: usize, document: &impl ToString) -> Vec<Problem> {
    let range = &listener.difficulty;
    let fields = [("initial", &range.initial), ("min", &range.min), ("max", &range.max)];
    let wrong = |(field, text): (&str, &String)| {
        let error = Difficulty::parse(text).err()?;
        let remedy = "give a positive number below 2^64, such as 8192 or 0.5";
        let path = format!("spec.listeners[{index}].difficulty.{field}");
        let value = serde_json::Value::String(text.clone());
        Some(Problem::of(document, &error.to_string(), remedy).at(&path).with_value(&value))
    };
    fields.into_iter().filter_map(wrong).collect()
}

fn certificate(listener: &Listener, index: usize, document: &impl ToString) -> Option<Problem> {
    let error = Terms::new(listener.tls.as_ref()?).err()?;
    let path = format!("spec.listeners[{index}].tls.secretRef");
    Some(Problem::of(document, &error.to_string(), error.remedy()).at(&path))
}

fn extranonce(
    wanted: &ExtranonceLayout,
    index: usize,
    document: &impl ToString,
) -> Option<Problem> {
    let ExtranonceLayout { id_bytes, miner_bytes } = *wanted;
    if Layout::new(id_bytes, miner_bytes).is_some() {
        return None;
    }
    let message = format!("{id_bytes} id bytes and {miner_bytes} miner bytes are no layout");
    let remedy = "leave it out, or give 1 to 4 id bytes and 2 to 8 miner bytes";
    let path = format!("spec.routes[{index}].extranonce");
    Some(Problem::of(document, &message, remedy).at(&path))
}

#[cfg(test)]
mod tests;
