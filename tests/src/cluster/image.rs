//! Container images out of a binary of ours: the binary, the libraries that it names, nothing else.
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

    /// `loka.test/NAME`, for charts that take it apart.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// `dev`, unless told otherwise.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Writes the archive.
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
        let mut tar = tar::Builder::new(Vec::new());
        append(
            &mut tar,
            self.entry.trim_start_matches('/'),
            &stripped(&self.binary),
            Mode::Program,
        );
        for library in libraries(&self.binary) {
            let bytes = fs::read(&library).expect("a library that the binary names");
            let path = library.to_string_lossy();
            append(&mut tar, path.trim_start_matches('/'), &bytes, Mode::Program);
        }
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

/// A binary that is built beside the tests, unless a variable names another.
fn binary(variable: &str, name: &str) -> PathBuf {
    // Cargo tells the tests where the binaries of their own package are.
    let given = env::var_os(variable).or_else(|| env::var_os(format!("CARGO_BIN_EXE_{name}")));
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug").join(name);
    let binary = given.map_or_else(built, PathBuf::from);
    assert!(binary.exists(), "{} is missing; build it, or set {variable}", binary.display());
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

/// The shared libraries, and what loads them, as this machine would find them; none for a static binary.
fn libraries(binary: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(binary).output().expect("ldd, of the C library");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("not found"), "{}: {text}", binary.display());
    let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
    let mut paths: Vec<PathBuf> =
        paths.map(|path| PathBuf::from(path.trim_end_matches(':'))).collect();
    paths.retain(|path| path != binary);
    paths.sort();
    paths
}

fn architecture() -> &'static str {
    match env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    }
}
