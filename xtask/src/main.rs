//! `cargo xtask`: the demo, the tests, seeded bugs, a measurement, the house rules and the generated files, on any machine that has Rust.
//!
//! It starts cargo and the project's own programs, and reads their output. It links nothing of the project, so that it builds
//! in seconds and works when the rest does not.

#![expect(clippy::print_stdout, reason = "talking to the terminal is what this program is for")]

mod bench;
mod bugs;
mod codegen;
mod counts;
mod demo;
mod flamegraph;
mod heap;
mod help;
mod paid;
mod soak;
mod test;
mod tidy;
mod tools;
mod wish;
mod workspace;

use std::env;
use std::process::ExitCode;

/// What a subcommand ends with: an error's text is for the terminal.
type Outcome = Result<ExitCode, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    dispatch(&arguments).unwrap_or_else(|problem| {
        println!("error: {problem}");
        ExitCode::FAILURE
    })
}

fn dispatch(arguments: &[String]) -> Outcome {
    let Some((command, rest)) = arguments.split_first() else {
        println!("{}", help::TEXT);
        return Ok(ExitCode::FAILURE);
    };
    match command.as_str() {
        "bench" => bench::run(rest),
        "bugs" => bugs::run(rest),
        "codegen" => codegen::run(rest),
        "counts" => counts::run(rest),
        "demo" => demo::run(rest),
        "flamegraph" => flamegraph::run(rest),
        "fuzz" => test::fuzz::run(rest),
        "heap" => heap::run(rest),
        "paid" => paid::run(rest),
        "propagation" => test::propagation::run(rest),
        "soak" => soak::run(rest),
        "test" => test::run(rest),
        "tidy" => tidy::run(rest),
        "tools" => tools::run(rest),
        "help" | "--help" | "-h" => {
            println!("{}", help::TEXT);
            Ok(ExitCode::SUCCESS)
        }
        unknown => Err(format!("no subcommand `{unknown}`: `cargo xtask help` lists them")),
    }
}
