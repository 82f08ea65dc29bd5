//! The copy of the tree that bugs are put into, with build products of its own.
//!
//! It stays between runs: files that are the same are left as they are, so that cargo builds only what has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::edit::Edit;
use crate::workspace::cargo;

/// What is not copied, at the root: the build products, the history, and what cargo reads from the directories above
/// the copy as well.
const LEFT_OUT: [&str; 3] = ["target", ".git", ".cargo"];

/// A copy of the tree.
#[derive(Debug)]
pub(super) struct Scratch {
    tree: PathBuf,
    build: PathBuf,
    logs: PathBuf,
    programs: PathBuf,
}

/// A file of the copy as it was before an edit.
#[derive(Debug)]
pub(super) struct Former {
    path: PathBuf,
    text: String,
}

// === impl Scratch ===

impl Scratch {
    /// Brings the copy below `directory` up to date with the tree at `root`.
    pub(super) fn prepare(root: &Path, directory: &Path) -> Result<Self, String> {
        let below = |name: &str| directory.join(name);
        let (tree, build, logs) = (below("tree"), below("build"), below("logs"));
        let programs = below("programs");
        make(&logs)?;
        make(&programs)?;
        mirror(root, &tree, &LEFT_OUT)?;
        if !directory.starts_with(root) {
            mirror(&root.join(".cargo"), &tree.join(".cargo"), &[])?;
        }
        Ok(Self { tree, build, logs, programs })
    }

    /// Where the output of the tests goes.
    pub(super) fn logs(&self) -> &Path {
        &self.logs
    }

    /// Where a program is that tests a package, apart from what cargo builds.
    pub(super) fn program(&self, package: &str) -> PathBuf {
        self.programs.join(package)
    }

    /// Where cargo puts a binary.
    pub(super) fn built(&self, binary: &str) -> PathBuf {
        self.build.join("debug").join(format!("{binary}{}", std::env::consts::EXE_SUFFIX))
    }

    /// The directory of a package in the copy.
    pub(super) fn package(&self, package: &str) -> PathBuf {
        self.tree.join(directory_of(package))
    }

    /// Cargo, in the copy.
    pub(super) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = cargo(arguments);
        command.current_dir(&self.tree);
        // Both, since either may be set where we were started; the products of the tree itself must not be touched.
        command.env("CARGO_TARGET_DIR", &self.build).env("CARGO_BUILD_BUILD_DIR", &self.build);
        // Every bug is a build and a moment of tests: what the optimiser takes, it never gives back.
        command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0");
        command
    }

    /// Makes the edits in the copy; gives back what was there, for [`Self::restore`].
    pub(super) fn apply(&self, edits: &[Edit]) -> Result<Vec<Former>, String> {
        let mut former = Vec::new();
        for edit in edits {
            let path = self.tree.join(&edit.path);
            let text = fs::read_to_string(&path).map_err(|error| told(&path, &error))?;
            write(&path, edit.apply(&text)?.as_bytes())?;
            former.push(Former { path, text });
        }
        Ok(former)
    }

    /// Takes the edits back, the last one first: a file may have several.
    pub(super) fn restore(former: &[Former]) -> Result<(), String> {
        former.iter().rev().try_for_each(|Former { path, text }| write(path, text.as_bytes()))
    }
}

/// The directory of a package, from the root.
pub(super) fn directory_of(package: &str) -> &str {
    package.strip_prefix("loka-").unwrap_or(package)
}

/// Makes `to` a copy of the directory `from`, but for `left_out`.
fn mirror(from: &Path, to: &Path, left_out: &[&str]) -> Result<(), String> {
    make(to)?;
    let wanted = names(from)?;
    for gone in names(to)?.into_iter().filter(|name| !wanted.contains(name)) {
        let path = to.join(gone);
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|error| told(&path, &error))?;
    }
    for name in wanted.iter().filter(|name| !left_out.contains(&name.as_str())) {
        let (from, to) = (from.join(name), to.join(name));
        if from.is_dir() { mirror(&from, &to, &[])? } else { copy(&from, &to)? }
    }
    Ok(())
}

fn names(directory: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(directory).map_err(|error| told(directory, &error))?;
    Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// Copies a file, unless the copy is the same already: cargo builds anew what was written.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let bytes = fs::read(from).map_err(|error| told(from, &error))?;
    if fs::read(to).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    write(to, &bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| told(path, &error))
}

fn make(directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|error| told(directory, &error))
}

fn told(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::super::edit::Line;
    use super::*;

    #[test]
    fn a_copy_follows_the_tree_and_takes_edits_back() {
        let base = std::env::temp_dir().join(format!("xtask-scratch-{}", std::process::id()));
        let root = base.join("tree");
        fs::create_dir_all(root.join("a/target")).unwrap();
        fs::create_dir_all(root.join("target")).unwrap();
        fs::create_dir_all(root.join(".cargo")).unwrap();
        fs::write(root.join("a/x.rs"), "one\ntwo\n").unwrap();
        fs::write(root.join("target/big"), "").unwrap();
        let scratch = Scratch::prepare(&root, &base.join("scratch")).unwrap();
        let copied = |path: &str| fs::read_to_string(base.join("scratch/tree").join(path));
        assert_eq!(copied("a/x.rs").unwrap(), "one\ntwo\n");
        assert!(copied("target/big").is_err());
        assert!(base.join("scratch/tree/.cargo").is_dir() && scratch.logs().is_dir());

        let lines = vec![Line::Old("two".into()), Line::New("three".into())];
        let edits = [Edit { path: "a/x.rs".into(), lines }];
        let former = scratch.apply(&edits).unwrap();
        assert_eq!(copied("a/x.rs").unwrap(), "one\nthree\n");
        Scratch::restore(&former).unwrap();
        assert_eq!(copied("a/x.rs").unwrap(), "one\ntwo\n");

        fs::rename(root.join("a/x.rs"), root.join("a/y.rs")).unwrap();
        Scratch::prepare(&root, &base.join("scratch")).unwrap();
        assert!(copied("a/x.rs").is_err() && copied("a/y.rs").is_ok());
        fs::remove_dir_all(base).unwrap();
    }
}
