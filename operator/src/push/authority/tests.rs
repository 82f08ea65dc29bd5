//! The plan by a table and by years of it; the certificates by what a proxy checks; the Secret by two replicas.

use std::collections::VecDeque;

use jiff::SignedDuration;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::material::{BUNDLE_KEY, NEXT_KEY, SIGNING_KEY};
use super::plan::{Life, OVERLAP, Stored};
use super::*;
use crate::push::tests::api::FakeApi;

const NAME: &str = "stratum-operator-ca";

fn day(number: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + number * 86_400).unwrap()
}

fn life(from: i64, until: i64) -> Life {
    Life { from: day(from), until: day(until) }
}

#[test]
fn the_plan() {
    let year = life(0, 360);
    let keep = |until| Step::Keep { until: day(until) };
    let cases = [
        // day, what signs, what will, what is to be done
        (0, None, None, Step::Create),
        (0, Some(year), None, keep(240)),
        (239, Some(year), None, keep(240)),
        (240, Some(year), None, Step::AddNext),
        (359, Some(year), None, Step::AddNext),
        (360, Some(year), None, Step::Create),
        (240, Some(year), Some(life(240, 600)), keep(247)),
        (246, Some(year), Some(life(240, 600)), keep(247)),
        (247, Some(year), Some(life(240, 600)), Step::Promote),
        // Added so late that the overlap is cut short: by the end, waiting helps nobody.
        (358, Some(year), Some(life(358, 718)), keep(360)),
        (360, Some(year), Some(life(358, 718)), Step::Promote),
        // The operator was away for years.
        (800, Some(year), Some(life(240, 600)), Step::Create),
        (300, Some(year), Some(life(200, 300)), Step::AddNext),
        // A short life has a short overlap.
        (5, Some(life(0, 6)), Some(life(4, 10)), Step::Promote),
        (4, Some(life(0, 6)), Some(life(4, 10)), keep(5)),
        // From a clock that was ahead: it is not ours to judge.
        (0, Some(life(5, 365)), None, keep(245)),
    ];
    for (now, current, next, expected) in cases {
        let stored = current.map(|current| Stored { current, next });
        assert_eq!(plan(day(now), stored.as_ref()), expected, "day {now}: {stored:?}");
    }
}

/// Carries out the plan, as the Secret would be written.
fn settle(mut material: Option<Material>, now: Timestamp) -> Material {
    for _ in 0..STEPS_MAX {
        let step = plan(now, material.as_ref().map(Material::lives).as_ref());
        material = Some(match (step, material) {
            (Step::Keep { .. }, Some(material)) => return material,
            (Step::AddNext, Some(material)) => material.with_next(NAME, now).unwrap(),
            (Step::Promote, Some(material)) => material.promoted(),
            (Step::Create, _) | (_, None) => Material::create(NAME, now).unwrap(),
        });
    }
    panic!("the plan does not end")
}

/// Whether a proxy with this bundle accepts the certificate.
fn accepts(bundle: &str, issued: &Issued, name: &str, now: Timestamp) -> bool {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now.as_second().try_into().unwrap()));
    let certificate = issued.certified.end_entity_cert().unwrap();
    verifier.build().unwrap().verify_server_cert(certificate, &[], &name, &[], now).is_ok()
}

#[test]
fn for_years_no_certificate_is_served_that_a_week_old_bundle_refuses() {
    let names = ["op.ns.svc".to_owned()];
    let step = SignedDuration::from_hours(6);
    let remembered = usize::try_from(OVERLAP.as_hours() / step.as_hours()).unwrap() - 1;
    let mut bundles = VecDeque::new();
    let mut material = None;
    let mut issued: Option<Issued> = None;
    let mut signers = Vec::new();
    let mut now = day(0);
    while now < day(3 * 365) {
        let settled = settle(material, now);
        let is_stale = issued.as_ref().is_none_or(|issued| {
            now >= issued.life.two_thirds() || settled.has_replaced_signer_of(issued)
        });
        if is_stale {
            issued = Some(settled.issue(&names, now).unwrap());
        }
        bundles.push_back(settled.bundle(now));
        if bundles.len() > remembered {
            bundles.pop_front();
        }
        let served = issued.as_ref().unwrap();
        if !signers.contains(&served.signer) {
            signers.push(served.signer.clone());
        }
        let (oldest, newest) = (bundles.front().unwrap(), bundles.back().unwrap());
        assert!(accepts(oldest, served, "op.ns.svc", now), "with the oldest bundle, {now}");
        assert!(accepts(newest, served, "op.ns.svc", now), "with the newest bundle, {now}");
        // As another replica reads it.
        material = Some(Material::from_data(&settled.to_data(now)).unwrap());
        now += step;
    }
    assert_eq!(signers.len(), 5, "one more about every 250 days");
}

#[test]
fn a_certificate_is_for_its_names_and_its_time_alone() {
    let now = day(0);
    let material = Material::create(NAME, now).unwrap();
    let issued = material.issue(&["op.ns.svc".to_owned()], now).unwrap();
    let bundle = material.bundle(now);
    assert!(accepts(&bundle, &issued, "op.ns.svc", now));
    assert!(accepts(&bundle, &issued, "op.ns.svc", now - SignedDuration::from_mins(4)));
    assert!(!accepts(&bundle, &issued, "other.ns.svc", now));
    assert!(!accepts(&bundle, &issued, "op.ns.svc", now + SignedDuration::from_hours(25)));
    let other = Material::create(NAME, now).unwrap();
    assert!(!accepts(&other.bundle(now), &issued, "op.ns.svc", now));
}

#[test]
fn keys_are_in_the_secret_and_in_nothing_that_is_shown() {
    let now = day(0);
    let material = Material::create(NAME, now).unwrap().with_next(NAME, now).unwrap();
    let data = material.to_data(now);
    for key in [SIGNING_KEY, NEXT_KEY] {
        let pem = str::from_utf8(&data[key].0).unwrap();
        assert!(pem.contains("PRIVATE KEY"));
        let secret = pem.lines().nth(1).unwrap();
        for shown in [format!("{material:?}"), format!("{material:#?}"), material.bundle(now)] {
            assert!(!shown.contains(secret) && !shown.contains("PRIVATE"), "{shown}");
        }
    }
    let bundle = str::from_utf8(&data[BUNDLE_KEY].0).unwrap();
    assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 2);
    // What signed is trusted until it expires, and its key is gone at once.
    let promoted = material.promoted();
    let data = promoted.to_data(now);
    assert_eq!(data.keys().collect::<Vec<_>>(), [BUNDLE_KEY, SIGNING_KEY]);
    assert_eq!(promoted.bundle(now).matches("BEGIN CERTIFICATE").count(), 2);
    assert_eq!(promoted.bundle(day(365)).matches("BEGIN CERTIFICATE").count(), 1);
}

#[test]
fn a_secret_that_was_tampered_with_is_named_and_not_used() {
    let now = day(0);
    let data = Material::create(NAME, now).unwrap().to_data(now);
    let others = Material::create(NAME, now).unwrap().to_data(now);
    let with = |key: &str, value: Option<k8s_openapi::ByteString>| {
        let mut data = data.clone();
        data.remove(key);
        data.extend(value.map(|value| (key.to_owned(), value)));
        Material::from_data(&data).unwrap_err().to_string()
    };
    let text = |text: &str| Some(k8s_openapi::ByteString(text.as_bytes().to_vec()));
    let bundle = String::from_utf8(data[BUNDLE_KEY].0.clone()).unwrap();
    assert_eq!(with(SIGNING_KEY, None), "its key ca.key is missing");
    assert_eq!(with(BUNDLE_KEY, None), "its key ca.crt is missing");
    let stranger = "its key ca.key belongs to no certificate of ca.crt";
    assert_eq!(with(SIGNING_KEY, Some(others[SIGNING_KEY].clone())), stranger);
    assert!(with(SIGNING_KEY, text("x")).starts_with("its key ca.key is no text in PEM"));
    assert!(with(BUNDLE_KEY, text("x")).starts_with("its key ca.crt is no text in PEM"));
    let many = bundle.repeat(9);
    assert_eq!(with(BUNDLE_KEY, text(&many)), "its key ca.crt holds more than 8 certificates");
}

fn replica(api: &FakeApi) -> (Authority, watch::Receiver<String>, Certificate) {
    let args = AuthorityArgs {
        namespace: "loka-system".to_owned(),
        operator: "stratum-operator".to_owned(),
        service: "stratum-operator".to_owned(),
    };
    Authority::new(api.client(), args)
}

#[tokio::test]
async fn replicas_that_start_at_once_share_one_authority() {
    let api = FakeApi::default();
    let (mut first, first_bundle, first_certificate) = replica(&api);
    let (mut second, second_bundle, second_certificate) = replica(&api);
    let (one, two) = tokio::join!(first.turn(day(0)), second.turn(day(0)));
    assert_eq!((one.unwrap(), two.unwrap()), (READ_EVERY, READ_EVERY));
    assert_eq!(api.state().conflicts, 1, "they did start at once");
    let bundle = first_bundle.borrow().clone();
    assert_eq!(bundle, *second_bundle.borrow());
    let name = "stratum-operator.loka-system.svc";
    for replica in [&first, &second] {
        assert!(accepts(&bundle, replica.issued.as_ref().unwrap(), name, day(0)));
    }
    let (one, two) = (first_certificate.current().unwrap(), second_certificate.current().unwrap());
    assert_ne!(one.cert, two.cert, "each has a certificate of its own");
    assert!(!format!("{first:?} {first_certificate:?}").contains("PRIVATE"));

    // Both renew at once, and promote at once.
    for (at, certificates) in [(244, 2), (252, 2), (366, 1)] {
        let (one, two) = tokio::join!(first.turn(day(at)), second.turn(day(at)));
        one.unwrap();
        two.unwrap();
        let bundle = first_bundle.borrow().clone();
        assert_eq!(bundle, *second_bundle.borrow());
        assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), certificates, "day {at}");
        for replica in [&first, &second] {
            assert!(accepts(&bundle, replica.issued.as_ref().unwrap(), name, day(at)));
        }
    }
    assert!(api.state().conflicts >= 3);
}

#[tokio::test]
async fn what_was_issued_is_served_on_when_the_secret_is_no_longer_usable() {
    let api = FakeApi::default();
    let (mut authority, bundle, certificate) = replica(&api);
    api.state().is_down = true;
    authority.turn(day(0)).await.unwrap_err();
    assert!(bundle.borrow().is_empty() && certificate.current().is_none());
    api.state().is_down = false;
    authority.turn(day(0)).await.unwrap();
    let before = bundle.borrow().clone();
    {
        let mut state = api.state();
        let secret = state.secrets.get_mut(NAME).unwrap();
        secret["data"]["ca.key"] = serde_json::json!("eA==");
    }
    let error = authority.turn(day(1)).await.unwrap_err().to_string();
    assert!(error.contains(NAME) && error.contains("delete it"), "{error}");
    assert_eq!(*bundle.borrow(), before);
    assert!(certificate.current().is_some());
    // As it was told to.
    api.state().secrets.clear();
    authority.turn(day(1)).await.unwrap();
    assert_ne!(*bundle.borrow(), before);
}
