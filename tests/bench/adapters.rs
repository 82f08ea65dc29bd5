//! Other proxies, where they are found on the PATH: what they are called, how they are configured, and how they are told
//! their port. docs/performance.md says how one is added.

use std::env;
use std::path::PathBuf;

/// How one of them is run.
#[derive(Debug)]
pub(crate) struct Adapter {
    /// In the table, and for `--against`.
    pub(crate) name: &'static str,
    /// Looked for on the PATH, in this order.
    programs: &'static [&'static str],
    /// Its configuration. @PORT@ is where miners come, @POOL_HOST@:@POOL_PORT@ or @POOL@ the pool, @DIRECTORY@ a directory of
    /// its own. Empty where all is said by arguments.
    pub(crate) template: &'static str,
    /// With the same marks, and @CONFIG@ for the file.
    pub(crate) arguments: &'static [&'static str],
    /// Whether it verifies shares and answers them itself, so that the pool is to have those alone that are due to it. Else
    /// the pool is to have them all.
    pub(crate) judges: bool,
}

/// All that are known.
pub(crate) const ADAPTERS: [Adapter; 3] = [
    Adapter {
        name: "ckproxy",
        programs: &["ckproxy"],
        template: include_str!("adapters/ckproxy.conf"),
        arguments: &["-c", "@CONFIG@", "-s", "@DIRECTORY@", "-l", "3"],
        judges: true,
    },
    Adapter {
        name: "slush",
        programs: &["mining_proxy.py", "stratum-mining-proxy"],
        template: "",
        arguments: &[
            "-o",
            "@POOL_HOST@",
            "-p",
            "@POOL_PORT@",
            "-sh",
            "127.0.0.1",
            "-sp",
            "@PORT@",
            "-gp",
            "0",
            "-q",
        ],
        judges: false,
    },
    Adapter {
        name: "bfgminer",
        programs: &["bfgminer"],
        template: "",
        arguments: &[
            "--no-getwork",
            "--text-only",
            "--stratum-port",
            "@PORT@",
            "-o",
            "stratum+tcp://@POOL@",
            "-u",
            "acct.bench",
            "-p",
            "x",
        ],
        judges: true,
    },
];

// === impl Adapter ===

impl Adapter {
    /// The first of its programs that is on the PATH.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        let path = env::var_os("PATH")?;
        let places: Vec<PathBuf> = env::split_paths(&path).collect();
        let each =
            self.programs.iter().flat_map(|program| places.iter().map(move |at| at.join(program)));
        each.into_iter().find(|file| file.is_file())
    }

    pub(crate) fn program(&self) -> Result<String, String> {
        let found = self.find().ok_or_else(|| self.lack())?;
        Ok(found.to_string_lossy().into_owned())
    }

    /// That it is not there, and what was looked for.
    pub(crate) fn lack(&self) -> String {
        format!("{}: no {} on the PATH", self.name, self.programs.join(" or "))
    }
}
