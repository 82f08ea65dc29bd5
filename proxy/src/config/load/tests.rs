use super::*;
use crate::config::Blame;
use crate::config::fixture::{FARM, OnDisk, VARIABLE, secret, with_password};

fn load_from(inputs: &Inputs, environment: &Environment) -> Result<Loaded, ConfigError> {
    load(inputs, &inputs.read()?, environment)
}

/// The password that the pool is sent, and the place that `check` names.
fn taken(inputs: &Inputs, environment: &Environment) -> (String, String) {
    let loaded = load_from(inputs, environment).unwrap();
    let [(secret, place)] = loaded.secrets.try_into().expect("one secret");
    assert_eq!(secret, "Secret mining/pool-a key password");
    (loaded.config.routes[0].pools[0].password.expose().to_owned(), place)
}

fn pair(password: &str, place: &str) -> (String, String) {
    (password.to_owned(), place.to_owned())
}

#[test]
fn a_secret_is_taken_from_environment_then_directory_then_documents() {
    let disk = OnDisk::farm();
    disk.write("secret.yaml", secret("of-a-document"));
    disk.write("s/pool-a/password", "of-a-file");
    let documents = disk.inputs(&["farm.yaml", "secret.yaml"]);
    let files = Inputs { secrets_dir: Some(disk.path("s")), ..documents.clone() };
    let nothing = Environment::default();
    let variable = with_password("of-the-environment");

    assert_eq!(taken(&documents, &nothing), pair("of-a-document", "a Secret document"));
    let directory = "the secrets directory, pool-a/password";
    assert_eq!(taken(&files, &nothing), pair("of-a-file", directory));
    let environment = format!("the environment, {VARIABLE}");
    assert_eq!(taken(&files, &variable), pair("of-the-environment", &environment));
}

#[test]
fn an_empty_variable_does_not_hide_the_other_places() {
    let disk = OnDisk::farm();
    disk.write("secret.yaml", secret("of-a-document"));
    let inputs = disk.inputs(&["farm.yaml", "secret.yaml"]);
    assert_eq!(taken(&inputs, &with_password("")).0, "of-a-document");
}

#[test]
fn a_secret_that_is_nowhere_is_named_with_the_variable_that_would_give_it() {
    let disk = OnDisk::farm();
    let error = load_from(&disk.inputs(&["farm.yaml"]), &Environment::default()).unwrap_err();
    assert_eq!(error.blame, Blame::Documents);
    let [problem] = error.problems.try_into().expect("one problem");
    assert_eq!(problem.path, "spec.passwordSecretRef.name");
    assert_eq!(problem.value.as_deref(), Some("\"pool-a\""));
    assert!(problem.remedy.contains(VARIABLE), "{problem}");
}

#[test]
fn the_hash_follows_the_content_and_not_the_files() {
    let disk = OnDisk::farm();
    let environment = with_password("x");
    let hash = |files: &[&str]| load_from(&disk.inputs(files), &environment).unwrap().hash;
    let one = hash(&["farm.yaml"]);
    let (proxy, pool) = FARM.split_once("---\n").unwrap();
    disk.write("pool.yaml", pool);
    disk.write("proxy.yaml", format!("# with a comment\n{proxy}"));
    assert_eq!(hash(&["proxy.yaml", "pool.yaml"]), one);
    disk.write("pool.yaml", pool.replace("acme", "acme-2"));
    assert_ne!(hash(&["proxy.yaml", "pool.yaml"]), one);
}

#[test]
fn one_of_several_proxies_must_be_named() {
    let disk = OnDisk::farm();
    let (proxy, _) = FARM.split_once("---\n").unwrap();
    disk.write("other.yaml", proxy.replace("name: farm", "name: other"));
    let inputs = disk.inputs(&["farm.yaml", "other.yaml"]);
    let error = load_from(&inputs, &with_password("x")).unwrap_err().to_string();
    assert!(error.contains("StratumProxy/farm") && error.contains("StratumProxy/other"), "{error}");
    let named = Inputs { proxy: Some("other".to_owned()), ..inputs };
    assert_eq!(load_from(&named, &with_password("x")).unwrap().config.name, "mining/other");
}
