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
mod figure;
mod lines;
mod miner;
mod options;
mod pacer;
mod plots;
mod pool;
mod report;
mod scenes;
mod share;
mod socket;
mod subject;
mod tls;

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use self::options::Options;
use self::pool::apart;
use self::report::Played;
use self::scenes::{Round, Scene};
use self::subject::Subject;
use self::tls::Identity;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        if let [apart::ARGUMENT, difficulty] =
            arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
        {
            return runtime.block_on(apart::serve(difficulty));
        }
        let options = Options::parse(arguments.into_iter())?;
        runtime.block_on(run(&options))
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
        return plots::draw(
            &options.draw,
            options.into.as_deref().unwrap_or_else(|| Path::new(".")),
        );
    }
    let subjects = options.subjects()?;
    let identity = Identity::new()?;
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    let scenes: Vec<Scene> = options.scenes().collect();
    for (number, scene) in scenes.iter().enumerate() {
        let of_all = format!("scene {} of {}, {}", number + 1, scenes.len(), scene.name());
        let subjects: Vec<Subject> =
            subjects.iter().copied().filter(|subject| scene.is_for(*subject)).collect();
        let mut played = Played { scene: *scene, rounds: Vec::new() };
        let rounds = options.rounds.unwrap_or_else(|| scene.rounds());
        for number in 1..=rounds {
            let mut round = Round { proxy: &options.proxy, identity: &identity, relayed: None };
            let mut figures = Vec::new();
            for subject in &subjects {
                show(&format!("{of_all}: round {number} of {rounds}, {}", subject.name()));
                match scene.play(&mut round, *subject).await {
                    Ok(some) => figures.push((*subject, some)),
                    Err(problem) => {
                        show("");
                        let problem = format!("{}, {}: {problem}", scene.name(), subject.name());
                        eprintln!("error: {problem}");
                        failed.push(problem);
                    }
                }
            }
            played.rounds.push(report::with_added(&figures));
        }
        show("");
        let new = played.rows();
        print!("{}", report::table(&new));
        rows.extend(new);
    }
    options.json.as_deref().map_or(Ok(()), |path| write(path, &rows))?;
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("{} plays failed, and are missing above: see there", failed.len()))
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
    plots::draw(&[path.to_owned()], path.parent().unwrap_or_else(|| Path::new(".")))
}

fn unix_now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_secs() as u32
}
