//! Runs the programs of a step, watches them, and shows that they are alive.

use std::fs::{self, File, OpenOptions};
use std::io::{IsTerminal, Write, stdout};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::duration;
use super::steps::Start;
use crate::tools::Variable;
use crate::workspace::display;

/// How often a program is looked at.
const WATCH: Duration = Duration::from_millis(100);

/// How often a line of progress appears where no line can be overwritten.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// A cold build of everything on two cores, and half as much again; what takes longer hangs.
pub(crate) const PROGRAM_TIME_MAX: Duration = Duration::from_mins(40);

/// Signs of a line of progress, so that it fits a narrow terminal.
const PROGRESS_WIDTH: usize = 76;

/// How much of the end of a log is read for a line of progress.
const GLANCE_BYTES: usize = 400;

/// Runs `starts` in order, with these variables too, until one fails. Everything that they print goes to `log`.
pub(super) fn run_all(
    name: &str,
    starts: &[Start],
    variables: &[Variable],
    log: &Path,
) -> Result<(), String> {
    File::create(log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
    for start in starts {
        let mut command = start.command();
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        run(name, &mut command, log, PROGRAM_TIME_MAX)?;
    }
    Ok(())
}

/// Runs one program that is no step, as one: watched, and with signs of life. What it prints is added to `log`.
pub(crate) fn run_alone(name: &str, command: &mut Command, log: &Path) -> Result<(), String> {
    run_within(name, command, log, PROGRAM_TIME_MAX)
}

/// The same, and ended if it takes longer than `time_max`.
pub(crate) fn run_within(
    name: &str,
    command: &mut Command,
    log: &Path,
    time_max: Duration,
) -> Result<(), String> {
    let log_file = OpenOptions::new().create(true).append(true).open(log);
    log_file.map_err(|error| format!("cannot write {}: {error}", log.display()))?;
    run(name, command, log, time_max)
}

/// Appends a remark of ours to `log`.
pub(super) fn note(log: &Path, text: &str) {
    // The log is for reading; the verdict does not depend on it.
    let _unwritable = append(log).and_then(|mut file| writeln!(file, "xtask: {text}"));
}

fn append(log: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).open(log)
}

fn run(name: &str, command: &mut Command, log: &Path, time_max: Duration) -> Result<(), String> {
    let shown = display(command);
    note(log, &format!("running {shown}"));
    let child = spawn(command, log).map_err(|error| format!("cannot run {shown}: {error}"))?;
    let status = watch(name, child, log, time_max)?;
    if status.success() { Ok(()) } else { Err(format!("{shown} ended with {status}")) }
}

fn spawn(command: &mut Command, log: &Path) -> std::io::Result<Child> {
    let (output, errors) = (append(log)?, append(log)?);
    command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn()
}

fn watch(
    name: &str,
    mut child: Child,
    log: &Path,
    time_max: Duration,
) -> Result<ExitStatus, String> {
    let started = Instant::now();
    let terminal = stdout().is_terminal();
    let mut shown_at = started;
    loop {
        if let Some(status) = child.try_wait().map_err(|error| format!("cannot wait: {error}"))? {
            erase(terminal);
            return Ok(status);
        }
        if started.elapsed() > time_max {
            erase(terminal);
            end(&mut child);
            return Err(format!("still running after {}: ended", duration(time_max)));
        }
        let pause = if terminal { Duration::from_secs(1) } else { SIGN_OF_LIFE };
        if shown_at.elapsed() >= pause {
            shown_at = Instant::now();
            show(terminal, &format!("{name}: {}", duration(started.elapsed())), &last_line(log));
        }
        thread::sleep(WATCH);
    }
}

fn show(terminal: bool, what: &str, line: &str) {
    let text: String = format!("{what}  {line}").chars().take(PROGRESS_WIDTH).collect();
    if terminal {
        print!("\r\x1b[2K        {text}");
        // Progress that cannot be shown is no reason to stop.
        let _unshown = stdout().flush();
    } else {
        println!("        … {text}");
    }
}

fn erase(terminal: bool) {
    if terminal {
        print!("\r\x1b[2K");
    }
}

fn last_line(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let start = bytes.len().saturating_sub(GLANCE_BYTES);
    let text = String::from_utf8_lossy(bytes.get(start..).unwrap_or_default());
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

/// Ends a program and what it has started: a cargo that is killed alone would leave its test running.
fn end(child: &mut Child) {
    let mut family = descendants(child.id());
    family.push(child.id());
    for process in family {
        // One that has ended in the meantime cannot be ended, and need not be.
        let _gone = Command::new("kill").args(["-KILL", &process.to_string()]).output();
    }
    let _reaped = child.wait();
}

/// The processes below `process`, where the system tells (Linux).
fn descendants(process: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    for thread in threads {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            found.extend(descendants(child));
            found.push(child);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("xtask-{name}-{}.log", std::process::id()))
    }

    #[test]
    fn output_goes_to_the_log_and_the_first_failure_ends_the_step() {
        let log = log("run");
        let starts = ["echo one; echo two >&2", "exit 3", "echo never"];
        let starts = starts.map(|script| Start::program("sh", &["-c", script]));
        let error = run_all("a", &starts, &[], &log).unwrap_err();
        assert!(error.contains("exit 3") && error.contains("exit status: 3"), "{error}");
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.contains("\none\ntwo\n") && !text.contains("\nnever"), "{text}");
        assert_eq!(last_line(&log), "xtask: running sh -c exit 3");
        fs::remove_file(log).unwrap();
    }

    #[test]
    fn what_a_program_has_started_ends_with_it() {
        let mut command = Command::new("sh");
        let mut child = command.args(["-c", "sleep 600 & wait"]).spawn().unwrap();
        let below = loop {
            let below = descendants(child.id());
            if !below.is_empty() {
                break below;
            }
            thread::yield_now();
        };
        end(&mut child);
        let alive = |process: &u32| {
            let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            !status.is_empty() && !status.contains(") Z ")
        };
        assert!(!below.iter().any(alive), "{below:?}");
    }
}
