//! The tests on real sockets: their program is built once, without any bug, and the proxy that it starts for each bug.
//!
//! So a bug costs one build, and what peers do and what is expected of the proxy has no part in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::scratch::Scratch;
use crate::test::running::run_within;
use crate::workspace::PROXY_BIN;

/// What is built anew for each bug.
pub(super) const PROXY: &str = "stratum-proxy";

/// The test program, by the name of its target.
const PROGRAM: &str = "it";

/// Builds the test program and puts it where no later build reaches it.
pub(super) fn prepare(scratch: &Scratch, package: &str, time_max: Duration) -> Result<(), String> {
    let log = scratch.logs().join(format!("build-{package}-{PROGRAM}.log"));
    // Its last line of JSON is what counts, and one of an earlier run would be as good.
    let _absent = fs::remove_file(&log);
    let what = ["test", "--package", package, "--test", PROGRAM];
    let how = ["--no-run", "--message-format", "json"];
    let mut command = scratch.cargo(what.into_iter().chain(how));
    let problem = || format!("the tests of {package} do not build: {}", log.display());
    run_within(package, &mut command, &log, time_max).map_err(|_| problem())?;
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
    let built = executable(&text).ok_or_else(problem)?;
    let kept = scratch.program(package);
    // Its permissions are copied as well.
    fs::copy(&built, &kept).map_err(|error| format!("{}: {error}", kept.display()))?;
    Ok(())
}

/// Builds the proxy as it ships, with what is in the copy now. What it says goes to `log`.
pub(super) fn build_proxy(scratch: &Scratch, log: &Path, time_max: Duration) -> Result<(), String> {
    let mut command = scratch.cargo(["build", "--package", "loka-proxy", "--bin", PROXY]);
    run_within(PROXY, &mut command, log, time_max)
}

/// Runs these tests against the proxy that was built last.
pub(super) fn tests(scratch: &Scratch, package: &str, names: &[&str]) -> Command {
    let mut command = Command::new(scratch.program(package));
    // Where cargo would run it.
    command.current_dir(scratch.package(package));
    command.args(names).env(PROXY_BIN, scratch.built(PROXY));
    command
}

/// Where cargo says that the test program is.
fn executable(text: &str) -> Option<PathBuf> {
    text.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_it = message.get("target")?.get("name")? == PROGRAM;
        let executable = message.get("executable")?.as_str()?;
        is_it.then(|| PathBuf::from(executable))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_program_is_where_cargo_says() {
        let text = "xtask: running cargo test\n   Compiling x\n\
            {\"target\":{\"name\":\"loka_tests\"},\"executable\":null}\n\
            {\"target\":{\"name\":\"otelcol\"},\"executable\":\"/b/otelcol\"}\n\
            {\"target\":{\"name\":\"it\"},\"executable\":\"/b/deps/it-1\"}\n\
            {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(text), Some(PathBuf::from("/b/deps/it-1")));
        assert_eq!(executable("error: could not compile\n"), None);
    }

    #[test]
    fn the_tests_are_run_in_their_package_against_the_proxy_of_the_copy() {
        let base = std::env::temp_dir().join(format!("xtask-sockets-{}", std::process::id()));
        fs::create_dir_all(base.join("root/.cargo")).unwrap();
        let scratch = Scratch::prepare(&base.join("root"), &base.join("x")).unwrap();
        let command = tests(&scratch, "loka-tests", &["a", "b"]);
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(command.get_current_dir(), Some(&*base.join("x/tree/tests")));
        let variables: Vec<_> = command.get_envs().collect();
        let proxy = base.join("x/build/debug/stratum-proxy").into_os_string();
        assert_eq!(variables, [("LOKA_PROXY_BIN".as_ref(), Some(&*proxy))]);
        fs::remove_dir_all(base).unwrap();
    }
}
