//! The certificates of a cluster that lives for one run of tests.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use serde_json::json;

/// An authority, and the directory with everything that it has issued.
#[derive(Debug)]
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
}

/// Whom a client's certificate names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) user: &'a str,
    pub(super) group: Option<&'a str>,
}

/// Who may do everything.
pub(super) const ADMIN: Subject<'static> = Subject { user: "admin", group: Some("system:masters") };

// === impl Authority ===

impl Authority {
    /// A new authority, and a key pair for the tokens of service accounts: `ca.crt`, `sa.key` and `sa.pub`.
    pub(super) fn new(directory: PathBuf) -> Self {
        fs::create_dir_all(&directory).expect("a directory for certificates");
        let mut params = params("loka-test-ca", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("an authority");
        let authority = Self { issuer, directory };
        authority.write("ca.crt", &authority.issuer.pem());
        let accounts = key();
        authority.write("sa.key", &accounts.serialize_pem());
        authority.write("sa.pub", &accounts.public_key_pem());
        authority
    }

    /// A server's certificate and key: `NAME.crt` and `NAME.key`.
    pub(super) fn server(&self, name: &str, names: &[String]) {
        let usage = ExtendedKeyUsagePurpose::ServerAuth;
        let (certificate, key) = self.issue(params(name, names), usage);
        self.write(&format!("{name}.crt"), &certificate);
        self.write(&format!("{name}.key"), &key);
    }

    /// A client's certificate and key, alone and in a kubeconfig for the API server at `server`: `NAME.crt`, `NAME.key`
    /// and `NAME.kubeconfig`.
    pub(super) fn client(&self, name: &str, subject: Subject<'_>, server: &str) -> PathBuf {
        let mut params = params(subject.user, &[]);
        if let Some(group) = subject.group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        let (certificate, key) = self.issue(params, ExtendedKeyUsagePurpose::ClientAuth);
        let (certificate, key) = (
            self.write(&format!("{name}.crt"), &certificate),
            self.write(&format!("{name}.key"), &key),
        );
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": self.path("ca.crt")}}],
            "users": [{"name": "test", "user": {"client-certificate": certificate, "client-key": key}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        });
        self.write(&format!("{name}.kubeconfig"), &config.to_string())
    }

    /// The path of a file of this authority.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> (String, String) {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.path(file);
        fs::write(&path, text).expect("a file");
        path
    }
}

/// The names by which the API server is called from anywhere.
pub(super) fn api_server_names(addresses: &[IpAddr]) -> Vec<String> {
    let names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    let names = names.map(str::to_owned).into_iter();
    names.chain(addresses.iter().map(ToString::to_string)).collect()
}

fn params(name: &str, names: &[String]) -> CertificateParams {
    let mut params = CertificateParams::new(names).expect("names of a certificate");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
