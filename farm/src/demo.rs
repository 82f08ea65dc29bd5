//! The demo: embedded pools, the proxy as a process, simulated miners, one live view and a page.
//!
//! It owns the order of events. What is shown is a [`snapshot::Snapshot`]; whether all went well is
//! decided in [`gates`]. It knows the proxy by its command line and its admin pages only.

mod args;
mod documents;
mod gates;
mod mill;
mod page;
mod proxy;
mod run;
mod snapshot;
mod tally;
mod view;

use std::process::ExitCode;

use clap::Parser as _;

pub(crate) fn main() -> ExitCode {
    let args = args::Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::from(error)),
    };
    match runtime.block_on(run::run(args)) {
        Ok(gates::Verdict::Passed) => ExitCode::SUCCESS,
        Ok(gates::Verdict::Failed) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

#[expect(clippy::print_stderr, reason = "this is how a program says why it ends")]
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}
