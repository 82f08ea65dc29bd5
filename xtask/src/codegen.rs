//! `cargo xtask codegen`: the files that the code writes, and whether the tree holds them as the code says.
//!
//! The generators live with what they describe (`api` for the resources, `proxy` and `operator` for their metrics); here are the list, and what is the chart's own.

mod chart;
mod dashboards;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::Outcome;
use crate::workspace::{self, cargo, stdout_of};

/// A generated file: its path from the root, and its text.
#[derive(Debug)]
struct Generated {
    path: PathBuf,
    text: String,
}

/// Runs `cargo xtask codegen [--check]`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    match arguments {
        [] => write(),
        [only] if only == "--check" => {
            let stale = stale()?;
            for problem in &stale {
                println!("{problem}");
            }
            Ok(if stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        _ => Err("usage: cargo xtask codegen [--check]".to_owned()),
    }
}

/// The generated files that differ from what the code says, each with the remedy.
pub(crate) fn stale() -> Result<Vec<String>, String> {
    let root = workspace::root();
    let generated = generate()?;
    let mut problems: Vec<String> = generated
        .iter()
        .filter_map(|file| {
            // Unreadable and missing are the same here: not what the code says.
            let present = fs::read_to_string(root.join(&file.path)).unwrap_or_default();
            difference(&present, &file.text).map(|line| stale_text(&file.path, line))
        })
        .collect();
    problems.extend(orphans(&root, &generated)?);
    Ok(problems)
}

fn write() -> Outcome {
    let root = workspace::root();
    for file in generate()? {
        let path = root.join(&file.path);
        if fs::read_to_string(&path).is_ok_and(|present| present == file.text) {
            println!("unchanged  {}", file.path.display());
            continue;
        }
        fs::write(&path, &file.text)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        println!("written    {}", file.path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn generate() -> Result<Vec<Generated>, String> {
    let mut files = resources()?;
    let templates: Result<Vec<Generated>, String> = files.iter().map(template).collect();
    files.extend(templates?);
    let values = workspace::root().join(chart::VALUES);
    let values = fs::read_to_string(&values).map_err(|error| cannot("read", &values, &error))?;
    files.push(Generated { path: PathBuf::from(chart::TABLE), text: chart::table(&values) });
    files.extend(dashboards::files()?);
    files.push(metrics("loka-proxy", "stratum-proxy", "docs/metrics.md")?);
    files.push(metrics("loka-operator", "stratum-operator", "docs/operator-metrics.md")?);
    Ok(files)
}

/// The metrics of one of the binaries, as it prints them itself.
fn metrics(package: &str, binary: &str, path: &str) -> Result<Generated, String> {
    let run = ["run", "--quiet", "--package", package, "--bin", binary, "--", "docs", "metrics"];
    Ok(Generated { path: PathBuf::from(path), text: stdout_of(cargo(run))? })
}

/// The custom resources, by way of a directory: only the generator knows how many files there are.
fn resources() -> Result<Vec<Generated>, String> {
    let directory = workspace::target_directory()?.join("xtask-codegen/crds");
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(|error| cannot("empty", &directory, &error))?;
    }
    fs::create_dir_all(&directory).map_err(|error| cannot("make", &directory, &error))?;
    let generator = ["run", "--quiet", "--package", "loka-api", "--features", "crd", "--bin"];
    let mut command = cargo(generator.into_iter().chain(["crdgen", "--"]));
    command.arg(&directory);
    stdout_of(command)?;
    let mut files = Vec::new();
    for name in file_names(&directory)? {
        let text = fs::read_to_string(directory.join(&name))
            .map_err(|error| cannot("read", &directory.join(&name), &error))?;
        files.push(Generated { path: Path::new("crds").join(name), text });
    }
    Ok(files)
}

/// The chart's copy of a definition.
fn template(definition: &Generated) -> Result<Generated, String> {
    let Generated { path, text } = definition;
    let path = Path::new(chart::TEMPLATES).join(path.file_name().unwrap_or_default());
    Ok(Generated { path, text: chart::template(text)? })
}

/// Files of definitions and dashboards that nothing generates any more.
fn orphans(root: &Path, generated: &[Generated]) -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    for directory in ["crds", chart::TEMPLATES, dashboards::DIRECTORY] {
        let names = file_names(&root.join(directory))?;
        let paths = names.iter().map(|name| Path::new(directory).join(name));
        let lost = paths.filter(|path| generated.iter().all(|file| &file.path != path));
        let said = |path: PathBuf| format!("{}: nothing generates it; delete it", path.display());
        problems.extend(lost.map(said));
    }
    Ok(problems)
}

fn file_names(directory: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(directory).map_err(|error| cannot("list", directory, &error))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// The first line, counted from one, in which the texts differ.
fn difference(present: &str, wanted: &str) -> Option<usize> {
    if present == wanted {
        return None;
    }
    let same = present.lines().zip(wanted.lines()).take_while(|(left, right)| left == right);
    Some(same.count() + 1)
}

fn stale_text(path: &Path, line: usize) -> String {
    format!(
        "{}:{line}: not what the code says from this line on; run `cargo xtask codegen`",
        path.display()
    )
}

fn cannot(verb: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {verb} {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_do_not_differ() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
    }

    #[test]
    fn the_first_differing_line_is_named() {
        assert_eq!(difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(difference("", "a\n"), Some(1));
        assert_eq!(difference("a", "a\n"), Some(2));
    }
}
