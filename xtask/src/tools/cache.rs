//! Where what was built is kept: outside of the tree, each under the name of what it was built from, complete or not there.

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Lack, Way};
use crate::test::setup::missing;

/// Written last into what is complete.
const STAMP: &str = ".complete";

/// Sixty-four bits of a hash: enough to tell a handful of directories apart.
const KEY_DIGITS: usize = 16;

/// Names what is built from these texts.
pub(super) fn key(texts: &[String]) -> Result<String, Lack> {
    let lacking = |error: std::io::Error| {
        let why = format!("sha256sum cannot be used: {error}");
        Lack::Missing(missing(&why, "install the coreutils"))
    };
    let mut command = Command::new("sha256sum");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(lacking)?;
    if let Some(mut stdin) = child.stdin.take() {
        for text in texts {
            // Its length first: where one text ends and the next begins is part of what is named.
            let (length, bytes) = (format!("{}\n", text.len()), text.as_bytes());
            stdin
                .write_all(length.as_bytes())
                .and_then(|()| stdin.write_all(bytes))
                .map_err(lacking)?;
        }
    }
    let output = child.wait_with_output().map_err(lacking)?;
    Ok(String::from_utf8_lossy(&output.stdout).chars().take(KEY_DIGITS).collect())
}

/// The directory of `key`, filled by `fill` if it is not there. One at a time fills it; the others wait.
pub(super) fn provide(
    name: &str,
    key: &str,
    way: Way,
    fill: impl FnOnce(&Path) -> Result<(), Lack>,
) -> Result<PathBuf, Lack> {
    let all = directory()?;
    let wanted = all.join(key);
    if wanted.join(STAMP).exists() {
        return Ok(wanted);
    }
    if way == Way::Look {
        let why = format!("{name} is not built yet");
        return Err(Lack::Missing(missing(&why, "`cargo xtask tools` builds it")));
    }
    fs::create_dir_all(&all).map_err(|error| unusable(&all, &error))?;
    let lock = all.join(format!("{key}.lock"));
    let lock = File::create(&lock).map_err(|error| unusable(&lock, &error))?;
    if lock.try_lock().is_err() {
        println!("        {name}: another build of it is under way; waiting for that");
        lock.lock().map_err(|error| unusable(&all, &error))?;
    }
    if wanted.join(STAMP).exists() {
        return Ok(wanted);
    }
    // Under the lock, an unfinished one is what a killed build has left.
    let unfinished = all.join(format!("{key}.unfinished"));
    for left in [&unfinished, &wanted] {
        if left.exists() {
            fs::remove_dir_all(left).map_err(|error| unusable(left, &error))?;
        }
    }
    fs::create_dir_all(&unfinished).map_err(|error| unusable(&unfinished, &error))?;
    fill(&unfinished)?;
    let finished = fs::write(unfinished.join(STAMP), format!("{name}\n"));
    let finished = finished.and_then(|()| fs::rename(&unfinished, &wanted));
    finished.map_err(|error| unusable(&wanted, &error))?;
    Ok(wanted)
}

pub(super) fn unusable(path: &Path, error: &std::io::Error) -> Lack {
    let why = format!("{} cannot be written: {error}", path.display());
    Lack::Missing(missing(&why, "make room there, or set LOKA_CACHE to another directory"))
}

fn directory() -> Result<PathBuf, Lack> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let ours = |caches: PathBuf| caches.join("loka-stratum");
    let home = || variable("HOME").map(|home| home.join(".cache"));
    let cache = variable("LOKA_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(ours))
        .or_else(|| home().map(ours));
    let lacking = || Lack::Missing(missing("there is no home directory", "set LOKA_CACHE"));
    cache.map(|cache| cache.join("tools")).ok_or_else(lacking)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_key_tells_texts_and_their_ends_apart() {
        let one = key(&texts(&["ab", "c"])).unwrap();
        assert_eq!(one.len(), KEY_DIGITS);
        assert!(one.chars().all(|digit| digit.is_ascii_hexdigit()), "{one}");
        assert_eq!(one, key(&texts(&["ab", "c"])).unwrap());
        assert_ne!(one, key(&texts(&["a", "bc"])).unwrap());
    }
}
