use std::path::Path;

use serde_json::Value;

use super::*;
use crate::config::fixture::{FARM, OnDisk, VARIABLE, secret, with_password};

/// What no output may show.
const MARK: &str = "m4rked-s3cret";

fn checked(inputs: &Inputs, output: Output, environment: &Environment) -> (Exit, String) {
    let mut out = Vec::new();
    let exit = check(inputs, None, output, environment, &mut out).unwrap();
    (exit, String::from_utf8(out).unwrap())
}

fn text(inputs: &Inputs, environment: &Environment) -> (Exit, String) {
    checked(inputs, Output::Text, environment)
}

fn json(inputs: &Inputs, environment: &Environment) -> (Exit, Value) {
    let (exit, text) = checked(inputs, Output::Json, environment);
    (exit, serde_json::from_str(&text).unwrap())
}

/// The documents that users are given.
fn samples() -> Inputs {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/samples");
    let files = ["farm.yaml", "secrets.example.yaml"].map(|name| dir.join(name)).to_vec();
    Inputs { files, ..Inputs::default() }
}

#[test]
fn the_sample_is_told_as_pools_accounts_and_origins() {
    let (exit, text) = text(&samples(), &Environment::default());
    assert_eq!(exit, Exit::Done, "{text}");
    for line in [
        "StratumProxy mining/farm-east is valid (configuration ",
        "  v1        3333  main   8192        512 to 16000000  a share per 6s  no, in the clear\n",
        "  v1        5000        5000 miners, 5000 handshakes, any number connects a minute  none  nobody\n",
        "  1  primary    eu.primary-pool.example.com:3333    0         all   as the pool allows\n",
        "  3  backup     stratum.backup-pool.example.com:25  10        all   as the pool allows\n",
        "  account paid by primary, primary/2: acme-mining\n    under the login acme-mining.farm-east\n",
        "  account paid by backup: bc1qexampleexampleexampleexampleexample0000\n",
        "  back to a better pool after 2m of its health; without any, miners are let go after 10m\n",
        "    spec.drain.timeout                                2m\n",
        "    routes[main].pools[primary].user  acme-mining.farm-east\n",
        "  Secret mining/primary-credentials key password, taken from a Secret document\n",
        "    routes[main].pools[backup].timeouts.submit       1m\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn a_fleet_is_told_with_rules_parts_hours_names_and_steps() {
    let fleet = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/samples/fleet/fleet.yaml");
    let inputs = Inputs { files: vec![fleet], ..Inputs::default() };
    let (exit, text) = text(&inputs, &Environment::default());
    assert_eq!(exit, Exit::Done, "{text}");
    for line in [
        "  2  test-benches  guests  any       acme.test-*, *.bench  any          any\n",
        "  hall-2-stock  acme-stock/1.*  4 bytes      700 bytes  -           64000     disabled\n",
        "Route main (used by v1): the first priority with a pool that works, its pools by their part\n",
        "  1  north        north.pool.example.com:3333  0         30 %  as the pool allows\n",
        "  3  last-resort  solo.pool.example.com:3333   10        all   as the pool allows\n",
        "  account paid by north: acme\n    under acme.{worker}, 64 logins at most\n    beyond them under acme.fleet\n",
        "  account paid by south: acme\n    under the login acme.fleet\n",
        "  last-resort only with jobs that pay at least 98 % to\n    bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4\n",
        "Route hall-2 (by the rules hall-2): the first of these pools that works\n",
        "  south only in its hours, UTC: Mon-Fri 22:00 to 06:00 (next day); Sat-Sun 00:00 to 24:00\n",
        "  to another pool in steps of the hashrate: 1 % for 10m, 10 % for 10m, 100 % for 5m\n",
        "    taken back if it accepts less than 98 %, answers later than 1s, or its job is older than 90s\n",
        "Route guests (used by guests; by the rules test-benches, rented): last-resort, pinned, whenever it works; else",
        "    spec.routes[1].pools[0].schedule[1].days  Sat-Sun\n",
        "    spec.routes[1].rollout.minAcceptance      0.98\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn the_sample_as_json_holds_every_value_with_its_origin() {
    let (exit, json) = json(&samples(), &Environment::default());
    assert_eq!(exit, Exit::Done);
    assert_eq!(json["valid"], true);
    assert_eq!(json["name"], "mining/farm-east");
    assert_eq!(json["hash"].as_str().map(str::len), Some(12));
    let values = json["values"].as_array().unwrap();
    let origin = |path: &str| {
        let value = values.iter().find(|value| value["path"] == path);
        value.map(|value| (value["value"].clone(), value["origin"]["from"].clone())).unwrap()
    };
    let pair = |value: &str, from: &str| (Value::from(value), Value::from(from));
    assert_eq!(origin("listeners[v1].port"), pair("3333", "document"));
    assert_eq!(
        origin("routes[main].pools[primary].user"),
        pair("acme-mining.farm-east", "derived")
    );
    assert_eq!(origin("routes[main].pools[primary].password"), pair("(secret)", "secret"));
    assert_eq!(origin("routes[main].pools[backup].timeouts.submitMs"), pair("60000", "default"));
    assert_eq!(json["secrets"][0]["place"], "a Secret document");
}

#[test]
fn a_listener_with_tls_is_told_with_the_place_of_its_certificate_and_without_its_key() {
    let (certificate, key) = crate::tls::tests::pair();
    let disk = OnDisk::empty();
    let tls = "port: 3333, tls: {secretRef: {name: miners-tls}, minVersion: TLS1_3}";
    disk.write("farm.yaml", FARM.replace("port: 3333", tls));
    disk.write("s/miners-tls/tls.crt", certificate);
    disk.write("s/miners-tls/tls.key", &key);
    let inputs = disk.inputs(&["farm.yaml"]);
    let inputs = Inputs { secrets_dir: Some(disk.path("s")), ..inputs };
    let said = all_said(&inputs, &with_password("x"));
    for line in [
        "a share per 6s  1.3\n",
        "Secret mining/miners-tls key tls.crt, taken from the secrets directory, miners-tls/tls.crt\n    listeners[v1].tls.certificatePem  (secret)\n",
        "Secret mining/miners-tls key tls.key, taken from the secrets directory, miners-tls/tls.key\n    listeners[v1].tls.keyPem  (secret)\n",
    ] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
    let lines = key.lines().filter(|line| !line.starts_with("-----"));
    assert!(lines.into_iter().all(|line| !said.contains(line)), "{said}");
}

#[test]
fn what_a_listener_does_at_its_door_is_told_also_where_it_is_the_default() {
    let disk = OnDisk::empty();
    let door = "port: 3333, proxyProtocol: {mode: Required, from: [10.0.0.0/8, '::1/128']}, \
                limits: {maxConnectionsPerAddress: 600, ban: {for: 1h}, exempt: [192.0.2.0/24]}";
    disk.write("farm.yaml", FARM.replace("port: 3333", door));
    let said = all_said(&disk.inputs(&["farm.yaml"]), &with_password("x"));
    for line in [
        "    protocol where each comes from: 10.0.0.0/8, ::1/128\n",
        "  v1        5000        600 miners, 5000 handshakes, any number connects a minute  for 1h after 10 offences  192.0.2.0/24\n",
        "    spec.listeners[0].limits.maxConnectionsPerAddress  600\n",
        "    spec.listeners[0].limits.ban.for                   1h\n",
        "    listeners[v1].limits.ban.after ",
    ] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
}

#[test]
fn how_a_pool_is_reached_is_told_with_what_its_certificate_is_checked_by() {
    let (certificate, key) = crate::tls::tests::pair();
    let disk = OnDisk::empty();
    let terms = "spec:\n  tls: {caSecretRef: {name: t, key: tls.crt}, clientCertificateSecretRef: {name: t}, minVersion: TLS1_3}\n  proxy: {socks5: 'socks.test:1080'}\n";
    let farm = FARM.replace("stratum+tcp://pool.example", "stratum+ssl://pool.example");
    assert!(farm.contains("stratum+ssl://"), "{FARM}");
    let at = farm
        .find("kind: StratumPool")
        .and_then(|at| farm.get(at..)?.find("spec:\n").map(|it| at + it));
    let (before, after) = farm.split_at(at.expect("a pool"));
    disk.write("farm.yaml", format!("{before}{terms}{}", after.trim_start_matches("spec:\n")));
    disk.write("s/t/tls.crt", certificate);
    disk.write("s/t/tls.key", &key);
    let inputs = Inputs { secrets_dir: Some(disk.path("s")), ..disk.inputs(&["farm.yaml"]) };
    let said = all_said(&inputs, &with_password("x"));
    for line in [
        "  primary over TLS 1.3, with a certificate for pool.example.com by the authorities of caSecretRef; it is shown one of ours\n",
        "  primary by way of the SOCKS5 server socks.test:1080, with no login, which resolves its name\n",
        "spec.tls.minVersion ",
    ] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
    let lines = key.lines().filter(|line| !line.starts_with("-----"));
    assert!(lines.into_iter().all(|line| !said.contains(line)), "{said}");
}

#[test]
fn a_key_of_another_certificate_is_told_at_the_reference() {
    let (certificate, key) = (crate::tls::tests::pair().0, crate::tls::tests::pair().1);
    let disk = OnDisk::empty();
    disk.write("farm.yaml", FARM.replace("port: 3333", "port: 3333, tls: {secretRef: {name: t}}"));
    disk.write("s/t/tls.crt", certificate);
    disk.write("s/t/tls.key", key);
    let inputs = Inputs { secrets_dir: Some(disk.path("s")), ..disk.inputs(&["farm.yaml"]) };
    let (exit, json) = json(&inputs, &with_password("x"));
    assert_eq!(exit, Exit::Failed);
    assert_eq!(json["problems"][0]["path"], "spec.listeners[0].tls.secretRef", "{json:#}");
    let message = "the private key does not match the certificate";
    assert_eq!(json["problems"][0]["message"], message, "{json:#}");
}

/// Changes the farm and expects one problem with these parts.
fn refused(from: &str, to: &str, expected: [&str; 3]) {
    let disk = OnDisk::empty();
    assert!(FARM.contains(from), "{from}");
    disk.write("farm.yaml", FARM.replace(from, to));
    let inputs = disk.inputs(&["farm.yaml"]);
    let (exit, json) = json(&inputs, &with_password(MARK));
    assert_eq!((exit, &json["valid"]), (Exit::Failed, &Value::Bool(false)));
    let [problem] = json["problems"].as_array().unwrap().as_slice() else { panic!("{json:#}") };
    let [path, value, remedy] = expected;
    let part = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(part("path"), path, "{problem:#}");
    assert!(part("value").contains(value), "{problem:#}");
    assert!(part("remedy").contains(remedy), "{problem:#}");
    assert!(part("document").contains("farm.yaml"), "{problem:#}");

    let (exit, text) = text(&inputs, &with_password(MARK));
    assert_eq!(exit, Exit::Failed);
    let said = [path, value, remedy, "1 problem:\n", "    remedy: "];
    assert!(said.iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn what_is_wrong_is_told_with_field_value_and_remedy() {
    let unknown = "port: 3333, limits: {maxConections: 5}";
    let nearest = ["spec.listeners[0].limits.maxConections", "", "maxConnections"];
    refused("port: 3333", unknown, nearest);
    let endpoint = "spec.endpoints[0].url";
    let remedy = "stratum+tcp://pool.example.com:3333";
    refused("stratum+tcp://pool", "stratum+tpc://pool", [endpoint, "stratum+tpc://pool", remedy]);
    refused("com:3333", "com:99999", [endpoint, "99999", remedy]);
    refused("port: 3333", "port: 70000", ["spec.listeners[0].port", "70000", "65535"]);
    let pool = ["spec.routes[0].pools[0].poolRef.name", "primry", "primary"];
    refused("poolRef: {name: primary}", "poolRef: {name: primry}", pool);
    // Cut off in the middle of a list, as by a broken copy.
    refused("port: 3333}", "port: 3333", ["", "", "correct the YAML"]);
}

#[test]
fn a_missing_secret_is_told_with_everything_that_would_give_it() {
    let disk = OnDisk::farm();
    let (exit, text) = text(&disk.inputs(&["farm.yaml"]), &Environment::default());
    assert_eq!(exit, Exit::Failed);
    for part in ["StratumPool/primary", "spec.passwordSecretRef.name", "pool-a", VARIABLE] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let disk = OnDisk::empty();
    disk.write("farm.yaml", FARM.replace("3333}", "0}").replace("account: acme", "acount: acme"));
    let (_, json) = json(&disk.inputs(&["farm.yaml"]), &with_password(MARK));
    assert!(json["problems"].as_array().unwrap().len() >= 2, "{json:#}");
}

#[test]
fn a_file_that_cannot_be_read_is_wrong_usage() {
    let (exit, text) = text(&OnDisk::empty().inputs(&["gone.yaml"]), &Environment::default());
    assert_eq!(exit, Exit::Usage);
    assert!(text.contains("gone.yaml") && text.contains("remedy: check the path"), "{text}");
}

/// Everything that `check` says of these files, and what `Debug` shows of the values on the way.
fn all_said(inputs: &Inputs, environment: &Environment) -> String {
    let contents = inputs.read().unwrap();
    let loaded = load(inputs, &contents, environment);
    let (_, text) = text(inputs, environment);
    let (_, json) = checked(inputs, Output::Json, environment);
    format!("{text}{json}{loaded:?}{contents:?}{environment:?}")
}

#[test]
fn no_output_shows_a_secret_wherever_it_comes_from() {
    let disk = OnDisk::farm();
    disk.write("secret.yaml", secret(MARK));
    disk.write("s/pool-a/password", MARK);
    let farm = disk.inputs(&["farm.yaml"]);
    let document = disk.inputs(&["farm.yaml", "secret.yaml"]);
    let directory = Inputs { secrets_dir: Some(disk.path("s")), ..farm.clone() };
    let nothing = Environment::default();
    for (inputs, environment) in
        [(&farm, &with_password(MARK)), (&document, &nothing), (&directory, &nothing)]
    {
        let said = all_said(inputs, environment);
        assert!(said.contains("is valid") && !said.contains(MARK), "{said}");
    }
}

#[test]
fn no_problem_shows_a_secret_however_it_is_misspelt() {
    let whole = secret(MARK);
    let with = |to: &str| whole.replace(&format!("{{password: {MARK}}}"), to);
    let base64 = with(&format!("{{password: {MARK}}}")).replace("stringData", "data");
    for text in [
        base64,
        whole.replace("stringData", "strngData"),
        whole.replace("kind: Secret", "kind: Sekret"),
        whole.replace("apiVersion: v1", "apiVersion: v2"),
        whole.replace("name: pool-a, ", ""),
        with(&format!("{{password: {MARK}\\n, : ]}}")),
        with(&format!("{{password: \"{MARK}\\q\"}}")),
        with(&format!("{{password: \"{MARK}\\nsecond line\"}}")),
        with(&format!("{{password: [{MARK}]}}")),
        with(&format!("{{password: {{{MARK}: 1}}}}")),
        with(&format!("{{password: !{MARK} x}}")),
        with(&format!("[{MARK}]")),
        with(MARK),
        MARK.to_owned(),
        format!("- {MARK}"),
    ] {
        let disk = OnDisk::farm();
        disk.write("secret.yaml", &text);
        let said = all_said(&disk.inputs(&["farm.yaml", "secret.yaml"]), &Environment::default());
        assert!(said.contains("remedy: ") && !said.contains(MARK), "{text}\n\n{said}");
    }
}

#[test]
fn a_password_in_the_url_of_a_pool_is_not_repeated() {
    let disk = OnDisk::empty();
    disk.write("farm.yaml", FARM.replace("tcp://pool", &format!("tcp://acme:{MARK}@pool")));
    let said = all_said(&disk.inputs(&["farm.yaml"]), &with_password("x"));
    assert!(said.contains("spec.endpoints[0].url") && !said.contains(MARK), "{said}");
}

#[test]
fn an_allow_list_refuses_what_it_does_not_have() {
    let disk = OnDisk::farm();
    let (inputs, environment) = (disk.inputs(&["farm.yaml"]), with_password("x"));
    let path = disk.path("list.yaml");
    let checked = |list: &str| {
        disk.write("list.yaml", list);
        let mut out = Vec::new();
        let exit = check(&inputs, Some(&path), Output::Text, &environment, &mut out).unwrap();
        (exit, String::from_utf8(out).unwrap())
    };
    let list = "pools: [{host: pool.example.com, port: 3333, accounts: [acme]}]";
    let (exit, text) = checked(list);
    assert_eq!(exit, Exit::Done, "{text}");
    let (exit, text) = checked(&list.replace("acme", "other"));
    assert_eq!(exit, Exit::Failed);
    assert!(text.contains("StratumPool/primary: spec.account (\"acme\")"), "{text}");
    let (exit, text) = checked("pools: 1");
    assert_eq!(exit, Exit::Failed);
    assert!(text.contains("list.yaml: pools"), "{text}");
}

#[test]
fn whom_a_listener_lets_in_by_name_is_told_without_the_list() {
    let disk = OnDisk::empty();
    let guards = "port: 3333, limits: {maxConnectionsPerWorker: 3}, authentication: {type: List, list: {secretRef: {name: m}}}";
    disk.write("farm.yaml", FARM.replace("port: 3333", guards));
    let hash = crate::logins::hash("x", *b"0123456789abcdef", std::num::NonZeroU32::MIN);
    let hash = hash.to_string().replace("i=1,", "i=1000,");
    disk.write("s/m/logins", format!("# of us\nacct.* {hash}\n"));
    let inputs = Inputs { secrets_dir: Some(disk.path("s")), ..disk.inputs(&["farm.yaml"]) };
    let said = all_said(&inputs, &with_password("x"));
    for line in [
        " lets in by name and password: a list of 1 entries\n",
        " has 3 miners of one name at most\n",
    ] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
    assert!(!said.contains("pbkdf2"), "{said}");
    disk.write("s/m/logins", format!("acct.* {MARK}\n"));
    let (exit, said) = text(&inputs, &with_password("x"));
    assert_eq!(exit, Exit::Failed, "{said}");
    assert!(said.contains("line 1 of the list is no entry") && !said.contains(MARK), "{said}");
}
