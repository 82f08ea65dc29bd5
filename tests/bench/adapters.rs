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
    files: &'static [&'static str],
    /// What runs the file, if it does not run itself.
    pub(crate) runner: &'static [&'static str],
    /// Its configuration. `@PORT@` is where miners come, `@POOL_HOST@` and `@POOL_PORT@` the pool, `@DIRECTORY@` a directory
    /// of its own. Empty where all is said by arguments.
    pub(crate) template: &'static str,
    /// With the same marks, and `@CONFIG@` for the file.
    pub(crate) arguments: &'static [&'static str],
    /// Whether it verifies shares and answers them itself, so that the pool is to have those alone that are due to it. Else
    /// the pool is to have them all.
    pub(crate) judges: bool,
}

/// All that are known.
pub(crate) const ADAPTERS: [Adapter; 3] = [CKPROXY, SLUSH, STRATEHM];

/// Of ckpool: many miners over one connection, each share verified.
const CKPROXY: Adapter = Adapter {
    name: "ckproxy",
    files: &["ckproxy"],
    runner: &[],
    template: include_str!("adapters/ckproxy.conf"),
    arguments: &["-c", "@CONFIG@", "-s", "@DIRECTORY@", "-l", "3"],
    judges: true,
};

/// The first proxy of Stratum, in Python: many miners over one connection, shares passed on.
const SLUSH: Adapter = Adapter {
    name: "slush",
    files: &["mining_proxy.py", "stratum-mining-proxy"],
    runner: &[],
    template: "",
    arguments: &[
        "--host",
        "@POOL_HOST@",
        "--port",
        "@POOL_PORT@",
        "--stratum-host",
        "127.0.0.1",
        "--stratum-port",
        "@PORT@",
        "--custom-user",
        "acct.bench",
        "--custom-password",
        "x",
        "--quiet",
    ],
    judges: false,
};

/// In Java: many miners over one connection, shares passed on.
const STRATEHM: Adapter = Adapter {
    name: "stratehm",
    files: &["stratum-proxy.jar"],
    runner: &["java", "-jar"],
    template: "",
    arguments: &[
        "--pool-hosts",
        "@POOL_HOST@:@POOL_PORT@",
        "--pool-users",
        "acct.bench",
        "--pool-passwords",
        "x",
        "--stratum-listen-address",
        "127.0.0.1",
        "--stratum-listen-port",
        "@PORT@",
        "--rest-listen-address",
        "127.0.0.1",
        "--getwork-listen-address",
        "127.0.0.1",
        "--log-directory",
        "@DIRECTORY@",
        "--database-directory",
        "@DIRECTORY@",
        "--log-level",
        "WARN",
    ],
    judges: false,
};

// === impl Adapter ===

impl Adapter {
    /// The first of its files that is on the PATH.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        let path = env::var_os("PATH")?;
        let places: Vec<PathBuf> = env::split_paths(&path).collect();
        let mut each =
            self.files.iter().flat_map(|file| places.iter().map(move |at| at.join(file)));
        each.find(|file| file.is_file())
    }

    /// What is to be run: the file, by its runner if it has one.
    pub(crate) fn command(&self) -> Result<Vec<String>, String> {
        let file = self.find().ok_or_else(|| self.lack())?.to_string_lossy().into_owned();
        let runner = self.runner.iter().map(|word| (*word).to_owned());
        Ok(runner.chain([file]).collect())
    }

    /// That it is not there, and what was looked for.
    pub(crate) fn lack(&self) -> String {
        format!("--against {}: no {} on the PATH", self.name, self.files.join(" and no "))
    }
}
