//! Reads the files that a run is made of: documents, and Secrets as `DIR/<secret>/<key>`.
//!
//! A directory stands for its `*.yaml`, `*.yml` and `*.json`, not for its sub-directories. Names
//! that begin with a dot are skipped: they are editors' scratch files and the `..data` behind a
//! mounted ConfigMap, whose files are read through their links.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use loka_api::{Problem, Secret};

use super::ConfigError;

/// Documents' files of a run. The largest farm in sight has tens.
const FILES_MAX: usize = 256;

/// Bytes of one file: what an API server takes for one object, and a good deal more than a document
/// needs.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Secret files of a run.
const SECRETS_MAX: usize = 1024;

/// Bytes of one secret.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Where the documents are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Files, and directories of files.
    pub files: Vec<PathBuf>,
    /// Secrets as `DIR/<secret>/<key>`.
    pub secrets_dir: Option<PathBuf>,
    /// Which StratumProxy to run, if there are several.
    pub proxy: Option<String>,
}

/// What the files held when they were read. Two that are equal need not be looked at twice.
/// Documents may be Secrets: `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Name and text of each file of documents.
    pub(super) documents: Vec<(String, String)>,
    /// Secret, then key, then value.
    pub(super) secrets: BTreeMap<String, BTreeMap<String, Secret>>,
}

// === impl Inputs ===

impl Inputs {
    /// Reads everything. Blocks.
    ///
    /// # Errors
    /// Every file that cannot be read, with the remedy.
    pub fn read(&self) -> Result<Contents, ConfigError> {
        let mut problems = Vec::new();
        let documents = read_documents(&self.files, &mut problems);
        let secrets = match &self.secrets_dir {
            Some(dir) => read_secrets(dir, &mut problems),
            None => BTreeMap::new(),
        };
        if problems.is_empty() {
            Ok(Contents { documents, secrets })
        } else {
            Err(ConfigError::files(problems))
        }
    }

    /// The files as given, for messages.
    pub fn origin(&self) -> String {
        self.files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

// === impl Contents ===

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { documents, secrets } = self;
        let documents: Vec<_> = documents.iter().map(|(name, _text)| name).collect();
        f.debug_struct("Contents").field("documents", &documents).field("secrets", secrets).finish()
    }
}

fn read_documents(given: &[PathBuf], problems: &mut Vec<Problem>) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for path in given {
        match document_files(path) {
            Ok(found) => paths.extend(found),
            Err(error) => problems.push(unreadable(path, &error)),
        }
    }
    if paths.len() > FILES_MAX {
        let message = format!("{} files were found, more than {FILES_MAX}", paths.len());
        problems.push(Problem::of(&"the files given", &message, "give the files one by one"));
        return Vec::new();
    }
    let mut documents = Vec::new();
    for path in paths {
        match read_text(&path, FILE_BYTES_MAX) {
            Ok(text) => documents.push((path.display().to_string(), text)),
            Err(error) => problems.push(unreadable(&path, &error)),
        }
    }
    documents
}

/// The file itself, or the documents of the directory in the order of their names.
fn document_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let is_document = |path: &PathBuf| {
        let extension = path.extension().and_then(OsStr::to_str);
        matches!(extension, Some("yaml" | "yml" | "json")) && path.is_file()
    };
    let found: Vec<_> = visible(path)?.into_iter().filter(is_document).collect();
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "holds no .yaml, .yml or .json file"));
    }
    Ok(found)
}

fn read_secrets(
    dir: &Path,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, BTreeMap<String, Secret>> {
    let mut secrets = BTreeMap::<String, BTreeMap<String, Secret>>::new();
    let mut add = |secret: &Path, key: &Path| -> io::Result<()> {
        let value = read_text(key, SECRET_BYTES_MAX)?;
        // A line end at the end is the editor's, not the password's.
        let value = Secret::new(value.trim_end_matches(['\n', '\r']));
        secrets.entry(name_of(secret)).or_default().insert(name_of(key), value);
        Ok(())
    };
    match secret_files(dir) {
        Ok(files) if files.len() > SECRETS_MAX => {
            let message = format!("holds {} secrets, more than {SECRETS_MAX}", files.len());
            let remedy = "give a directory that holds only the Secrets of this proxy";
            problems.push(Problem::of(&dir.display(), &message, remedy));
        }
        Ok(files) => {
            for (secret, key) in &files {
                if let Err(error) = add(secret, key) {
                    problems.push(unreadable(key, &error));
                }
            }
        }
        Err(error) => problems.push(unreadable(dir, &error)),
    }
    secrets
}

fn secret_files(dir: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let mut files = Vec::new();
    for secret in visible(dir)?.into_iter().filter(|path| path.is_dir()) {
        for key in visible(&secret)?.into_iter().filter(|path| path.is_file()) {
            files.push((secret.clone(), key));
        }
    }
    Ok(files)
}

/// The entries of a directory whose names do not begin with a dot, in the order of their names.
fn visible(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if !name_of(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    // One byte more than the limit tells a file at the limit from one beyond it.
    File::open(path)?.take(limit + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::other(format!("larger than {limit} bytes")));
    }
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "let the user that runs the proxy read it",
        io::ErrorKind::InvalidData => "write the file as UTF-8 text",
        _ => "give a file of documents, or a directory of such files",
    };
    Problem::of(&path.display(), &format!("cannot be read: {error}"), remedy)
}

#[cfg(test)]
mod tests;
