//! Which crate may use which: ours by a table, and what must never reach a binary by what cargo would link.

use serde_json::Value;

use super::Problem;
use crate::workspace::{cargo, stdout_of};

const REMEDY: &str = "the directions are in ARCHITECTURE.md; move the code, not the rule";

/// Every crate of ours and those of ours that it may depend on. `tests` may use everything.
const OURS: [(&str, &[&str]); 12] = [
    ("loka-stratum", &[]),
    ("loka-api", &[]),
    ("loka-ops", &[]),
    ("loka-proxy", &["loka-stratum", "loka-api", "loka-ops"]),
    ("loka-operator", &["loka-api", "loka-ops"]),
    ("loka-farm", &[]),
    ("xtask", &[]),
    ("loka-pod", &[]),
    ("loka-bench", &[]),
    ("loka-counts", &["loka-stratum"]),
    ("loka-paid", &["loka-stratum", "loka-api", "loka-proxy", "loka-farm"]),
    (
        "loka-tests",
        &["loka-stratum", "loka-api", "loka-ops", "loka-proxy", "loka-operator", "loka-farm"],
    ),
];

/// All that the protocol core is built on: it has no runtime, no sockets, no clock, no randomness.
const CORE_MAY: [&str; 4] = ["serde", "serde_json", "sha2", "thiserror"];

/// Packages, and what a build of each with `-p` must not contain, however far down.
const NEVER_LINKED: [(&str, &[&str]); 3] = [
    ("loka-stratum", &["tokio", "mio", "socket2", "rand", "fastrand", "kube", "hyper"]),
    ("loka-proxy", &["kube", "kube-core", "kube-client", "k8s-openapi", "loka-farm", "bitcoin"]),
    ("loka-farm", &["loka-stratum", "loka-api", "loka-proxy"]),
];

/// Roots of crates that are no part of the workspace.
const APART: [&str; 1] = ["stratum/fuzz/main.rs"];

/// The workspace as cargo sees it, with paths from the root.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) packages: Vec<Package>,
    /// The root file of every target.
    pub(super) roots: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Package {
    name: String,
    manifest: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug)]
struct Dependency {
    name: String,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Normal,
    Other,
}

/// Breaches of the tables, in the manifests.
pub(super) fn check(workspace: &Workspace) -> Vec<Problem> {
    workspace.packages.iter().flat_map(check_package).collect()
}

/// Breaches that only the resolved graph shows.
pub(super) fn check_shipped() -> Result<Vec<Problem>, String> {
    let mut problems = Vec::new();
    for (package, never) in NEVER_LINKED {
        let arguments = ["tree", "--edges", "normal", "--prefix", "none", "--package", package];
        let tree = stdout_of(cargo(arguments))?;
        problems.extend(linked(package, never, &tree));
    }
    Ok(problems)
}

// === impl Workspace ===

impl Workspace {
    /// Asks cargo.
    pub(super) fn read() -> Result<Self, String> {
        let arguments = ["metadata", "--no-deps", "--format-version", "1"];
        let text = stdout_of(cargo(arguments))?;
        let metadata: Value = serde_json::from_str(&text)
            .map_err(|error| format!("`cargo metadata` printed no JSON: {error}"))?;
        let mut workspace = Self::parse(&metadata);
        workspace.roots.extend(APART.map(str::to_owned));
        Ok(workspace)
    }

    fn parse(metadata: &Value) -> Self {
        let root = text(metadata, "workspace_root");
        let inside = |path: String| {
            let below = path.strip_prefix(&root).map(|path| path.trim_start_matches('/'));
            below.map_or_else(|| path.clone(), str::to_owned)
        };
        let mut workspace = Self::default();
        for package in list(metadata, "packages") {
            let targets = list(package, "targets").map(|target| inside(text(target, "src_path")));
            workspace.roots.extend(targets);
            workspace.packages.push(Package {
                name: text(package, "name"),
                manifest: inside(text(package, "manifest_path")),
                dependencies: list(package, "dependencies").map(dependency).collect(),
            });
        }
        workspace
    }
}

fn dependency(value: &Value) -> Dependency {
    let kind =
        if value.get("kind").is_some_and(Value::is_null) { Kind::Normal } else { Kind::Other };
    Dependency { name: text(value, "name"), kind }
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn check_package(package: &Package) -> Vec<Problem> {
    let Package { name, manifest, dependencies } = package;
    let problem = |what: String| Problem::new(manifest, 1, what, REMEDY);
    let Some((_, allowed)) = OURS.iter().find(|(known, _)| known == name) else {
        return vec![problem(format!("{name} is in no table of who may use whom"))];
    };
    let mut problems = Vec::new();
    for Dependency { name: used, kind } in dependencies {
        let ours = OURS.iter().any(|(known, _)| known == used);
        if ours && !allowed.contains(&used.as_str()) {
            problems.push(problem(format!("{name} uses {used}")));
        }
        let core = name == "loka-stratum" && *kind == Kind::Normal;
        if core && !CORE_MAY.contains(&used.as_str()) {
            problems.push(problem(format!("the protocol core uses {used}")));
        }
    }
    problems
}

fn linked(package: &str, never: &[&str], tree: &str) -> Vec<Problem> {
    let found = |name: &&&str| {
        tree.lines().skip(1).any(|line| line.split_whitespace().next() == Some(**name))
    };
    never
        .iter()
        .filter(found)
        .map(|name| Problem::new("Cargo.lock", 1, format!("{package} links {name}"), REMEDY))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(package: &str, dependency: &Value) -> Value {
        serde_json::json!({
            "workspace_root": "/r",
            "packages": [{
                "name": package,
                "manifest_path": "/r/x/Cargo.toml",
                "targets": [{ "src_path": "/r/x/src/lib.rs" }],
                "dependencies": [dependency],
            }],
        })
    }

    #[track_caller]
    fn check_edge(package: &str, used: &str, kind: Option<&str>, wanted: &[&str]) {
        let dependency = serde_json::json!({ "name": used, "kind": kind });
        let workspace = Workspace::parse(&metadata(package, &dependency));
        assert_eq!(workspace.roots, ["x/src/lib.rs"]);
        let found: Vec<String> = check(&workspace).into_iter().map(|p| p.what).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn edges_of_the_table_pass_and_others_do_not() {
        check_edge("loka-proxy", "loka-api", None, &[]);
        check_edge("loka-farm", "loka-stratum", None, &["loka-farm uses loka-stratum"]);
        check_edge("loka-farm", "loka-proxy", Some("dev"), &["loka-farm uses loka-proxy"]);
        check_edge("loka-new", "serde", None, &["loka-new is in no table of who may use whom"]);
    }

    #[test]
    fn the_core_may_use_little_and_its_tests_more() {
        check_edge("loka-stratum", "tokio", None, &["the protocol core uses tokio"]);
        check_edge("loka-stratum", "proptest", Some("dev"), &[]);
    }

    #[test]
    fn whole_names_count_in_what_is_linked() {
        let never = ["kube", "bitcoin", "loka-proxy"];
        let clean = "loka-proxy v0.1.0 (/r/proxy)\nkube-cel v0.8.0\n";
        assert_eq!(linked("loka-proxy", &never, clean), []);
        let found = linked("loka-proxy", &never, &format!("{clean}kube v5.0.0 (*)\n"));
        assert_eq!(found.len(), 1);
        assert_eq!(found.first().map(|p| p.what.as_str()), Some("loka-proxy links kube"));
    }
}
