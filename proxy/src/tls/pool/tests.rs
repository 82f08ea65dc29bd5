use loka_api::Secret;
use loka_api::runtime_config::TlsVersion;
use loka_stratum::types::UnixTime as Wall;
use tokio::io::duplex;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::tls::Terms;
use crate::tls::tests::{pair, wanted};

/// 2026, and after the end of the certificates of `pair`.
const NOW: u32 = 1_795_564_800;
const IN_2032: u32 = 1_956_528_000;

fn by_ca(pem: &str) -> PoolTls {
    PoolTls { ca_pem: Some(Secret::new(pem)), ..PoolTls::default() }
}

#[test]
fn what_cannot_be_used_is_refused() {
    let ((certificate, key), (_, other)) = (pair(), pair());
    let shown = |certificate: &str, key: &str| PoolTls {
        client_certificate: Some(ClientCertificate {
            certificate_pem: Secret::new(certificate),
            key_pem: Secret::new(key),
        }),
        ..PoolTls::default()
    };
    let named = |name: &str| PoolTls { server_name: Some(name.into()), ..PoolTls::default() };
    let cases = [
        (by_ca(""), TlsError::NoAuthority),
        (by_ca(&key), TlsError::NoAuthority),
        (by_ca(&certificate.repeat(AUTHORITIES_MAX + 1)), TlsError::ManyAuthorities),
        (shown(&certificate, &other), TlsError::Mismatch),
        (shown("", &key), TlsError::NoCertificate),
        (shown(&certificate, ""), TlsError::NoKey),
        (PoolTls { pins: vec!["0a".repeat(31)], ..PoolTls::default() }, TlsError::Pin),
        (PoolTls { pins: vec!["0g".repeat(32)], ..PoolTls::default() }, TlsError::Pin),
        (named("a b"), TlsError::ServerName),
    ];
    for (wanted, expected) in cases {
        let error = PoolTerms::new(&wanted, Clock::System).expect_err("unusable");
        assert_eq!(error, expected);
        assert!(!error.remedy().is_empty());
    }
    let whole = PoolTls {
        server_name: Some("pool.test".into()),
        pins: vec!["0a".repeat(32)],
        min_version: TlsVersion::Tls13,
        ..shown(&certificate, &key)
    };
    for wanted in [whole, by_ca(&certificate), PoolTls::default()] {
        PoolTerms::new(&wanted, Clock::System).expect("usable");
    }
}

#[test]
fn there_are_public_authorities_and_no_more_than_may_be() {
    assert!((50..AUTHORITIES_MAX).contains(&public_authorities().len()));
}

/// A handshake with a server that shows `certificate`, by a clock that shows `unix`.
async fn handshake(wanted_of_pool: PoolTls, shown: (&str, &str), unix: u32) -> Result<(), Fault> {
    let server = Terms::new(&wanted(shown.0, shown.1)).expect("a pair").config;
    let (ours, theirs) = duplex(64 * 1024);
    let served = async { TlsAcceptor::from(server).accept(theirs).await };
    let terms = PoolTerms::new(&wanted_of_pool, Clock::starting_at(Wall(unix))).expect("terms");
    let (done, _) = tokio::join!(terms.connect("proxy.test", ours), served);
    done.map(drop).map_err(|failure| failure.fault)
}

#[tokio::test]
async fn a_certificate_is_judged_by_authority_name_and_the_proxys_own_clock() {
    let ((certificate, key), (other, _)) = (pair(), pair());
    let shown = (certificate.as_str(), key.as_str());
    let named = PoolTls { server_name: Some("pool.test".into()), ..by_ca(&certificate) };
    assert_eq!(handshake(by_ca(&certificate), shown, NOW).await, Ok(()));
    assert_eq!(handshake(by_ca(&certificate), shown, IN_2032).await, Err(Fault::Dates));
    assert_eq!(handshake(by_ca(&other), shown, NOW).await, Err(Fault::Authority));
    assert_eq!(handshake(PoolTls::default(), shown, NOW).await, Err(Fault::Authority));
    assert_eq!(handshake(named, shown, NOW).await, Err(Fault::Name));
}

#[tokio::test]
async fn a_pin_alone_is_all_that_is_looked_at_and_with_authorities_both_hold() {
    let ((certificate, key), (other, _)) = (pair(), pair());
    let shown = (certificate.as_str(), key.as_str());
    let pins = [&certificate, &other].map(|pem| {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
        vec![hex::encode(&Sha256::digest(der))]
    });
    let [right, wrong] = pins;
    let pinned = |pins: &Vec<String>, ca: Option<&str>| PoolTls {
        pins: pins.clone(),
        ca_pem: ca.map(Secret::new),
        server_name: ca.is_none().then(|| "another.test".into()),
        ..PoolTls::default()
    };
    assert_eq!(handshake(pinned(&right, None), shown, IN_2032).await, Ok(()), "name, dates");
    assert_eq!(handshake(pinned(&wrong, None), shown, NOW).await, Err(Fault::Pin));
    let both = |pins, ca| handshake(pinned(pins, Some(ca)), shown, NOW);
    assert_eq!(both(&right, &certificate).await, Ok(()));
    assert_eq!(both(&wrong, &certificate).await, Err(Fault::Pin));
    assert_eq!(both(&right, &other).await, Err(Fault::Authority));
}
