//! What is needed from a distribution: containerd, runc, network plugins and nft for the machines of a test's cluster; the
//! relays that the bench measures beside the proxy; what counts instructions and looks at heaps; what looks where time goes;
//! what scrapes metrics and rings alerts.
//!
//! Where they are installed they are used. Else, on Debian and its descendants, the packages are unpacked into the cache,
//! and nothing of the owner's is touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Lack, Way, cache, programs};
use crate::test::running;
use crate::test::setup::missing;
use crate::workspace::{stdout_of, works};

/// Programs that come together.
pub(super) struct Set {
    /// By the first of them.
    name: &'static str,
    /// By their names in Debian.
    packages: &'static [&'static str],
    remedy: &'static str,
    are_installed: fn() -> bool,
}

/// Of a test's machines.
pub(super) const MACHINES: Set = Set {
    name: "containerd",
    packages: &["containerd", "runc", "containernetworking-plugins", "nftables"],
    remedy: "install containerd, runc, nftables and the CNI plugins (containernetworking-plugins)",
    are_installed: are_machines_installed,
};

/// Of the bench.
pub(super) const RELAYS: Set = Set {
    name: "haproxy",
    packages: &["haproxy", "nginx-core", "libnginx-mod-stream"],
    remedy: "install haproxy, nginx and its stream module (libnginx-mod-stream)",
    are_installed: are_relays_installed,
};

/// Of the counts.
pub(super) const COUNTERS: Set = Set {
    name: "valgrind",
    packages: &["valgrind"],
    remedy: "install valgrind",
    are_installed: || works("valgrind", &["--version"]),
};

/// Of the flame graph.
pub(super) const PROFILER: Set = Set {
    name: "perf",
    packages: &["linux-perf"],
    remedy: "install perf (Debian: linux-perf; Ubuntu: linux-tools of your kernel)",
    are_installed: || works("perf", &["--version"]),
};

/// Of dashboards and alerts.
pub(super) const MONITORING: Set = Set {
    name: "prometheus",
    packages: &["prometheus"],
    remedy: "install prometheus and promtool below /usr/bin",
    are_installed: || {
        ["prometheus", "promtool"].iter().all(|name| Path::new("/usr/bin").join(name).exists())
    },
};

/// Whether this machine can make others out of itself.
pub(super) fn able() -> Result<(), Lack> {
    let lacking = |why: &str, remedy: &str| Err(Lack::Missing(missing(why, remedy)));
    let other = "or set LOKA_KUBECONFIG to an existing cluster's (docs/testing-on-kubernetes.md)";
    if cfg!(not(target_os = "linux")) {
        return lacking("machines of a test's cluster are made of Linux name spaces", other);
    }
    let id = stdout_of(program("id", &["-u"])).unwrap_or_default();
    if id.trim() != "0" {
        return lacking("a cluster needs root", &format!("run it as root, {other}"));
    }
    programs(&["unshare", "nsenter", "setpriv", "mount"], "util-linux")?;
    if !works("ip", &["-V"]) {
        return lacking("ip is not installed", "install iproute2");
    }
    let space = ["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--mount-proc", "true"];
    if !works("unshare", &space) {
        let remedy = format!("allow it (in a container: --privileged), {other}");
        return lacking("this machine does not let root make name spaces", &remedy);
    }
    Ok(())
}

/// The root of the file system that has them all.
pub(super) fn provide(set: &Set, way: Way) -> Result<PathBuf, Lack> {
    if (set.are_installed)() {
        return Ok(PathBuf::from("/"));
    }
    let Set { name, packages, remedy, are_installed: _ } = set;
    if !works("apt-get", &["--version"]) || !works("dpkg", &["--version"]) {
        let why = format!("there is no {name}, and no apt-get to fetch it");
        return Err(Lack::Missing(missing(&why, remedy)));
    }
    let simulate = || {
        let simulate = ["install", "--simulate", "--no-install-recommends"];
        stdout_of(program("apt-get", &[simulate.as_slice(), packages].concat()))
    };
    let told = simulate().or_else(|_| {
        // A fresh container has no lists of packages.
        stdout_of(program("apt-get", &["update"])).and_then(|_| simulate())
    });
    let told = told.map_err(|error| unreachable(set, &error))?;
    let wanted = new_packages(&told);
    let key = cache::key(&wanted)?;
    let name = format!("{name} and its like");
    Ok(cache::provide(&name, &key, way, |unfinished| unpack(set, &wanted, unfinished))?
        .join("root"))
}

fn are_relays_installed() -> bool {
    works("haproxy", &["-v"])
        && works("nginx", &["-v"])
        && Path::new("/usr/lib/nginx/modules/ngx_stream_module.so").exists()
}

fn are_machines_installed() -> bool {
    let plugins = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];
    ["containerd", "runc", "nft"].iter().all(|program| works(program, &["--version"]))
        && plugins.iter().any(|place| Path::new(place).join("bridge").exists())
}

/// What `apt-get install --simulate` would add: `name=version`. What it would only renew is there, and will do.
fn new_packages(told: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in told.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some("Inst") {
            continue;
        }
        let (name, version) = (words.next(), words.next().and_then(|word| word.strip_prefix('(')));
        found.extend(name.zip(version).map(|(name, version)| format!("{name}={version}")));
    }
    found.sort();
    found
}

fn unpack(set: &Set, packages: &[String], unfinished: &Path) -> Result<(), Lack> {
    println!("        unpacking {} packages; nothing is installed", packages.len());
    let archives = unfinished.join("archives");
    fs::create_dir_all(&archives).map_err(|error| cache::unusable(&archives, &error))?;
    let log = unfinished.with_extension("log");
    let download = |log: &Path| {
        // Root may write there; the user to whom apt-get steps down may not.
        let mut command = program("apt-get", &["-o", "APT::Sandbox::User=root", "download"]);
        command.args(packages).current_dir(&archives);
        running::run_alone("fetching packages", &mut command, log)
    };
    download(&log)
        .or_else(|_| {
            // Lists that are old name versions that are gone; then the key was theirs, and the next run finds new ones.
            stdout_of(program("apt-get", &["update"])).and_then(|_| download(&log))
        })
        .map_err(|error| unreachable(set, &error))?;
    let root = unfinished.join("root");
    for entry in fs::read_dir(&archives).into_iter().flatten().flatten() {
        let mut command = program("dpkg", &["-x"]);
        command.arg(entry.path()).arg(&root);
        stdout_of(command).map_err(Lack::Broken)?;
    }
    fs::remove_dir_all(&archives).map_err(|error| cache::unusable(&archives, &error))
}

fn unreachable(set: &Set, error: &str) -> Lack {
    let line = error.lines().next_back().unwrap_or(error);
    let why = format!("the packages of {} cannot be fetched: {line}", set.name);
    Lack::Missing(missing(&why, set.remedy))
}

fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).env("LC_ALL", "C");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_fetched() {
        let told = "Reading package lists...\nInst runc (1.1.5+ds1-1+b4 Debian:12.11/stable [amd64])\n\
                    Inst libc6 [2.36-9] (2.36-10 Debian:12.11/stable [amd64])\n\
                    Inst containerd (1.6.20~ds1-1 Debian:12.11/stable [amd64])\nConf runc (1.1.5)\n";
        assert_eq!(new_packages(told), ["containerd=1.6.20~ds1-1", "runc=1.1.5+ds1-1+b4"]);
    }
}
