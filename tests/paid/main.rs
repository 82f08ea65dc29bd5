//! The paid-work experiment: a farm behind the proxy, and the same farm on direct connections, with the same tickets, pools and
//! faults, judged ticket by ticket against an oracle. `cargo xtask paid` runs it; docs/paid-work.md says what it means.
//!
//! A program of its own, not a list of tests: it ends with 1 when a goal or a budget is missed.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an experiment that cannot go on says so, and what it found is for the terminal"
)]

mod documents;
mod options;
mod pods;
mod simulated;
mod sockets;
mod watched;
mod world;

use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use loka_farm::paid::budget::Budgets;
use loka_farm::paid::judgement::{Cause, Judgement, Terms};
use loka_farm::paid::picture;
use loka_farm::paid::plan::{Phase, Plan};
use loka_farm::paid::report::{Report, Results};

use self::options::{Options, ShapeName};
use self::world::{Experiment, LATENCY, STALE_GRACE};

/// Goals and budgets, beside this file.
const BUDGET: &str = include_str!("budget.yaml");

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    };
    match run(&options) {
        Ok(report) if report.missed.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// What timers of a real clock add to the network's latency: they are rounded up to a millisecond, here and in the gateway.
const TIMER_GRAIN: Duration = Duration::from_millis(2);

fn run(options: &Options) -> Result<Report, String> {
    let started = Instant::now();
    let plan = Plan::new(options.shape.shape(), options.seed);
    let phases: Vec<Phase> =
        Phase::ALL.into_iter().filter(|phase| plan.span(*phase).0 > 0).collect();
    let budgets = Budgets::parse(BUDGET).map_err(|error| error.to_string())?;
    let budget = budgets.of(options.shape.name(), &phases).map_err(|error| error.to_string())?;
    let experiment = Experiment { options: options.clone(), plan: plan.clone() };
    println!(
        "{} machines, {:.1} h, seed {}: behind the proxy, and direct",
        options.machines,
        plan.shape.length.as_secs_f64() / 3600.0,
        options.seed
    );
    let [proxied, direct] = match options.shape {
        ShapeName::Day | ShapeName::Short => simulated::run_both(&experiment),
        ShapeName::Sockets => sockets::run_both(&experiment)?,
    };
    let latency = match options.shape {
        ShapeName::Day | ShapeName::Short => LATENCY,
        ShapeName::Sockets => LATENCY + TIMER_GRAIN,
    };
    let terms = Terms { latency, grace: STALE_GRACE };
    let judged = |records: &[_]| Judgement::of(records, &plan, &terms);
    let (proxied, direct) = (judged(&proxied), judged(&direct));
    let results = Results { plan: &plan, proxy: &proxied, direct: &direct, budget };
    let mut report = Report::new(options.shape.name(), options.seed, options.machines, results);
    report.real_seconds = started.elapsed().as_secs_f64();
    println!("{}", report.table());
    tell_examples(&proxied, &plan);
    println!("took {:.1} s", report.real_seconds);
    write(options, &report)?;
    Ok(report)
}

/// The first few tickets that were lost as none may be.
fn tell_examples(judgement: &Judgement, plan: &Plan) {
    for (cause, phase, record) in &judgement.examples {
        let event = plan
            .events
            .iter()
            .find(|event| event.phase == *phase && (event.from..event.until).contains(&record.at));
        let since = event.map_or(0.0, |event| (record.at - event.from).as_secs_f64());
        println!("  {}: {since:.3} s into {}: {record:?}", Cause::label(*cause), phase.label());
    }
}

fn write(options: &Options, report: &Report) -> Result<(), String> {
    let failed = |path: &std::path::Path, error: std::io::Error| {
        format!("cannot write {}: {error}", path.display())
    };
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
        fs::write(path, text + "\n").map_err(|error| failed(path, error))?;
        println!("{}", path.display());
    }
    if let Some(path) = &options.svg {
        fs::write(path, picture::svg(report)).map_err(|error| failed(path, error))?;
        println!("{}", path.display());
    }
    Ok(())
}
