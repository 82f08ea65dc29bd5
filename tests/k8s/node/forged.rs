//! ServiceAccount tokens that the API server would not make, signed with its own key: expired ones, and ones that claim the
//! pod of somebody else.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::Value;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

/// The same token with other claims; `None` where the key is not ours to have.
pub(crate) fn forged(token: &str, change: impl FnOnce(&mut Value)) -> Option<String> {
    let key = find(Path::new(&env::var_os("LOKA_FABRIC")?))?;
    let key = PrivatePkcs8KeyDer::from_pem_file(key).expect("a key");
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pair =
        EcdsaKeyPair::from_pkcs8(algorithm, key.secret_pkcs8_der(), &random).expect("a pair");

    let parts: Vec<&str> = token.split('.').collect();
    let claims = URL_SAFE_NO_PAD.decode(parts[1]).expect("base64");
    let mut claims: Value = serde_json::from_slice(&claims).expect("JSON");
    change(&mut claims);
    let signed = format!("{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = pair.sign(&random, signed.as_bytes()).expect("a signature");
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The key that the cluster of this run signs tokens with.
fn find(directory: &Path) -> Option<PathBuf> {
    let entries: Vec<PathBuf> =
        fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path()).collect();
    let here = entries.iter().find(|path| path.ends_with("sa.key")).cloned();
    here.or_else(|| entries.iter().filter(|path| path.is_dir()).find_map(|path| find(path)))
}
