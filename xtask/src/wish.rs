//! What is asked for where there is a list of things to do: all of it, some of it by name, or only the list.

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) only: Vec<String>,
    pub(crate) list: bool,
}

// === impl Wish ===

impl Wish {
    /// Reads `--list` and `--only NAME`; what else there is is refused with `usage`.
    pub(crate) fn parse(arguments: &[String], usage: &str) -> Result<Self, String> {
        let mut wish = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--list" => wish.list = true,
                "--only" => wish.only.push(rest.next().ok_or(usage)?.clone()),
                other => match other.strip_prefix("--only=") {
                    Some(name) => wish.only.push(name.to_owned()),
                    None => return Err(format!("unknown argument {other}; {usage}")),
                },
            }
        }
        Ok(wish)
    }
}
