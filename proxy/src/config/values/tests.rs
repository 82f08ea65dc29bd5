use std::sync::Arc;

use loka_api::runtime_config::{PoolTls, Rule};
use loka_api::{DocumentId, Secret};

use super::*;
use crate::config::fixture::{FARM, OnDisk, with_password};
use crate::config::load;
use crate::tls::tests::{pair, wanted};

/// A rendered configuration, with `text` in place of the listener or the beginning of the route.
fn rendered(listener: &str, route: &str) -> RuntimeConfig {
    let disk = OnDisk::empty();
    let text = FARM
        .replace("port: 3333}", &format!("port: 3333{listener}}}"))
        .replace("    - name: main\n", &format!("    - name: main\n{route}"));
    disk.write("farm.yaml", text);
    let inputs = disk.inputs(&["farm.yaml"]);
    let loaded = load(&inputs, &inputs.read().unwrap(), &with_password("x"));
    loaded.unwrap_or_else(|error| panic!("{listener}{route}: {error}")).config
}

fn problem(change: impl FnOnce(&mut RuntimeConfig)) -> String {
    let mut config = rendered("", "");
    change(&mut config);
    let [problem] = check(&config, &document()).try_into().expect("one problem");
    problem.to_string()
}

fn document() -> DocumentId {
    DocumentId {
        source: Arc::from("farm.yaml"),
        index: 1,
        line: 1,
        kind: "StratumProxy".to_owned(),
        name: "farm".to_owned(),
    }
}

#[test]
fn every_difficulty_that_the_contract_takes_can_be_computed_with() {
    let cases = [
        "1", "0.000001", "0.5", "1.000001", "1500m", "8192", "1k", "16M", "1Ki", "2.5Mi", "1Ti",
        "1000P",
    ];
    for text in cases {
        let range = format!("initial: '{text}', min: '{text}', max: '{text}'");
        rendered(&format!(", difficulty: {{{range}}}"), "");
    }
}

#[test]
fn every_layout_that_the_contract_takes_is_one_of_the_core() {
    for (id, miner) in [(1, 2), (1, 8), (2, 4), (4, 2), (4, 8)] {
        let limits = ", limits: {maxConnections: 100}";
        let layout = format!("      extranonce: {{idBytes: {id}, minerBytes: {miner}}}\n");
        let config = rendered(limits, &layout);
        let found = config.routes[0].extranonce.unwrap();
        assert_eq!((found.id_bytes, found.miner_bytes), (id, miner));
    }
}

#[test]
fn a_pushed_configuration_that_the_core_cannot_work_with_is_refused_at_its_field() {
    let cases = [
        (problem(|config| config.schema = SCHEMA + 1), "has schema 6"),
        (
            problem(|config| config.listeners[0].difficulty.min = "0".to_owned()),
            "spec.listeners[0].difficulty.min (\"0\")",
        ),
        (
            problem(|config| {
                config.listeners[0].difficulty.max = "18446744073709551616".to_owned()
            }),
            "spec.listeners[0].difficulty.max (\"18446744073709551616\")",
        ),
        (
            problem(|config| {
                let layout = ExtranonceLayout { id_bytes: 5, miner_bytes: 1 };
                config.routes[0].extranonce = Some(layout);
            }),
            "spec.routes[0].extranonce: 5 id bytes and 1 miner bytes",
        ),
        (
            problem(|config| config.rules.push(Rule { route: "mian".into(), ..Rule::default() })),
            "spec.rules[0].routeRef.name (\"mian\"): there is no such route",
        ),
        (
            problem(|config| {
                let firmware = vec!["nicehash".into(), "nerd".into()];
                config.rules.push(Rule { route: "main".into(), firmware, ..Rule::default() });
            }),
            "spec.rules[0].firmware[1] (\"nerd\"): there is no such firmware profile",
        ),
        (
            problem(|config| {
                let own = |min: &str| FirmwareProfile {
                    name: "nerd".into(),
                    min_difficulty: Some(min.to_owned()),
                    ..FirmwareProfile::default()
                };
                let firmware = vec!["nerd".into()];
                config.rules.push(Rule { route: "main".into(), firmware, ..Rule::default() });
                config.firmware = vec![own("0")];
            }),
            "spec.firmware[0].minDifficulty (\"0\")",
        ),
        (
            problem(|config| config.listeners[0].tls = Some(wanted(&pair().0, &pair().1))),
            "spec.listeners[0].tls.secretRef: the private key does not match the certificate",
        ),
        (
            problem(|config| config.listeners[0].tls = Some(wanted("", &pair().1))),
            "spec.listeners[0].tls.secretRef: tls.crt holds no certificate in PEM",
        ),
    ];
    for (text, expected) in cases {
        assert!(text.contains(expected) && text.contains("remedy: "), "{text}");
    }
}

#[test]
fn a_pools_certificates_that_cannot_be_used_are_refused_at_the_field_of_the_pool() {
    let with = |tls: PoolTls| problem(|config| config.routes[0].pools[0].tls = Some(tls));
    let none = PoolTls { ca_pem: Some(Secret::new("none")), ..PoolTls::default() };
    let named = PoolTls { server_name: Some("a b".to_owned()), ..PoolTls::default() };
    for (text, expected) in [
        (with(none), "spec.tls.caSecretRef: there is no certificate of an authority"),
        (with(named), "spec.tls.serverName: is no name"),
    ] {
        let expected = format!("StratumPool/primary: {expected}");
        assert!(text.contains(&expected) && text.contains("remedy: "), "{text}");
    }
}

#[test]
fn a_certificate_that_has_ended_is_no_reason_to_refuse() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["proxy.test".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let certificate = params.self_signed(&key).unwrap().pem();
    let mut config = rendered("", "");
    config.listeners[0].tls = Some(wanted(&certificate, &key.serialize_pem()));
    assert_eq!(check(&config, &document()), []);
}
