use loka_api::Secret;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

/// A certificate of its own issuer, with its key, both in PEM.
pub(crate) fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["proxy.test".to_owned()]).unwrap();
    params.not_after = date_time_ymd(2031, 1, 31);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

pub(crate) fn wanted(certificate: &str, key: &str) -> ListenerTls {
    ListenerTls {
        certificate_pem: Secret::new(certificate),
        key_pem: Secret::new(key),
        min_version: TlsVersion::Tls12,
    }
}

#[test]
fn a_pair_is_taken_and_its_end_is_known() {
    let (certificate, key) = pair();
    // As `kubectl create secret tls` takes it: with text around, and the issuer's behind.
    let chain = format!("subject=proxy.test\n{certificate}\n{}", pair().0);
    let terms = Terms::new(&wanted(&chain, &key)).unwrap();
    assert_eq!(terms.not_after, Some(1_927_584_000));
}

#[test]
fn what_cannot_be_served_is_refused_without_showing_it() {
    let ((certificate, key), (other, _)) = (pair(), pair());
    let cut = |pem: &str| pem.chars().take(pem.len() / 2).collect::<String>();
    let not_x509 = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let not_a_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let cases = [
        (other.clone(), key.clone(), TlsError::Mismatch),
        (format!("{other}{certificate}"), key.clone(), TlsError::Mismatch),
        (String::new(), key.clone(), TlsError::NoCertificate),
        (key.clone(), key.clone(), TlsError::NoCertificate),
        (cut(&certificate), key.clone(), TlsError::NoCertificate),
        (certificate.repeat(CHAIN_MAX + 1), key.clone(), TlsError::LongChain),
        (certificate.clone(), String::new(), TlsError::NoKey),
        (certificate.clone(), certificate.clone(), TlsError::NoKey),
        (certificate.clone(), cut(&key), TlsError::NoKey),
        (certificate.clone(), key.replace("PRIVATE", "ENCRYPTED PRIVATE"), TlsError::NoKey),
        (certificate.clone(), not_a_key.to_owned(), TlsError::Key),
    ];
    for (certificate, key, expected) in cases {
        assert_eq!(Terms::new(&wanted(&certificate, &key)).unwrap_err(), expected, "{certificate}");
    }
    let error = Terms::new(&wanted(not_x509, &key)).unwrap_err();
    assert!(matches!(error, TlsError::Certificate(_)), "{error}");
}

#[test]
fn the_oldest_version_is_that_of_the_document() {
    assert_eq!(versions(TlsVersion::Tls12).len(), 2);
    assert_eq!(versions(TlsVersion::Tls13), [&TLS13]);
}
