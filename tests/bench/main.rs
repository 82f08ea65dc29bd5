//! `cargo xtask bench`: the proxy beside blind relays and beside no proxy at all, in one run, in turn.
//!
//! The driver (pool and miners) is this program, on a core of its own; whatever is measured has the other. docs/performance.md
//! says what the figures mean.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement looks at clocks, says what it found on the terminal, and ends where it cannot go on"
)]

mod adapters;
mod cpu;
mod farm;
mod lines;
mod miner;
mod options;
mod plots;
mod pool;
mod report;
mod scenes;
mod share;
mod subject;

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use self::options::Options;
use self::report::Played;

fn main() -> ExitCode {
    let done = Options::parse(std::env::args().skip(1)).and_then(|options| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| error.to_string())?.block_on(run(&options))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), String> {
    if !options.draw.is_empty() {
        return plots::draw(&options.draw, options.into.as_deref().unwrap_or(Path::new(".")));
    }
    let subjects = options.subjects()?;
    let mut rows = Vec::new();
    for scene in options.scenes() {
        if cpu::descriptors().is_some_and(|most| most < scene.descriptors()) {
            let needs = scene.descriptors();
            println!("\n{}: not run, it needs {needs} descriptors (ulimit -n)", scene.name());
            continue;
        }
        let mut played = Played { scene: scene.keys(), rounds: Vec::new() };
        for round in 0..options.rounds {
            let mut figures = Vec::new();
            for subject in &subjects {
                let (name, rounds) = (scene.name(), options.rounds);
                show(&format!("{name}: round {} of {rounds}, {}", round + 1, subject.name()));
                figures.push((*subject, scene.play(&options.proxy, *subject).await?));
            }
            played.rounds.push(figures);
        }
        show("");
        let new = played.rows();
        print!("{}", report::table(&new));
        rows.extend(new);
    }
    options.json.as_deref().map_or(Ok(()), |path| write(path, &rows))
}

/// What is being done, on a line of its own that the next takes the place of; nothing where nobody looks.
fn show(text: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}

fn write(path: &Path, rows: &[report::Row]) -> Result<(), String> {
    let text = serde_json::to_string_pretty(rows).map_err(|error| error.to_string())?;
    std::fs::write(path, text + "\n")
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("\n{}", path.display());
    plots::draw(&[path.to_owned()], path.parent().unwrap_or(Path::new(".")))
}

fn unix_now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_secs() as u32
}
