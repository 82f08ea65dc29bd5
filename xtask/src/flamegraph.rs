//! `cargo xtask flamegraph`: where the proxy's time goes under a load of the bench, as a picture for a browser.
//!
//! The load is a scene of the bench, ours alone; `perf` looks at the proxy some thousand times a second of its own, and at
//! the kernel where it works for the proxy. Stacks are unwound by the tables that every program has, so that what is looked at is
//! built as it is shipped.

mod picture;
mod stacks;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use self::stacks::Stacks;
use crate::bench::{self, Built};
use crate::tools::{self, Lack};
use crate::workspace::{output_directory, stdout_of};
use crate::{Outcome, help};

const USAGE: &str = "usage: cargo xtask flamegraph [SCENE]";

/// The scene where none is named: 256 miners, each with one share on its way.
const SCENE: &str = "cost, 256 miners, none due";

/// Looks a second, and how much of the stack is kept of each.
const RATE: &str = "4999";
const STACK: &str = "dwarf,16384";

/// The thread of the proxy that miners are served by. Threads that begin once perf looks would not be looked at.
const SERVING: &str = "sessions";

/// Until the bench has started the proxy.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Stacks whose functions have no names are no picture.
const NAMELESS_MAX: f64 = 0.1;

/// Runs `cargo xtask flamegraph ARGUMENTS`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let scene = match arguments {
        [] => SCENE,
        [scene] if !scene.starts_with('-') => scene,
        _ => {
            println!("{USAGE}\n\n{}", help::TEXT);
            return Ok(ExitCode::FAILURE);
        }
    };
    let perf = Perf { root: tools::profiler().map_err(Lack::told)? };
    let built = bench::build_all()?;
    let out = output_directory("flamegraph")?;
    let data = out.join("perf.data");
    perf.record(&built, scene, &data)?;
    println!("unwinding stacks");
    let stacks = Stacks::read(&perf.script(&data)?);
    fs::remove_file(&data).ok();
    if stacks.samples() == 0 {
        return Err(format!("perf saw the proxy do nothing: is `{scene}` a scene of the bench?"));
    }
    let nameless = stacks.nameless() as f64 / stacks.samples() as f64;
    if nameless > NAMELESS_MAX {
        return Err(format!(
            "{:.0} % of the samples are in functions without a name: is the binary stripped?",
            nameless * 100.0
        ));
    }
    let name: String =
        scene.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
    let file = out.join(format!("{}.svg", name.replace("--", "-")));
    let title = format!("stratum-proxy, {scene}: {} samples", stacks.samples());
    fs::write(&file, picture::draw(&title, &stacks.root))
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    stacks.dearest().iter().for_each(|(name, part)| println!("{:>5.1} %  {name}", part * 100.0));
    println!("{}", file.display());
    Ok(ExitCode::SUCCESS)
}

/// The program, below the root of a file system.
struct Perf {
    root: PathBuf,
}

// === impl Perf ===

impl Perf {
    /// Plays the scene and looks at the proxy, from when it is there until it ends.
    fn record(&self, built: &Built, scene: &str, data: &Path) -> Result<(), String> {
        let mut load = built.driver();
        load.args(["--only", scene, "--against", "loka", "--rounds", "1"]);
        let mut load = load.spawn().map_err(|error| format!("cannot start the bench: {error}"))?;
        let recorded = proxy_of(&mut load, &built.proxy).and_then(|proxy| {
            let mut record = self.command();
            // Not cycles: machines of a cloud count none.
            record.args([
                "record",
                "--quiet",
                "-e",
                "cpu-clock",
                "-F",
                RATE,
                "--call-graph",
                STACK,
            ]);
            record.arg("--output").arg(data).args(["--pid", &proxy.to_string()]);
            stdout_of(record).map_err(|error| {
                format!(
                    "{error}\nto let perf look: sysctl kernel.perf_event_paranoid=1, or as root"
                )
            })
        });
        if recorded.is_err() {
            load.kill().ok();
        }
        let status = load.wait().map_err(|error| error.to_string())?;
        recorded?;
        if status.success() { Ok(()) } else { Err("the bench failed: see above".to_owned()) }
    }

    /// Every sample with its stack.
    fn script(&self, data: &Path) -> Result<String, String> {
        let mut script = self.command();
        script.args(["script", "--no-inline", "--fields", "comm,ip,sym,dso", "--input"]).arg(data);
        script.stderr(Stdio::null());
        stdout_of(script)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.root.join("usr/bin/perf"));
        if self.root != Path::new("/") {
            let arch = std::env::consts::ARCH;
            let libraries = self.root.join(format!("usr/lib/{arch}-linux-gnu"));
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }
}

/// The child of the bench that is the proxy.
fn proxy_of(bench: &mut Child, binary: &Path) -> Result<u32, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let is_up = |proxy: &u32| runs(*proxy, binary) && serves(*proxy);
        if let Some(proxy) = children(bench.id()).into_iter().find(is_up) {
            return Ok(proxy);
        }
        if bench.try_wait().is_ok_and(|ended| ended.is_some()) || Instant::now() > deadline {
            return Err("the bench started no proxy: has it such a scene?".to_owned());
        }
        sleep(LOOK_AGAIN);
    }
}

fn children(parent: u32) -> Vec<u32> {
    let file = format!("/proc/{parent}/task/{parent}/children");
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

fn runs(process: u32, binary: &Path) -> bool {
    let exe = fs::read_link(format!("/proc/{process}/exe"));
    exe.is_ok_and(|exe| binary.canonicalize().is_ok_and(|binary| binary == exe))
}

fn serves(process: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{process}/task"));
    threads.into_iter().flatten().flatten().any(|thread| {
        let name = fs::read_to_string(thread.path().join("comm"));
        name.is_ok_and(|name| name.starts_with(SERVING))
    })
}
