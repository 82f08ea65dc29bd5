//! A small farm on disk, for the tests of whatever reads documents.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use loka_ops::environment::Environment;

use super::Inputs;

/// One listener, one route, a pool whose password is the key `password` of the Secret `pool-a`.
pub(crate) const FARM: &str = "\
apiVersion: stratum.loka.dev/v1alpha1
kind: StratumProxy
metadata: {name: farm, namespace: mining}
spec:
  listeners:
    - {name: v1, port: 3333}
  routes:
    - name: main
      pools:
        - poolRef: {name: primary}
---
apiVersion: stratum.loka.dev/v1alpha1
kind: StratumPool
metadata: {name: primary, namespace: mining}
spec:
  endpoints:
    - url: stratum+tcp://pool.example.com:3333
  account: acme
  passwordSecretRef: {name: pool-a}
";

/// What gives `pool-a` its password from the environment.
pub(crate) const VARIABLE: &str = "STRATUM_SECRET_POOL_A_PASSWORD";

/// A Secret document that gives it.
pub(crate) fn secret(password: &str) -> String {
    let data = format!("stringData: {{password: {password}}}");
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: pool-a, namespace: mining}}\n{data}\n")
}

/// A directory that is gone at the end.
pub(crate) struct OnDisk(TempDir);

impl OnDisk {
    pub(crate) fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// [`FARM`] as `farm.yaml`.
    pub(crate) fn farm() -> Self {
        let disk = Self::empty();
        disk.write("farm.yaml", FARM);
        disk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, with the directories above it.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Files of the directory as inputs, without secrets.
    pub(crate) fn inputs(&self, files: &[&str]) -> Inputs {
        let files = files.iter().map(|name| self.path(name)).collect();
        Inputs { files, ..Inputs::default() }
    }
}

/// An environment that gives the password.
pub(crate) fn with_password(password: &str) -> Environment {
    [(VARIABLE, password)].into_iter().collect()
}
