//! What the programs of a cluster are told, and where they log.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Pods that are not modest in what they want are refused, as a careful cluster refuses them; only the cluster's own may.
pub(super) const ADMISSION: &str = r#"
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults: {enforce: restricted, enforce-version: latest, warn: restricted, warn-version: latest}
    exemptions: {namespaces: [kube-system]}
"#;

/// Where logs of this name go: kept until the next run, empty now.
pub(super) fn logs(name: &str) -> PathBuf {
    let all = env::var_os("LOKA_LOGS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/k8s-logs"),
        PathBuf::from,
    );
    let logs = all.join(name);
    if logs.exists() {
        fs::remove_dir_all(&logs).expect("old logs can be removed");
    }
    fs::create_dir_all(&logs).expect("a directory for logs");
    logs
}

/// Writes a file, and says where.
pub(super) fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).expect("a file");
    path
}
