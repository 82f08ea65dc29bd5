//! The certificates and keys themselves: made, read from the Secret's data and written to it.
//!
//! The Secret holds the bundle that pods trust (`ca.crt`: the one that signs first), the key of the
//! one that signs (`ca.key`) and, in an overlap, the key of the one that will (`next.key`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};
use tokio_rustls::rustls::crypto::ring::sign::any_ecdsa_type;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::plan::{Life, Stored, later};

/// Key of the Secret that holds the bundle.
pub(super) const BUNDLE_KEY: &str = "ca.crt";
/// Key of the Secret that holds the private key that signs.
pub(super) const SIGNING_KEY: &str = "ca.key";
/// Key of the Secret that holds the private key that will sign.
pub(super) const NEXT_KEY: &str = "next.key";

const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);
const SERVING_LIFE: SignedDuration = SignedDuration::from_hours(24);
/// Certificates begin a little before they are made, for pods whose clock is behind.
const BACKDATED: SignedDuration = SignedDuration::from_mins(5);
/// One that signs, one that will, and those before that have not expired: at the usual lives three.
const CERTIFICATES_MAX: usize = 8;
const END_OF_CERTIFICATE: &str = "-----END CERTIFICATE-----";

/// What the Secret holds.
#[derive(Debug)]
pub(super) struct Material {
    current: Ca,
    next: Option<Ca>,
    /// Trusted until they expire; their keys are gone.
    previous: Vec<Root>,
}

/// A certificate that the operator serves with.
pub(super) struct Issued {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) life: Life,
    /// Public key of the authority that signed it.
    pub(super) signer: Vec<u8>,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum MaterialError {
    #[error("its key {key} is missing")]
    Missing { key: &'static str },
    #[error("its key {key} is no text in PEM: {why}")]
    Malformed { key: &'static str, why: String },
    #[error("its key {key} belongs to no certificate of {BUNDLE_KEY}")]
    Stranger { key: &'static str },
    #[error("its key {BUNDLE_KEY} holds more than {CERTIFICATES_MAX} certificates")]
    TooMany,
    #[error("no certificate could be made: {0}")]
    Make(String),
}

struct Ca {
    root: Root,
    key: KeyPair,
}

struct Root {
    pem: String,
    der: CertificateDer<'static>,
    life: Life,
    public_key: Vec<u8>,
}

// === impl Material ===

impl Material {
    /// A first authority.
    pub(super) fn create(name: &str, now: Timestamp) -> Result<Self, MaterialError> {
        Ok(Self { current: Ca::create(name, now)?, next: None, previous: Vec::new() })
    }

    /// The same with one that will sign.
    pub(super) fn with_next(mut self, name: &str, now: Timestamp) -> Result<Self, MaterialError> {
        self.next = Some(Ca::create(name, now)?);
        Ok(self)
    }

    /// The next one signs; the one before is trusted on, and its key forgotten.
    pub(super) fn promoted(self) -> Self {
        let Self { current, next, mut previous } = self;
        let Some(next) = next else { return Self { current, next: None, previous } };
        previous.push(current.root);
        Self { current: next, next: None, previous }
    }

    /// Reads what [`Self::to_data`] wrote.
    pub(super) fn from_data(data: &BTreeMap<String, ByteString>) -> Result<Self, MaterialError> {
        let mut roots = Root::read_all(text(data, BUNDLE_KEY)?)?;
        let mut take = |key: &'static str| -> Result<Ca, MaterialError> {
            let pair = KeyPair::from_pem(text(data, key)?)
                .map_err(|error| MaterialError::Malformed { key, why: error.to_string() })?;
            let public = pair.subject_public_key_info();
            let place = roots.iter().position(|root| root.public_key == public);
            let place = place.ok_or(MaterialError::Stranger { key })?;
            Ok(Ca { root: roots.remove(place), key: pair })
        };
        let current = take(SIGNING_KEY)?;
        let next = data.contains_key(NEXT_KEY).then(|| take(NEXT_KEY)).transpose()?;
        Ok(Self { current, next, previous: roots })
    }

    /// The data of the Secret.
    pub(super) fn to_data(&self, now: Timestamp) -> BTreeMap<String, ByteString> {
        let bytes = |text: String| ByteString(text.into_bytes());
        let mut data = BTreeMap::from([
            (BUNDLE_KEY.to_owned(), bytes(self.bundle(now))),
            (SIGNING_KEY.to_owned(), bytes(self.current.key.serialize_pem())),
        ]);
        if let Some(next) = &self.next {
            data.insert(NEXT_KEY.to_owned(), bytes(next.key.serialize_pem()));
        }
        data
    }

    /// What pods are to trust: the one that signs first, none that has expired but that one.
    pub(super) fn bundle(&self, now: Timestamp) -> String {
        let Self { current, next, previous } = self;
        let others = next.iter().map(|next| &next.root).chain(previous);
        let valid = others.filter(|root| !root.life.is_over(now));
        std::iter::once(&current.root).chain(valid).map(|root| root.pem.as_str()).collect()
    }

    /// What the plan is made from.
    pub(super) fn lives(&self) -> Stored {
        let Self { current, next, previous: _ } = self;
        Stored { current: current.root.life, next: next.as_ref().map(|next| next.root.life) }
    }

    /// Whether `issued` was signed by another authority than the one that signs now.
    pub(super) fn has_replaced_signer_of(&self, issued: &Issued) -> bool {
        self.current.root.public_key != issued.signer
    }

    /// A certificate to serve under `names`. Its key is nowhere but in it.
    pub(super) fn issue(&self, names: &[String], now: Timestamp) -> Result<Issued, MaterialError> {
        let Ca { root, key: authority_key } = &self.current;
        let life = Life {
            from: later(now, -BACKDATED).max(root.life.from),
            until: later(now, SERVING_LIFE).min(root.life.until),
        };
        let key = KeyPair::generate().map_err(make)?;
        let mut params = CertificateParams::new(names).map_err(make)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        limit(&mut params, life);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_der(&root.der, authority_key).map_err(make)?;
        let certificate = params.signed_by(&key, &issuer).map_err(make)?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = any_ecdsa_type(&private).map_err(|e| MaterialError::Make(e.to_string()))?;
        let certified = CertifiedKey::new(vec![certificate.der().clone()], signing);
        Ok(Issued { certified: Arc::new(certified), life, signer: root.public_key.clone() })
    }
}

// === impl Ca ===

impl Ca {
    fn create(name: &str, now: Timestamp) -> Result<Self, MaterialError> {
        let key = KeyPair::generate().map_err(make)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        // The time tells two of them apart for a human; machines go by the key.
        params.distinguished_name.push(DnType::CommonName, format!("{name} {now:.0}"));
        limit(
            &mut params,
            Life { from: later(now, -BACKDATED), until: later(now, AUTHORITY_LIFE) },
        );
        // It signs certificates of servers, and no further authority.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).map_err(make)?;
        Ok(Self { root: Root::read(certificate.pem())?, key })
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, key: _ } = self;
        f.debug_struct("Ca").field("root", root).finish_non_exhaustive()
    }
}

// === impl Root ===

impl Root {
    fn read_all(bundle: &str) -> Result<Vec<Self>, MaterialError> {
        let blocks = bundle.split_inclusive(END_OF_CERTIFICATE).map(str::trim);
        let blocks: Vec<&str> = blocks.filter(|block| !block.is_empty()).collect();
        if blocks.len() > CERTIFICATES_MAX {
            return Err(MaterialError::TooMany);
        }
        blocks.into_iter().map(|block| Self::read(format!("{block}\n"))).collect()
    }

    fn read(pem: String) -> Result<Self, MaterialError> {
        let malformed = |why: String| MaterialError::Malformed { key: BUNDLE_KEY, why };
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| malformed(error.to_string()))?;
        let (_, parsed) =
            X509Certificate::from_der(&der).map_err(|error| malformed(error.to_string()))?;
        let second = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_second(time.timestamp()).map_err(|error| malformed(error.to_string()))
        };
        let life = Life {
            from: second(parsed.validity().not_before)?,
            until: second(parsed.validity().not_after)?,
        };
        let public_key = parsed.public_key().raw.to_vec();
        Ok(Self { pem, life, public_key, der })
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pem: _, der: _, life, public_key: _ } = self;
        f.debug_struct("Root").field("life", life).finish_non_exhaustive()
    }
}

fn text<'a>(
    data: &'a BTreeMap<String, ByteString>,
    key: &'static str,
) -> Result<&'a str, MaterialError> {
    let ByteString(bytes) = data.get(key).ok_or(MaterialError::Missing { key })?;
    str::from_utf8(bytes).map_err(|error| MaterialError::Malformed { key, why: error.to_string() })
}

fn make(error: rcgen::Error) -> MaterialError {
    MaterialError::Make(error.to_string())
}

/// Lets it be valid for `life`. rcgen has another kind of time, reached here through its epoch.
fn limit(params: &mut CertificateParams, life: Life) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let since = |time: Timestamp| Duration::from_secs(time.as_second().try_into().unwrap_or(0));
    params.not_before = epoch + since(life.from);
    params.not_after = epoch + since(life.until);
}
