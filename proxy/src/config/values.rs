//! The checks that need the protocol core: the contract knows the form of a difficulty or an
//! extranonce layout, the core knows what can be computed with. Tests hold the two
//! against each other. The same goes for certificates, which only this process can look into.

use loka_api::Problem;
use loka_api::runtime_config::{
    Authentication, ExtranonceLayout, FirmwareProfile, Listener, Pool, RuntimeConfig, SCHEMA,
};
use loka_stratum::difficulty::Difficulty;
use loka_stratum::extranonce::Layout;
use loka_stratum::firmware::Profiles;

use crate::clock::Clock;
use crate::tls::pool::PoolTerms;
use crate::tls::{Terms, TlsError};

const DIFFICULTY_REMEDY: &str = "give a positive number below 2^64, such as 8192 or 0.5";

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
        problems.extend(hook(listener, index, document));
    }
    for index in 0..config.rules.len() {
        problems.extend(rule(config, index, document));
    }
    for (index, profile) in config.firmware.iter().enumerate() {
        problems.extend(firmware(profile, index, document));
    }
    for (index, route) in config.routes.iter().enumerate() {
        if let Some(layout) = &route.extranonce {
            problems.extend(extranonce(layout, index, document));
        }
        problems.extend(route.pools.iter().filter_map(pool));
    }
    // The endpoints of a pool, and routes that share one, have the same.
    problems.dedup();
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
        let path = format!("spec.listeners[{index}].difficulty.{field}");
        let value = serde_json::Value::String(text.clone());
        let problem = Problem::of(document, &error.to_string(), DIFFICULTY_REMEDY);
        Some(problem.at(&path).with_value(&value))
    };
    fields.into_iter().filter_map(wrong).collect()
}

/// A rule that names what is not there would match nobody, or send miners nowhere.
fn rule(config: &RuntimeConfig, index: usize, document: &impl ToString) -> Vec<Problem> {
    let Some(rule) = config.rules.get(index) else { return Vec::new() };
    let wrong = |field: String, value: &str, message: &str, remedy: &str| {
        let path = format!("spec.rules[{index}].{field}");
        let value = serde_json::Value::String(value.to_owned());
        Problem::of(document, message, remedy).at(&path).with_value(&value)
    };
    let mut problems = Vec::new();
    if !config.routes.iter().any(|route| route.name == rule.route) {
        let (field, remedy) = ("routeRef.name".to_owned(), "name one of spec.routes");
        problems.push(wrong(field, &rule.route, "there is no such route", remedy));
    }
    let shipped = Profiles::shipped();
    for (place, name) in rule.firmware.iter().enumerate() {
        let is_own = config.firmware.iter().any(|profile| profile.name == *name);
        if !is_own && !shipped.names().any(|shipped| **shipped == **name) {
            let known: Vec<_> = shipped.names().map(|name| &**name).collect();
            let remedy = format!("name one of spec.firmware, or one of {}", known.join(", "));
            let field = format!("firmware[{place}]");
            problems.push(wrong(field, name, "there is no such firmware profile", &remedy));
        }
    }
    problems
}

fn firmware(profile: &FirmwareProfile, index: usize, document: &impl ToString) -> Vec<Problem> {
    let fields = [
        ("minDifficulty", &profile.min_difficulty),
        ("initialDifficulty", &profile.initial_difficulty),
    ];
    let wrong = |(field, text): (&str, &Option<String>)| {
        let text = text.as_ref()?;
        let error = Difficulty::parse(text).err()?;
        let path = format!("spec.firmware[{index}].{field}");
        let value = serde_json::Value::String(text.clone());
        let problem = Problem::of(document, &error.to_string(), DIFFICULTY_REMEDY);
        Some(problem.at(&path).with_value(&value))
    };
    fields.into_iter().filter_map(wrong).collect()
}

fn certificate(listener: &Listener, index: usize, document: &impl ToString) -> Option<Problem> {
    let error = Terms::new(listener.tls.as_ref()?).err()?;
    let path = format!("spec.listeners[{index}].tls.secretRef");
    Some(Problem::of(document, &error.to_string(), error.remedy()).at(&path))
}

/// Certificates that a web hook is checked by.
fn hook(listener: &Listener, index: usize, document: &impl ToString) -> Option<Problem> {
    let Some(Authentication::Webhook(hook)) = &listener.authentication else { return None };
    let ca_pem = hook.tls.as_ref()?.ca_pem.as_ref();
    // Nothing is looked at by the clock here.
    let error = PoolTerms::of_server(ca_pem, Clock::System).err()?;
    let path = format!("spec.listeners[{index}].authentication.webhook.caSecretRef");
    Some(Problem::of(document, &error.to_string(), error.remedy()).at(&path))
}

/// Named as the StratumPool that it is of: its document is not the one that is looked at.
fn pool(pool: &Pool) -> Option<Problem> {
    // Nothing is looked at by the clock here.
    let error = PoolTerms::new(pool.tls.as_ref()?, Clock::System).err()?;
    let field = match error {
        TlsError::Authorities(_) | TlsError::ManyAuthorities | TlsError::NoAuthority => {
            "caSecretRef"
        }
        TlsError::Certificate(_)
        | TlsError::Key
        | TlsError::LongChain
        | TlsError::Mismatch
        | TlsError::NoCertificate
        | TlsError::NoKey => "clientCertificateSecretRef",
        TlsError::Pin => "pins",
        TlsError::ServerName => "serverName",
    };
    let name = pool.name.split('/').next().unwrap_or_default();
    let problem = Problem::of(&format!("StratumPool/{name}"), &error.to_string(), error.remedy());
    Some(problem.at(&format!("spec.tls.{field}")))
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
