//! Snapshots on disk: the mounted one, which the kubelet swaps, and the last known good one, which
//! this process keeps for its next start. Blocking; it decides nothing.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The last known good snapshot, in the directory that is given as `--state`.
pub(super) const LAST_GOOD_FILE: &str = "last-good.json";

/// Bytes of a snapshot: four times what an API server takes for the Secret that carries it.
pub(super) const SNAPSHOT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Only the process itself: a snapshot holds passwords.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// The text of a snapshot.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One byte more than the limit tells a file at the limit from one beyond it.
    File::open(path)?.take(SNAPSHOT_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    if text.len() > SNAPSHOT_BYTES_MAX {
        return Err(io::Error::other(format!("larger than {SNAPSHOT_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// Keeps the last known good snapshot: whole or not at all, whenever the power goes.
pub(super) fn keep(directory: &Path, text: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
    let path = directory.join(LAST_GOOD_FILE);
    let new = path.with_extension("json.new");
    // One that a crash left behind may have another mode.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::fixture::OnDisk;

    #[test]
    fn what_is_kept_is_read_back_and_for_nobody_else() {
        let disk = OnDisk::empty();
        let directory = disk.path("state/of/pod");
        disk.write("state/of/pod/last-good.json.new", "left behind by a crash");
        for text in ["first", "second"] {
            keep(&directory, text).unwrap();
            assert_eq!(read(&directory.join(LAST_GOOD_FILE)).unwrap(), text);
        }
        let mode = fs::metadata(directory.join(LAST_GOOD_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, FILE_MODE);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left lying about");
    }

    #[test]
    fn a_snapshot_is_read_up_to_a_bound() {
        let disk = OnDisk::empty();
        disk.write("big", "x".repeat(SNAPSHOT_BYTES_MAX + 1));
        assert!(read(&disk.path("big")).unwrap_err().to_string().contains("larger than"));
        assert_eq!(read(&disk.path("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_place_that_cannot_be_written_to_is_an_error_and_no_panic() {
        let disk = OnDisk::empty();
        disk.write("file", "");
        assert!(keep(&disk.path("file"), "x").is_err());
    }
}
