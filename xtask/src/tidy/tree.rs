//! The files of the project as text, read once. It knows no rule.

use std::fs;
use std::path::Path;

use super::source::Source;

/// Directories that hold nothing of ours.
const SKIPPED: [&str; 2] = ["target", ".git"];

/// A text file.
#[derive(Debug)]
pub(super) struct File {
    /// From the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

/// Every file of the project.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// All text files, the Rust ones among them.
    pub(super) files: Vec<File>,
    pub(super) sources: Vec<Source>,
    /// All files, those that are no text among them.
    pub(super) paths: Vec<String>,
}

// === impl Tree ===

impl Tree {
    /// Reads the tree at `root`.
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let mut paths = Vec::new();
        walk(root, "", &mut paths)?;
        paths.sort();
        let mut files = Vec::new();
        for path in &paths {
            let bytes = fs::read(root.join(path)).map_err(|error| format!("{path}: {error}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push((path.clone(), text));
            }
        }
        let mut tree = Self::of(files);
        tree.paths = paths;
        Ok(tree)
    }

    fn of(files: Vec<(String, String)>) -> Self {
        let paths = files.iter().map(|(path, _)| path.clone()).collect();
        let files: Vec<File> = files.into_iter().map(|(path, text)| File { path, text }).collect();
        let rust = files.iter().filter(|file| file.path.ends_with(".rs"));
        let sources = rust.map(|file| Source::new(&file.path, &file.text)).collect();
        Self { files, sources, paths }
    }

    /// A tree for tests of rules.
    #[cfg(test)]
    pub(super) fn sample(files: &[(&str, &str)]) -> Self {
        Self::of(files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect())
    }

    /// Whether there is a file or a directory at `path`.
    pub(super) fn holds(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let directory = format!("{path}/");
        path.is_empty()
            || self.paths.iter().any(|known| known == path || known.starts_with(&directory))
    }
}

fn walk(root: &Path, below: &str, paths: &mut Vec<String>) -> Result<(), String> {
    let directory = root.join(below);
    let entries = fs::read_dir(&directory)
        .map_err(|error| format!("cannot list {}: {error}", directory.display()))?;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_file() {
            paths.push(path);
        } else if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            walk(root, &path, paths)?;
        }
    }
    Ok(())
}
