//! The directory that outlives the process, given as `--state`: files that are whole or not there, read up to a bound, and a
//! lock, so that two processes never write to one. Blocking; it decides nothing.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Only the process itself: a snapshot holds passwords, and a ledger names of workers.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// Empty. It stays when its process has gone: whoever removed it could remove that of another.
const LOCK_FILE: &str = "lock";

/// What a file must outlive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlives {
    /// The process, however it ends: what was written is the kernel's by then.
    Process,
    /// The power, too.
    Power,
}

/// The directory is ours until this is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct Lock(
    /// The lock goes with the open file.
    #[expect(dead_code, reason = "held, not read")]
    File,
);

/// Why the directory is not ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOurs {
    /// Another process has it.
    #[error("another process has it")]
    InUse,
    /// It cannot be locked.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A file's text, of at most `bytes_max` bytes.
pub(crate) fn read(path: &Path, bytes_max: usize) -> io::Result<String> {
    let mut text = String::new();
    // One byte more than the limit tells a file at the limit from one beyond it.
    File::open(path)?.take(bytes_max as u64 + 1).read_to_string(&mut text)?;
    if text.len() > bytes_max {
        return Err(io::Error::other(format!("larger than {bytes_max} bytes")));
    }
    Ok(text)
}

/// Replaces the file `name` of `directory`, which is made if need be: whole or not at all.
pub(crate) fn replace(
    directory: &Path,
    name: &str,
    text: &str,
    outlives: Outlives,
) -> io::Result<()> {
    made(directory)?;
    let (path, new) = (directory.join(name), directory.join(format!("{name}.new")));
    // One that a crash left behind may have another mode.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&new)?;
    file.write_all(text.as_bytes())?;
    match outlives {
        Outlives::Process => fs::rename(&new, &path),
        Outlives::Power => {
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(directory)?.sync_all()
        }
    }
}

/// Has `directory`, which is made if need be, for this process alone.
pub(crate) fn lock(directory: &Path) -> Result<Lock, NotOurs> {
    made(directory)?;
    let path = directory.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(FILE_MODE).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(NotOurs::InUse),
        Err(TryLockError::Error(error)) => Err(NotOurs::Io(error)),
    }
}

fn made(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    const NAME: &str = "last-good.json";

    fn empty() -> TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn what_is_kept_is_read_back_and_for_nobody_else() {
        let disk = empty();
        let directory = disk.path().join("state/of/pod");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("last-good.json.new"), "left behind by a crash").unwrap();
        for (text, outlives) in [("first", Outlives::Power), ("second", Outlives::Process)] {
            replace(&directory, NAME, text, outlives).unwrap();
            assert_eq!(read(&directory.join(NAME), 10).unwrap(), text);
        }
        let mode = fs::metadata(directory.join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, FILE_MODE);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left lying about");
    }

    #[test]
    fn a_file_is_read_up_to_a_bound() {
        let disk = empty();
        let path = disk.path().join("big");
        fs::write(&path, "x".repeat(11)).unwrap();
        assert!(read(&path, 10).unwrap_err().to_string().contains("larger than 10 bytes"));
        assert_eq!(read(&path, 11).unwrap().len(), 11);
        let none = read(&disk.path().join("none"), 10).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_place_that_cannot_be_written_to_is_an_error_and_no_panic() {
        let disk = empty();
        let file = disk.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(replace(&file, NAME, "x", Outlives::Power).is_err());
        assert!(matches!(lock(&file), Err(NotOurs::Io(_))));
    }

    #[test]
    fn one_at_a_time_has_a_directory() {
        let disk = empty();
        let directory = disk.path().join("made");
        let first = lock(&directory).unwrap();
        assert!(matches!(lock(&directory), Err(NotOurs::InUse)));
        drop(first);
        lock(&directory).unwrap();
    }
}
