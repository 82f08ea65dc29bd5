//! Lines into a file that is begun anew before it is too large, or to standard output. Blocking; it decides nothing.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Only the process itself: names of workers and addresses are nobody else's business.
const FILE_MODE: u32 = 0o600;

/// Where lines go.
#[derive(Debug)]
pub(super) struct Sink {
    place: Place,
    /// The last write ended within a line, and what is there cannot be taken back.
    torn: bool,
}

#[derive(Debug)]
enum Place {
    File(Rotating),
    Stdout,
}

#[derive(Debug)]
struct Rotating {
    path: PathBuf,
    bytes_max: u64,
    files: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Device and inode: whether it is still the one of this path.
    identity: (u64, u64),
    bytes: u64,
}

// === impl Sink ===

impl Sink {
    pub(super) fn stdout() -> Self {
        Self { place: Place::Stdout, torn: false }
    }

    pub(super) fn file(path: PathBuf, bytes_max: u64, files: u32) -> Self {
        let rotating = Rotating { path, bytes_max, files, open: None };
        Self { place: Place::File(rotating), torn: false }
    }

    /// Appends lines, each whole or not at all: how many, and why not the rest.
    pub(super) fn append(&mut self, lines: &[String]) -> (usize, io::Result<()>) {
        let mut written = 0;
        while let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) {
            match self.append_some(rest) {
                Ok(some) => written += some,
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }

    /// As many as one file has room for, at least one.
    fn append_some(&mut self, lines: &[String]) -> io::Result<usize> {
        let torn = match self.torn {
            true => "\n",
            false => "",
        };
        match &mut self.place {
            Place::Stdout => {
                let text = torn.to_owned() + &lines.concat();
                self.torn = true;
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes()).and_then(|()| out.flush())?;
                self.torn = false;
                Ok(lines.len())
            }
            Place::File(rotating) => {
                let (count, text) = rotating.room_for(lines)?;
                let appended = rotating.append(&(torn.to_owned() + &text));
                self.torn = matches!(appended, Err(NotAppended { is_torn: true, .. }));
                appended.map(|()| count).map_err(|NotAppended { source, is_torn: _ }| source)
            }
        }
    }
}

/// Nothing was appended, or what was could not be taken back.
struct NotAppended {
    source: io::Error,
    is_torn: bool,
}

// === impl Rotating ===

impl Rotating {
    /// The lines that the file is to have next, in a file that has room for them.
    fn room_for(&mut self, lines: &[String]) -> io::Result<(usize, String)> {
        let bytes_max = self.bytes_max;
        let used = self.current()?.bytes;
        let first = lines.first().map_or(0, String::len) as u64;
        let used = match used > 0 && used + first > bytes_max {
            true => {
                self.rotate()?;
                0
            }
            false => used,
        };
        let mut text = String::new();
        let fits = lines.iter().take_while(|line| {
            let is_first = text.is_empty();
            let fits = used + (text.len() + line.len()) as u64 <= bytes_max;
            // A line that is longer than any file may be has one of its own.
            if fits || is_first {
                text.push_str(line);
            }
            fits || is_first
        });
        Ok((fits.count(), text))
    }

    /// The file of this path: another one if somebody has renamed or removed the one that was written to.
    fn current(&mut self) -> io::Result<&mut Open> {
        let identity = fs::metadata(&self.path).ok().as_ref().map(identity);
        let is_current = self.open.as_ref().is_some_and(|open| identity == Some(open.identity));
        if !is_current {
            self.open = None;
        }
        match &mut self.open {
            Some(open) => Ok(open),
            none => Ok(none.insert(Open::at(&self.path)?)),
        }
    }

    fn append(&mut self, text: &str) -> Result<(), NotAppended> {
        let open = self.current().map_err(|source| NotAppended { source, is_torn: false })?;
        match open.file.write_all(text.as_bytes()).and_then(|()| sync(&open.file)) {
            Ok(()) => {
                open.bytes += text.len() as u64;
                Ok(())
            }
            Err(source) => {
                // A disk that is full has taken a part of it.
                let is_torn = open.file.set_len(open.bytes).is_err();
                self.open = None;
                Err(NotAppended { source, is_torn })
            }
        }
    }

    /// `FILE` becomes `FILE.1`, that `FILE.2`, and the last one goes.
    fn rotate(&mut self) -> io::Result<()> {
        self.open = None;
        for number in (1..self.files).rev() {
            renamed(&self.former(number), &self.former(number + 1))?;
        }
        renamed(&self.path, &self.former(1))?;
        self.open = Some(Open::at(&self.path)?);
        Ok(())
    }

    fn former(&self, number: u32) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }
}

fn renamed(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

// === impl Open ===

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(FILE_MODE).open(path)?;
        let metadata = file.metadata()?;
        let mut bytes = metadata.len();
        if bytes > 0 && !ends_a_line(&mut file)? {
            // A process that was killed, or the power: what follows is a line of its own.
            file.write_all(b"\n")?;
            bytes += 1;
        }
        Ok(Self { file, identity: identity(&metadata), bytes })
    }
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// A device or a pipe that is given as the file has nothing to be synced.
fn sync(file: &File) -> io::Result<()> {
    match file.sync_data() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}
