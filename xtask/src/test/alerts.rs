//! The alert rules on Prometheus's own terms: that it reads them, and that each rings when it must and not when it nearly must.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::{self, Lack};
use crate::workspace::root;

/// The rules of the chart.
pub(crate) const RULES: &str = "charts/loka-stratum/alerts";

/// What each of them is tested with.
pub(crate) const TESTS: &str = "tests/alerts";

/// What promtool says against them.
pub(super) fn problems() -> Result<Vec<String>, String> {
    let promtool = tools::prometheus().map_err(Lack::told)?.join("usr/bin/promtool");
    let mut problems = run(&promtool, &["check", "rules"], RULES)?;
    problems.extend(run(&promtool, &["test", "rules"], TESTS)?);
    Ok(problems)
}

fn run(promtool: &Path, what: &[&str], directory: &str) -> Result<Vec<String>, String> {
    let mut command = Command::new(promtool);
    command.args(what).args(files(directory)?).current_dir(root());
    let cannot = |error| format!("cannot run {}: {error}", promtool.display());
    let output = command.output().map_err(cannot)?;
    if output.status.success() {
        return Ok(Vec::new());
    }
    let said = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&said).lines().map(str::to_owned).collect())
}

/// From the root, in the order of their names.
fn files(directory: &str) -> Result<Vec<PathBuf>, String> {
    let place = root().join(directory);
    let entries = fs::read_dir(&place).map_err(|error| format!("{directory}: {error}"))?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| Path::new(directory).join(entry.file_name())).collect();
    files.sort();
    Ok(files)
}
