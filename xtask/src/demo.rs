//! `cargo xtask demo`: builds the proxy and the practice farm, then becomes the demo.
//!
//! It knows nothing of what the demo does: every argument but `--release` is passed through.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::workspace;
use crate::{Outcome, help};

/// Which cargo profile the programs are built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Profile {
    /// Optimised where it matters for practice work; shares its build with the tests.
    Dev,
    /// As shipped.
    Release,
}

/// The two programs: package, binary. Built apart, since building both at once would unify their features.
const PROGRAMS: [(&str, &str); 2] = [("loka-proxy", "stratum-proxy"), ("loka-farm", "loka-demo")];

/// The documents that the demo runs, relative to the root.
const SAMPLES: &str = "deploy/samples";

/// Runs `cargo xtask demo ARGUMENTS`. Returns only if something could not be started.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (profile, passed) = split(arguments);
    if passed.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{}\nThe demo's own options (it is built first):\n", help::TEXT);
    }
    build(profile)?;
    let directory = workspace::target_directory()?.join(profile.directory());
    let [(_, proxy), (_, demo)] = PROGRAMS;
    let mut command = Command::new(directory.join(demo));
    command.arg("--proxy").arg(directory.join(proxy)).arg("--samples").arg(samples()).args(&passed);
    become_it(command)
}

// === impl Profile ===

impl Profile {
    fn directory(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }
}

fn split(arguments: &[String]) -> (Profile, Vec<String>) {
    let passed: Vec<String> =
        arguments.iter().filter(|argument| *argument != "--release").cloned().collect();
    let profile = if passed.len() == arguments.len() { Profile::Dev } else { Profile::Release };
    (profile, passed)
}

fn build(profile: Profile) -> Result<(), String> {
    for (index, (package, binary)) in PROGRAMS.iter().enumerate() {
        println!(
            "[{}/{}] building {binary} (the first time takes a few minutes, mostly dependencies)",
            index + 1,
            PROGRAMS.len()
        );
        let started = Instant::now();
        workspace::build(package, binary, profile.name())?;
        println!("      {binary} is ready ({:.1} s)", started.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Relative where that names the same directory: the demo prints it.
fn samples() -> PathBuf {
    let here = Path::new(SAMPLES);
    if here.is_dir() { here.to_path_buf() } else { workspace::root().join(SAMPLES) }
}

#[cfg(unix)]
fn become_it(mut command: Command) -> Outcome {
    use std::os::unix::process::CommandExt;
    // Replaces this process, so that Ctrl-C and the exit code are the demo's own.
    let error = command.exec();
    Err(format!("cannot start {}: {error}", command.get_program().to_string_lossy()))
}

#[cfg(not(unix))]
fn become_it(mut command: Command) -> Outcome {
    let status = command.status().map_err(|error| format!("cannot start the demo: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_is_ours_and_everything_else_is_the_demos() {
        let arguments = ["--miners", "5", "--release", "--json"].map(str::to_owned);
        let (profile, passed) = split(&arguments);
        assert_eq!(profile, Profile::Release);
        assert_eq!(passed, ["--miners", "5", "--json"]);
        assert_eq!(split(&passed).0, Profile::Dev);
    }
}
