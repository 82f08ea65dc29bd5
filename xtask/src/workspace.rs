//! Where the workspace and its build products are, and how cargo is called.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages of the workspace, in the order in which a failure of one explains those after it.
pub(crate) const PACKAGES: [&str; 8] = [
    "xtask",
    "loka-stratum",
    "loka-api",
    "loka-farm",
    "loka-ops",
    "loka-proxy",
    "loka-operator",
    "loka-tests",
];

/// By which programs that start the proxy are told where it is.
pub(crate) const PROXY_BIN: &str = "LOKA_PROXY_BIN";

/// The profile of what measures: as fast as what is shipped, and built in a fraction of the time.
pub(crate) const OPTIMISED: &str = "paid";

/// The directory of the root manifest.
pub(crate) fn root() -> PathBuf {
    // Cargo sets it for `cargo run` and `cargo test`; the path at compile time serves a binary started by hand.
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Cargo, in the root of the workspace.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    // Set by the `cargo run` that started us, and would mislead the programs that we start.
    command.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_PKG_NAME");
    command
}

/// Builds a program by itself: built together with others, it would have features that it does not ship with.
pub(crate) fn build(package: &str, binary: &str, profile: &str) -> Result<(), String> {
    let arguments = ["build", "--profile", profile, "--package", package, "--bin", binary];
    match cargo(arguments).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("{binary} does not build: see above")),
        Err(error) => Err(format!("cannot start cargo: {error}")),
    }
}

/// Where cargo puts what it builds: honours `CARGO_TARGET_DIR` and every configuration file.
pub(crate) fn target_directory() -> Result<PathBuf, String> {
    let text = stdout_of(cargo(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| format!("`cargo metadata` printed no JSON: {error}"))?;
    metadata
        .get("target_directory")
        .and_then(serde_json::Value::as_str)
        .map(PathBuf::from)
        .ok_or_else(|| "`cargo metadata` names no target_directory".to_owned())
}

/// A directory for what a command writes, below [`target_directory`]; made if it is not there.
pub(crate) fn output_directory(name: &str) -> Result<PathBuf, String> {
    let directory = target_directory()?.join(name);
    let made = fs::create_dir_all(&directory);
    made.map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
    Ok(directory)
}

/// The target that this machine builds for.
pub(crate) fn host() -> String {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.arg("-vV").current_dir(root());
    let text = stdout_of(rustc).unwrap_or_default();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    // Where there is no rustc nothing will build, and that says why.
    host.map_or_else(|| format!("{}-unknown-linux-gnu", env::consts::ARCH), str::to_owned)
}

/// What `command` prints; its errors go into ours.
pub(crate) fn stdout_of(mut command: Command) -> Result<String, String> {
    let shown = display(&command);
    let output = command.output().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{shown}` failed ({}):\n{}", output.status, errors.trim_end()))
}

/// Whether `program` can be started with `arguments` and succeeds: how optional tools are found.
pub(crate) fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// The command as one would type it.
pub(crate) fn display(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}
