//! Programs built from pinned Go modules (tests/tools): the versions are those of go.mod and go.sum, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::{Lack, Way, cache};
use crate::test::running;
use crate::test::setup::missing;
use crate::workspace::{self, works};

/// Nearly every package is compiled anew when this changes; 0 needs no C compiler, and gives static programs.
const CGO: &str = "0";

/// Nothing is added to what is pinned, and the place of the checkout has no part in the result.
const FLAGS: &str = "-mod=readonly -buildvcs=false";

/// Programs that are built together.
#[derive(Debug)]
pub(super) struct Set {
    name: &'static str,
    /// The directory of the module.
    module: &'static str,
    /// Each program and its package.
    programs: &'static [(&'static str, &'static str)],
    /// For one who waits: the first time, on two cores.
    minutes: u32,
}

// === impl Set ===

impl Set {
    /// An API server, and the controllers, without which nothing that is owned goes with its owner.
    pub(super) const API: Self = Self {
        name: "the API server of Kubernetes",
        module: "tests/tools/kubernetes",
        programs: &[
            ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
            ("etcd", "go.etcd.io/etcd/server/v3"),
            ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
            ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
        ],
        minutes: 10,
    };

    /// What pods need besides.
    pub(super) const NODE: Self = Self {
        name: "the rest of Kubernetes, and Helm",
        module: "tests/tools/kubernetes",
        programs: &[
            ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
            ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
            ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
            ("helm", "helm.sh/helm/v4/cmd/helm"),
            ("coredns", "./coredns"),
        ],
        minutes: 4,
    };

    /// Where traces go.
    pub(super) const COLLECTOR: Self = Self {
        name: "the OpenTelemetry Collector",
        module: "tests/tools/collector",
        programs: &[("otelcol", ".")],
        minutes: 3,
    };

    fn directory(&self) -> PathBuf {
        workspace::root().join(self.module)
    }

    /// Kubernetes tells its version only if it is told it.
    fn linker_flags(&self, module: &str) -> String {
        let plain = "-s -w".to_owned();
        let Some(version) = pinned(module, "k8s.io/kubernetes") else { return plain };
        let mut numbers = version.trim_start_matches('v').split('.');
        let (major, minor) = (numbers.next().unwrap_or("1"), numbers.next().unwrap_or("0"));
        let set =
            |name: &str, value: &str| format!("-X k8s.io/component-base/version.{name}={value}");
        [
            plain,
            set("gitVersion", version),
            set("gitMajor", major),
            set("gitMinor", minor),
            set("gitTreeState", "clean"),
        ]
        .join(" ")
    }
}

/// The directory with the programs of `set`.
pub(super) fn provide(set: &Set, way: Way) -> Result<PathBuf, Lack> {
    if !works("go", &["version"]) {
        let remedy =
            "install Go (https://go.dev/dl); any version since 1.21 fetches the one that is needed";
        return Err(Lack::Missing(missing("Go is not installed", remedy)));
    }
    let module = read(&set.directory().join("go.mod"))?;
    let linker_flags = set.linker_flags(&module);
    let key = cache::key(&ingredients(set, &linker_flags)?)?;
    let fill = |unfinished: &Path| build(set, &linker_flags, unfinished);
    Ok(cache::provide(set.name, &key, way, fill)?.join("bin"))
}

/// All that the programs are made of.
fn ingredients(set: &Set, linker_flags: &str) -> Result<Vec<String>, Lack> {
    let mut version = go(set);
    version.args(["env", "GOVERSION", "GOOS", "GOARCH", "GOAMD64", "GOARM64"]);
    let version = workspace::stdout_of(version).map_err(|error| {
        // It fetches the version that go.mod asks for.
        Lack::Missing(missing(last_line(&error), "connect this machine to a Go module proxy"))
    })?;
    let mut texts = vec![version, CGO.to_owned(), FLAGS.to_owned(), linker_flags.to_owned()];
    texts.extend(set.programs.iter().map(|(name, package)| format!("{name} {package}")));
    for file in sources(&set.directory()) {
        texts.push(read(&file)?);
    }
    Ok(texts)
}

/// The files of a module of ours, in order.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn build(set: &Set, linker_flags: &str, unfinished: &Path) -> Result<(), Lack> {
    let Set { name, programs, minutes, .. } = *set;
    println!("        building {name} from pinned sources, once: about {minutes} min on two cores");
    let started = Instant::now();
    let log = unfinished.with_extension("log");
    let mut fetch = go(set);
    fetch.args(["list", "-deps"]).args(programs.iter().map(|(_, package)| package));
    running::run_alone("fetching the sources", &mut fetch, &log).map_err(|error| {
        let why =
            format!("the sources of {name} cannot be fetched ({error}; see {})", log.display());
        Lack::Missing(missing(&why, "connect this machine to a Go module proxy"))
    })?;
    for (index, (program, package)) in programs.iter().enumerate() {
        let mut command = go(set);
        command.args(["build", "-trimpath", "-ldflags", linker_flags, "-o"]);
        command.arg(unfinished.join("bin").join(program)).arg(package);
        let what = format!("{program} ({} of {})", index + 1, programs.len());
        running::run_alone(&what, &mut command, &log)
            .map_err(|error| Lack::Broken(format!("{error}; see {}", log.display())))?;
    }
    println!("        {name} is built: {} s", started.elapsed().as_secs());
    Ok(())
}

fn go(set: &Set) -> Command {
    let mut command = Command::new("go");
    command.current_dir(set.directory()).env("CGO_ENABLED", CGO).env("GOFLAGS", FLAGS);
    command
}

fn read(path: &Path) -> Result<String, Lack> {
    fs::read_to_string(path)
        .map_err(|error| Lack::Broken(format!("{} cannot be read: {error}", path.display())))
}

/// Which version of `path` a go.mod asks for.
fn pinned<'a>(module: &'a str, path: &str) -> Option<&'a str> {
    let mut lines = module.lines().map(|line| line.trim().trim_start_matches("require "));
    lines.find_map(|line| line.strip_prefix(path)?.strip_prefix(' ')?.split_whitespace().next())
}

fn last_line(text: &str) -> &str {
    text.lines().next_back().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_is_told_its_version_and_nothing_else_is() {
        let module =
            "module a\n\nrequire (\n\tk8s.io/kubernetes-x v0.1.2\n\tk8s.io/kubernetes v1.36.3\n)";
        let flags = Set::API.linker_flags(module);
        assert!(
            flags.starts_with("-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 "),
            "{flags}"
        );
        assert!(flags.contains("gitMajor=1 ") && flags.contains("gitMinor=36 "), "{flags}");
        assert_eq!(Set::COLLECTOR.linker_flags("module a\n"), "-s -w");
    }

    #[test]
    fn the_pinned_modules_say_which_kubernetes_they_are() {
        for set in [Set::API, Set::NODE] {
            let module = read(&set.directory().join("go.mod")).unwrap();
            assert!(pinned(&module, "k8s.io/kubernetes").is_some(), "{set:?}");
        }
        let files = sources(&Set::COLLECTOR.directory());
        let names: Vec<_> = files.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(names, ["go.mod", "go.sum", "main.go"]);
    }
}
