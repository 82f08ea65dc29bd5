//! The `loka-demo` binary: a whole farm on this machine, to be looked at.

#![forbid(unsafe_code)]

mod demo;

use std::process::ExitCode;

fn main() -> ExitCode {
    demo::main()
}
