//! The `stratum-proxy` binary: reads the command line and calls what it names.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use loka_ops::environment::Environment;
use loka_proxy::args::{Args, Command, Document, Exit};
use loka_proxy::check::check;
use loka_proxy::config::Inputs;
use loka_proxy::ctl::ctl;
use loka_proxy::hash_password::hash_password;
use loka_proxy::run::run;
use loka_proxy::telemetry::catalogue;

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Run(args) => Ok(run(*args, Environment::read())),
        Command::Check(args) => {
            let inputs = Inputs::from(args.input);
            let list = args.limits.allow_list.as_deref();
            check(&inputs, list, args.output, &Environment::read(), &mut io::stdout().lock())
        }
        Command::HashPassword(args) => {
            let (input, mut out) = (io::stdin().lock(), io::stdout().lock());
            hash_password(&args, input, &mut out, &mut io::stderr().lock())
        }
        Command::Ctl(args) => ctl(&args, &mut io::stdout().lock(), &mut io::stderr().lock()),
        Command::Version => version(),
        Command::Docs { document: Document::Metrics } => print(&catalogue::markdown()),
    };
    // A reader that has gone (`| head`) is no failure of ours.
    done.unwrap_or(Exit::Done).into()
}

fn version() -> io::Result<Exit> {
    print(concat!(env!("CARGO_BIN_NAME"), " ", env!("CARGO_PKG_VERSION"), "\n"))
}

fn print(text: &str) -> io::Result<Exit> {
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Exit::Done)
}
