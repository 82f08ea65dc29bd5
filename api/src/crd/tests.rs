use std::path::Path;

use super::*;

#[test]
fn the_committed_definitions_are_the_generated_ones() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds");
    for file in files().expect("the types are writable as YAML") {
        let committed = std::fs::read_to_string(directory.join(&file.name)).unwrap_or_default();
        assert!(
            committed == file.text,
            "crds/{} is not what the types generate; run `cargo xtask codegen`",
            file.name
        );
    }
}

#[test]
fn the_definitions_carry_the_names_of_the_contract() {
    for (definition, kind) in [
        (json!(StratumProxy::crd()), names::STRATUM_PROXY),
        (json!(StratumPool::crd()), names::STRATUM_POOL),
    ] {
        assert_eq!(definition.pointer("/spec/group"), Some(&json!(names::GROUP)));
        assert_eq!(definition.pointer("/spec/versions/0/name"), Some(&json!(names::VERSION)));
        assert_eq!(definition.pointer("/spec/names/kind"), Some(&json!(kind)));
        assert_eq!(definition.pointer("/spec/names/categories/0"), Some(&json!(names::CATEGORY)));
    }
}

/// Client-side `kubectl apply` keeps the whole object in an annotation of at most 256 KiB.
#[test]
fn the_definitions_are_small_enough_for_kubectl_apply() {
    for file in files().expect("the types are writable as YAML") {
        assert!(file.text.len() < 200 * 1024, "{} has {} bytes", file.name, file.text.len());
    }
}
