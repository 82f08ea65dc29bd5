//! `stratum-operator run`: from arguments to a running process, and from a signal to its end.

use std::io::{self, Write as _};

use crate::args::{Exit, RunArgs};

/// Runs the operator until it is told to stop, and says how that ended.
pub fn run(_args: &RunArgs) -> Exit {
    // Standard error may be gone; there is nobody left to tell.
    drop(writeln!(io::stderr(), "error: this build cannot run yet"));
    Exit::Failed
}
