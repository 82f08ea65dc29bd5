//! How the connection to a pool is made: what its certificate is checked by, what it is shown, and
//! by way of whom it is reached.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    names,
    rules::{object_name, rules},
    stratum_proxy::TlsVersion,
    values::{HOST_PORT_PATTERN, PIN_PATTERN},
};

/// TLS towards the pool, beyond what a stratum+ssl:// address means by itself: TLS 1.2 or newer,
/// with a certificate for the host of the address by a public authority.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolTls {
    /// The Secret with the authorities that the pool's certificate must come from, instead of the
    /// public ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecretRef>,

    /// The Secret with the certificate that the pool is shown, and its private key. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_secret_ref: Option<ClientCertificateRef>,

    /// Fingerprints, up to 8: `sha256:` and the SHA-256 of the pool's own certificate (DER), or of
    /// its public key (SubjectPublicKeyInfo), in hex. The certificate must have one of them.
    /// Without caSecretRef that is all that is looked at: its issuer, its name and its dates are
    /// not. With caSecretRef both must hold. Absent: any certificate of the authorities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[schemars(inner(length(min = 1, max = 102)))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        &format!("self.all(pin, pin.matches('{PIN_PATTERN}'))"),
        "a pin is not sha256: and 64 hex digits; write what `openssl x509 -noout -fingerprint \
         -sha256` shows, like sha256:4F:C6:…, or without colons",
    )])))]
    pub pins: Vec<String>,

    /// The name that the certificate must be for, where that is not the host of the address. It is
    /// also the name that the pool is asked for (SNI). Absent: the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.matches('^[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?$')",
        "is no name that a certificate can be for; write it like pool.example.com",
    )])))]
    pub server_name: Option<String>,

    /// The oldest version of TLS that is spoken with the pool. Default TLS1_2.
    pub min_version: TlsVersion,
}

/// A key of a Secret with certificates of authorities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaSecretRef {
    /// Name of the Secret, in the namespace of the StratumPool.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = object_name("Secret")))]
    pub name: String,

    /// Key in its data: certificates in PEM. Default ca.crt. Outside a cluster the environment
    /// variable `STRATUM_SECRET_<NAME>_<KEY>` may stand in for the Secret.
    #[serde(default = "default_ca_key")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = rules([(
        "self.matches('^[A-Za-z0-9._-]+$')",
        "is not a key that a Secret can have; write letters, digits and . _ -",
    )])))]
    pub key: String,
}

fn default_ca_key() -> String {
    names::CA_KEY.to_owned()
}

/// A Secret of type kubernetes.io/tls in the namespace of the StratumPool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificateRef {
    /// Name of the Secret, in the namespace of the StratumPool. Its keys are tls.crt, the chain in
    /// PEM with our own certificate first, and tls.key, the private key in PEM. Outside a cluster
    /// the environment variables `STRATUM_SECRET_<NAME>_TLS_CRT` and
    /// `STRATUM_SECRET_<NAME>_TLS_KEY` may stand in for it.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = object_name("Secret")))]
    pub name: String,
}

/// By way of whom the pool is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolProxy {
    /// A SOCKS5 server, as `HOST:PORT`. It resolves the pool's name; nobody else is asked for it.
    #[schemars(length(min = 1, max = 270))]
    #[schemars(extend("x-kubernetes-validations" = socks5_rules()))]
    pub socks5: String,

    /// The Secret with the login at the SOCKS5 server. Absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<ProxyCredentialsRef>,
}

/// A Secret of type kubernetes.io/basic-auth in the namespace of the StratumPool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyCredentialsRef {
    /// Name of the Secret, in the namespace of the StratumPool. Its keys are username and password.
    /// Outside a cluster the environment variables `STRATUM_SECRET_<NAME>_USERNAME` and
    /// `STRATUM_SECRET_<NAME>_PASSWORD` may stand in for it.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = object_name("Secret")))]
    pub name: String,
}

fn socks5_rules() -> serde_json::Value {
    let shape = format!(
        "self.matches('^{HOST_PORT_PATTERN}$') && isURL('socks5://' + self) && \
         int(url('socks5://' + self).getPort()) >= 1 && \
         int(url('socks5://' + self).getPort()) <= 65535"
    );
    rules([(
        &shape,
        "must be HOST:PORT with a port from 1 to 65535; write it like socks.example.com:1080",
    )])
}
