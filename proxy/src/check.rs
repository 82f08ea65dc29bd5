//! `stratum-proxy check`: the whole validation, and what the documents mean in words that somebody
//! who pays for the electricity can verify: which miners, which pools in which order, which account
//! is paid.
//!
//! It shows no secret, and opens no socket: whether a pool lets us in is seen when it runs.

mod explain;
mod origins;
mod reaching;
mod routes;
mod rules;
mod units;

use std::io::{self, Write};
use std::path::Path;

use loka_api::allow_list::Refused;
use serde::Serialize;
use serde_json::json;

use crate::args::{Exit, Output};
use loka_ops::environment::Environment;

use crate::config::{Blame, ConfigError, Inputs, Loaded, load, load_allow_list};

/// Checks and tells `out`.
///
/// # Errors
/// Only those of `out`.
pub fn check(
    inputs: &Inputs,
    allow_list: Option<&Path>,
    output: Output,
    environment: &Environment,
    out: &mut dyn Write,
) -> io::Result<Exit> {
    let loaded = inputs
        .read()
        .and_then(|contents| load(inputs, &contents, environment))
        .and_then(|loaded| within(allow_list, loaded));
    match (&loaded, output) {
        (Ok(loaded), Output::Text) => explain::explain(loaded, out)?,
        (Ok(loaded), Output::Json) => print(&as_json(loaded), out)?,
        (Err(error), Output::Text) => problems(error, out)?,
        (Err(error), Output::Json) => {
            print(&json!({ "valid": false, "problems": error.problems }), out)?;
        }
    }
    Ok(match loaded {
        Ok(_) => Exit::Done,
        Err(ConfigError { blame: Blame::Documents, problems: _ }) => Exit::Failed,
        Err(ConfigError { blame: Blame::Files, problems: _ }) => Exit::Usage,
    })
}

/// The same, if the allow-list allows all of it.
fn within(allow_list: Option<&Path>, loaded: Loaded) -> Result<Loaded, ConfigError> {
    let Some(path) = allow_list else { return Ok(loaded) };
    let list = load_allow_list(path)?;
    let refused = list.refused(&loaded.config);
    let mut problems: Vec<_> = refused.iter().map(Refused::problem).collect();
    problems.dedup();
    match problems.is_empty() {
        true => Ok(loaded),
        false => Err(ConfigError { blame: Blame::Documents, problems }),
    }
}

fn problems(error: &ConfigError, out: &mut dyn Write) -> io::Result<()> {
    let count = error.problems.len();
    writeln!(out, "{count} {}:", if count == 1 { "problem" } else { "problems" })?;
    for problem in &error.problems {
        writeln!(out, "\n{problem}")?;
    }
    Ok(())
}

fn as_json(loaded: &Loaded) -> serde_json::Value {
    let Loaded { config, hash, explained, secrets } = loaded;
    let secrets: Vec<_> =
        secrets.iter().map(|(secret, place)| json!({ "secret": secret, "place": place })).collect();
    json!({
        "valid": true,
        "name": config.name,
        "hash": hash,
        "values": explained,
        "secrets": secrets,
    })
}

fn print(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

#[cfg(test)]
mod tests;
