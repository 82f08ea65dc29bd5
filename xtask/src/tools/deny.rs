//! cargo-deny, which no toolchain brings: compiled once from a pinned version, into the cache.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Lack, Variable, Way, cache};
use crate::test::running;
use crate::test::setup::missing;
use crate::workspace::{cargo, stdout_of};

const VERSION: &str = "0.20.2";

/// It reads some files and ends: what makes it slow to compile is of no use.
const PROFILE: [&str; 4] = [
    "profile.release.codegen-units=16",
    "profile.release.debug=false",
    "profile.release.lto=\"off\"",
    "profile.release.opt-level=1",
];

/// Where it is, as a search path for programs: cargo finds its subcommands there.
pub(crate) fn provide() -> Result<Vec<Variable>, Lack> {
    if is_there(&[]) {
        return Ok(Vec::new());
    }
    let compiler = stdout_of(rustc()).map_err(Lack::Broken)?;
    let mut texts = vec![format!("cargo-deny {VERSION}"), compiler];
    texts.extend(PROFILE.map(str::to_owned));
    let directory = cache::provide("cargo-deny", &cache::key(&texts)?, Way::Build, install)?;
    let before = env::var_os("PATH").unwrap_or_default();
    let paths = [directory.join("bin")].into_iter().chain(env::split_paths(&before));
    let joined = env::join_paths(paths).map_err(|error| Lack::Broken(error.to_string()))?;
    Ok(vec![("PATH", joined.to_string_lossy().into_owned())])
}

/// The same, and the database of advisories, which is not of this project and changes daily.
pub(crate) fn provide_advisories() -> Result<Vec<Variable>, Lack> {
    let variables = provide()?;
    let mut fetch = cargo(["deny", "fetch", "db"]);
    fetch.envs(variables.iter().map(|(name, value)| (name, value)));
    match fetch.output() {
        Ok(output) if output.status.success() => Ok(variables),
        Ok(_) | Err(_) => Err(Lack::Missing(missing(
            "the database of advisories cannot be reached",
            "connect this machine to github.com/RustSec/advisory-db",
        ))),
    }
}

fn is_there(variables: &[Variable]) -> bool {
    let mut command = cargo(["deny", "--version"]);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.output().is_ok_and(|output| output.status.success())
}

fn install(unfinished: &Path) -> Result<(), Lack> {
    println!("        compiling cargo-deny {VERSION}, once: about 2 min on two cores");
    let log = unfinished.with_extension("log");
    let build = unfinished.join("build");
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Outside of the tree, whose settings are for the tree; and not with what was set for it.
    command.current_dir(unfinished).env_remove("RUSTFLAGS").env_remove("CARGO_BUILD_BUILD_DIR");
    command.args(["install", "cargo-deny", "--locked", "--version", VERSION, "--root", "."]);
    command.arg("--target-dir").arg(&build);
    command.args(PROFILE.iter().flat_map(|setting| ["--config", *setting]));
    running::run_alone("cargo-deny", &mut command, &log).map_err(|error| {
        let why = format!("cargo-deny cannot be had ({error}; see {})", log.display());
        Lack::Missing(missing(&why, "`cargo install --locked cargo-deny`"))
    })?;
    fs::remove_dir_all(&build).map_err(|error| cache::unusable(&build, &error))
}

fn rustc() -> Command {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.arg("-vV");
    command
}
