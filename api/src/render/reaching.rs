//! How a pool is reached: TLS with what its certificate is checked by, and a SOCKS server. Whether
//! a Secret holds certificates is for the proxy to say, which has the means.

use crate::{
    names,
    runtime_config::{ClientCertificate, PoolTls, Socks5, Socks5Login},
    secrets::{Secret, SecretRef, SecretSource},
    stratum_pool::{self as spec, StratumPoolSpec},
    stratum_proxy::TlsVersion,
    values::{HostPort, pin},
};

use super::{
    draft::{At, Draft},
    secret,
};

/// The longest name, and the longest password, that a SOCKS5 server can be told (RFC 1929).
const SOCKS5_LOGIN_BYTES_MAX: usize = 255;

/// What a pool with a stratum+ssl:// address is checked by; `to` is its place in the config.
pub(super) fn tls(
    draft: &mut Draft<'_, StratumPoolSpec>,
    secrets: &dyn SecretSource,
    to: &str,
) -> PoolTls {
    let at = At::new("spec.tls", format!("{to}.tls"));
    let wanted = draft.document.spec.tls.clone().unwrap_or_default();
    let spec::PoolTls {
        ca_secret_ref,
        client_certificate_secret_ref,
        pins,
        server_name,
        min_version,
    } = wanted;
    let version = match min_version {
        TlsVersion::Tls12 => "TLS1_2",
        TlsVersion::Tls13 => "TLS1_3",
    };
    draft.text(&at.field("minVersion"), version);
    let mut find = |from: &str, to: &str, (name, key): (&str, &str), chosen: secret::Key| {
        let at = at.renamed(from, to);
        let namespace = draft.document.namespace.clone();
        let reference = SecretRef { namespace, name: name.to_owned(), key: key.to_owned() };
        let wanted = secret::Wanted { at: &at, reference, key: chosen };
        secret::find(draft, secrets, wanted).unwrap_or_else(|| Secret::new(""))
    };
    let ca_pem = ca_secret_ref.map(|spec::CaSecretRef { name, key }| {
        find("caSecretRef", "caPem", (&name, &key), secret::Key::Named)
    });
    let client_certificate = client_certificate_secret_ref.map(|reference| {
        let spec::ClientCertificateRef { name } = reference;
        let mut part = |key: &str, to: &str| {
            let to = format!("clientCertificate.{to}");
            find("clientCertificateSecretRef", &to, (&name, key), secret::Key::Fixed)
        };
        ClientCertificate {
            certificate_pem: part(names::TLS_CERTIFICATE_KEY, "certificatePem"),
            key_pem: part(names::TLS_PRIVATE_KEY_KEY, "keyPem"),
        }
    });
    let server_name = server_name.map(|name| draft.text(&at.field("serverName"), &name));
    let pins = pins.iter().enumerate();
    let pins = pins.map(|(index, text)| fingerprint(draft, &at.item("pins", index), text));
    PoolTls { server_name, ca_pem, client_certificate, pins: pins.collect(), min_version }
}

fn fingerprint(draft: &mut Draft<'_, StratumPoolSpec>, at: &At, text: &str) -> String {
    match pin(text) {
        Some(pin) => draft.text(at, &pin),
        None => {
            let remedy = "write what `openssl x509 -noout -fingerprint -sha256` shows";
            draft.refuse_value(&at.from, text, "is not sha256: and 64 hex digits", remedy);
            String::new()
        }
    }
}

/// The SOCKS server of a pool whose place in the config is `at`.
pub(super) fn socks5(
    draft: &mut Draft<'_, StratumPoolSpec>,
    secrets: &dyn SecretSource,
    at: &At,
) -> Option<Socks5> {
    let spec::PoolProxy { socks5, credentials_secret_ref } = draft.document.spec.proxy.as_ref()?;
    let at = At::new("spec.proxy", at.field("socks5").to);
    let address_at = At::new("spec.proxy.socks5", format!("{}.host", at.to));
    let HostPort { host, port } = HostPort::parse(socks5).unwrap_or_else(|| {
        let remedy = "write it like socks.example.com:1080";
        draft.refuse_value(&address_at.from, socks5, "is not HOST:PORT", remedy);
        HostPort { host: String::new(), port: 0 }
    });
    draft.text(&address_at, &host);
    draft.text(&At::new("spec.proxy.socks5", format!("{}.port", at.to)), &port.to_string());
    let login = credentials_secret_ref.as_ref().map(|spec::ProxyCredentialsRef { name }| {
        let mut find = |key: &str| {
            let at = at.renamed("credentialsSecretRef", &format!("login.{key}"));
            let namespace = draft.document.namespace.clone();
            let reference = SecretRef { namespace, name: name.clone(), key: key.to_owned() };
            let wanted = secret::Wanted { at: &at, reference, key: secret::Key::Fixed };
            let found = secret::find(draft, secrets, wanted);
            found.map_or_else(|| Secret::new(""), |secret| sayable(draft, &at, key, &secret))
        };
        Socks5Login { username: find(names::USERNAME_KEY), password: find(names::PASSWORD_KEY) }
    });
    Some(Socks5 { host, port, login })
}

/// A line break at the end is an editor's, never meant.
fn sayable(draft: &mut Draft<'_, StratumPoolSpec>, at: &At, key: &str, secret: &Secret) -> Secret {
    let text = secret.expose().trim_end_matches(['\n', '\r']);
    if text.is_empty() || text.len() > SOCKS5_LOGIN_BYTES_MAX {
        let message =
            format!("{key} in the Secret is not 1 to {SOCKS5_LOGIN_BYTES_MAX} bytes long");
        draft.refuse(&at.from, &message, "correct the Secret: SOCKS5 can tell no other");
    }
    Secret::new(text)
}
