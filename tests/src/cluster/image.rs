//! Container images out of a static binary of ours: the binary, nothing else.
//!
//! An archive is in the OCI layout, and in that of `docker save` too, so that containerd, kind and docker take it. The
//! same binary makes the same archive, byte for byte.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Asset;

/// The registry that no cluster asks: our images are where they run, or they do not run.
const REGISTRY: &str = "loka.test";

/// Neither root, nor anybody that a machine knows.
const USER: &str = "65532:65532";

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// What begins a binary of Linux, of 64 bits and little-endian.
const ELF: &[u8] = b"\x7fELF\x02\x01";

/// The part of a binary that names its loader: a static one has none.
const PT_INTERP: usize = 3;

/// How one comes by such a binary.
const STATIC: &str = "`cargo xtask test` builds them, by hand: docs/testing-on-kubernetes.md";

/// An image to be.
#[derive(Clone, Debug)]
pub struct Image {
    repository: String,
    tag: String,
    binary: PathBuf,
    /// Where the binary is in the image.
    entry: String,
    environment: BTreeMap<String, String>,
}

/// One file of an archive.
struct Blob {
    digest: String,
    bytes: Vec<u8>,
}

// === impl Image ===

impl Image {
    /// The proxy: `/stratum-proxy`.
    pub fn proxy() -> Self {
        Self::new("stratum-proxy", &binary("LOKA_PROXY_BIN", "stratum-proxy"))
    }

    /// The operator: `/stratum-operator`.
    pub fn operator() -> Self {
        Self::new("stratum-operator", &binary("LOKA_OPERATOR_BIN", "stratum-operator"))
    }

    /// The practice pool and miners: `/loka-practice`.
    pub fn practice() -> Self {
        Self::new("loka-practice", &binary("LOKA_PRACTICE_BIN", "loka-practice"))
    }

    /// A program for pods of tests (tests/pod): `/loka-pod`, which sleeps, serves or resolves.
    pub fn pod() -> Self {
        Self::new("loka-pod", &binary("LOKA_POD_BIN", "loka-pod"))
    }

    /// The cluster's name server.
    pub(super) fn coredns() -> Self {
        Self::new("coredns", &Asset::NodeBin.path().join("coredns"))
    }

    /// An image of any binary: `/NAME`.
    pub fn new(name: &str, binary: &Path) -> Self {
        Self {
            repository: format!("{REGISTRY}/{name}"),
            tag: "dev".to_owned(),
            binary: binary.to_owned(),
            entry: format!("/{name}"),
            environment: BTreeMap::new(),
        }
    }

    /// The same in another repository, such as `docker.io/library/NAME`, which is what `NAME` alone means to a node.
    pub fn named(mut self, repository: &str) -> Self {
        repository.clone_into(&mut self.repository);
        self
    }

    /// The same with another tag.
    pub fn tagged(mut self, tag: &str) -> Self {
        tag.clone_into(&mut self.tag);
        self
    }

    /// The same with a variable in its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// What a pod calls it.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }

    /// `loka.test/NAME` unless told otherwise, for charts that take it apart.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// `dev`, unless told otherwise.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Writes the archive.
    ///
    /// # Panics
    /// When the binary needs what the image does not have.
    pub fn write(&self, archive: &Path) {
        let layer = Blob::new(self.layer());
        let environment = self.environment.iter().map(|(name, value)| format!("{name}={value}"));
        let config = Blob::json(&json!({
            "architecture": architecture(),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "User": USER,
                "Entrypoint": [self.entry],
                "Env": environment.collect::<Vec<_>>(),
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [layer.digest()]},
            "history": [{"created_by": "loka-tests"}],
        }));
        let manifest = Blob::json(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(CONFIG),
            "layers": [layer.descriptor(LAYER)],
        }));
        let mut described = manifest.descriptor(MANIFEST);
        described["platform"] = json!({"architecture": architecture(), "os": "linux"});
        described["annotations"] = json!({
            "io.containerd.image.name": self.reference(),
            "org.opencontainers.image.ref.name": self.tag,
        });
        let index = json!({"schemaVersion": 2, "manifests": [described]});
        let docker = json!([{
            "Config": config.path(),
            "RepoTags": [self.reference()],
            "Layers": [layer.path()],
        }]);
        let mut tar = tar::Builder::new(File::create(archive).expect("an archive"));
        append(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, Mode::Data);
        append(&mut tar, "index.json", index.to_string().as_bytes(), Mode::Data);
        append(&mut tar, "manifest.json", docker.to_string().as_bytes(), Mode::Data);
        for blob in [config, manifest, layer] {
            append(&mut tar, &blob.path(), &blob.bytes, Mode::Data);
        }
        tar.finish().expect("an archive");
    }

    fn layer(&self) -> Vec<u8> {
        let program = stripped(&self.binary);
        let shown = self.binary.display();
        match is_static(&program) {
            Some(true) => {}
            Some(false) => panic!("{shown} is not static: no image has what loads it; {STATIC}"),
            None => panic!("{shown} is no binary of Linux; {STATIC}"),
        }
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, self.entry.trim_start_matches('/'), &program, Mode::Program);
        tar.into_inner().expect("a layer")
    }
}

// === impl Blob ===

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { digest, bytes }
    }

    fn json(value: &Value) -> Self {
        Self::new(value.to_string().into_bytes())
    }

    fn digest(&self) -> String {
        format!("sha256:{}", self.digest)
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest)
    }

    fn descriptor(&self, kind: &str) -> Value {
        json!({"mediaType": kind, "digest": self.digest(), "size": self.bytes.len()})
    }
}

enum Mode {
    Data,
    Program,
}

fn append<W: std::io::Write>(tar: &mut tar::Builder<W>, path: &str, bytes: &[u8], mode: Mode) {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(match mode {
        Mode::Data => 0o644,
        Mode::Program => 0o755,
    });
    header.set_mtime(0);
    tar.append_data(&mut header, path, bytes).expect("a file of an archive");
}

/// The static binary that cargo has built for this machine, unless a variable names another.
fn binary(variable: &str, name: &str) -> PathBuf {
    let built = || {
        let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(target);
        directory.join("debug").join(name)
    };
    let binary = env::var_os(variable).map_or_else(built, PathBuf::from);
    assert!(binary.exists(), "{} is missing; set {variable}, or {STATIC}", binary.display());
    binary
}

/// Without what only a debugger reads: nine tenths of it.
fn stripped(binary: &Path) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let status = Command::new("strip").arg("-o").arg(file.path()).arg(binary).status();
    // A machine without binutils gets a large image.
    let smaller = status.is_ok_and(|status| status.success());
    fs::read(if smaller { file.path() } else { binary }).expect("a binary")
}

/// Whether nothing else has to be there for it to start; `None` where it is no binary of Linux at all.
fn is_static(binary: &[u8]) -> Option<bool> {
    if !binary.starts_with(ELF) {
        return None;
    }
    let number = |at: usize, length: usize| {
        let bytes = binary.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte)))
    };
    // Offset, size and number of the descriptions of its parts; each begins with its kind.
    let (first, size, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
    let kinds = (0..count).map(|part| number(first.checked_add(part * size)?, 4));
    let kinds = kinds.collect::<Option<Vec<_>>>()?;
    Some(!kinds.contains(&PT_INTERP))
}

fn architecture() -> &'static str {
    match env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    }
}
