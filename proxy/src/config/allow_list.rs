//! Reads the allow-list from its file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use loka_api::Problem;
use loka_api::allow_list::AllowList;

use super::{Blame, ConfigError};

/// Bytes of the file. `loka_api` refuses less than this by its length.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The allow-list in a file. Blocks.
///
/// # Errors
/// That it cannot be read, or all that is wrong with it.
pub fn load_allow_list(path: &Path) -> Result<AllowList, ConfigError> {
    let text = read_allow_list(path).map_err(|error| {
        let remedy = "give --allow-list the file of the list; without one, nothing is mined";
        let message = format!("cannot be read: {error}");
        ConfigError::files(vec![Problem::of(&path.display(), &message, remedy)])
    })?;
    parse_allow_list(path, &text)
}

/// What the file holds. Blocks.
pub(crate) fn read_allow_list(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

pub(crate) fn parse_allow_list(path: &Path, text: &str) -> Result<AllowList, ConfigError> {
    AllowList::parse(text, &path.display().to_string())
        .map_err(|problems| ConfigError { blame: Blame::Documents, problems })
}
