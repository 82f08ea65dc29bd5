//! Fields of the documents that the environment sets: over the files, under the command line, and never silently.

use loka_tests::documents::Documents;
use loka_tests::process::{Process, free_port, run_to_end};
use loka_tests::rig::Pools;

use super::client::Client;

const PORT: &str = "STRATUM__PROXY__FARM__SPEC__LISTENERS__V1__PORT";
const LOG_LEVEL: &str = "STRATUM__PROXY__FARM__SPEC__OBSERVABILITY__LOG_LEVEL";
const ACCOUNT: &str = "STRATUM__POOL__ALPHA__SPEC__ACCOUNT";

#[tokio::test]
async fn the_environment_wins_over_the_files_however_they_change() {
    let pools = Pools::start().await;
    let mut documents = pools.documents().await;
    let port = free_port();
    let text = port.to_string();
    let set = [(PORT, text.as_str()), (ACCOUNT, "other")];
    let proxy = Process::start_with(&documents.text(), &set).await;
    proxy.active("alpha").await;
    let mut miner = Client::logged_in(port).await;
    assert_eq!(proxy.status().await["routes"][0]["pools"][0]["account"], "other");
    documents.failback = "2s";
    documents.port = free_port();
    proxy.apply(&documents.text()).await;
    let status = proxy.status().await;
    assert_eq!(status["listeners"][0]["address"], format!("127.0.0.1:{port}"));
    miner.assert_alive().await;
    // Its listener goes from the document, and with it what the variable names.
    proxy.write(&documents.text().replace("name: v1", "name: v2"));
    let refused = proxy.logged("configuration refused").await;
    let said = refused["problem"].as_str().expect("a problem");
    assert!(said.starts_with(&format!("environment {PORT}: ")) && said.contains("V2"), "{said}");
    miner.assert_alive().await;
}

/// What `check` or `run` says to these documents.
async fn say(
    documents: &Documents,
    command: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("farm.yaml");
    std::fs::write(&file, documents.text()).expect("a file");
    let line = [&[command, "-f", file.to_str().expect("UTF-8")], arguments].concat();
    let ended = run_to_end(&line, environment).await;
    (ended.code, ended.text)
}

#[tokio::test]
async fn check_says_which_values_the_environment_has_set() {
    let documents = Pools::start().await.documents().await;
    let set = [(PORT, "4444"), (ACCOUNT, "other"), (LOG_LEVEL, "")];
    let (code, text) = say(&documents, "check", &[], &set).await;
    println!("{text}");
    assert_eq!(code, Some(0), "{text}");
    let (_, from) = text.split_once("Where each value comes from").expect("origins");
    assert!(from.contains("the environment, whatever the documents say"), "{from}");
    for (field, value, variable) in
        [("spec.listeners[0].port", "4444", PORT), ("spec.account", "other", ACCOUNT)]
    {
        let mut lines = from.lines().skip_while(|line| !line.trim_start().starts_with(field));
        let line = lines.next().unwrap_or_else(|| panic!("{field} in {from}"));
        assert!(line.ends_with(value), "{line}");
        assert_eq!(lines.next().map(str::trim), Some(format!("by {variable}").as_str()));
    }
    assert!(!from.contains(LOG_LEVEL), "it has no value");
    let (_, json) = say(&documents, "check", &["-o", "json"], &set).await;
    let answer: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let values = answer["values"].as_array().expect("values");
    let is_set = |value: &&serde_json::Value| value["origin"]["from"] == "environment";
    let by: Vec<_> =
        values.iter().filter(is_set).map(|value| &value["origin"]["variable"]).collect();
    assert_eq!(by, [PORT, ACCOUNT]);
}

#[tokio::test]
async fn a_variable_that_names_no_field_is_refused_with_the_nearest_name() {
    let documents = Pools::start().await.documents().await;
    for (variable, value, part) in [
        ("STRATUM__PROXY__FARM__SPEC__LISTENERS__V1__PROT", "4444", "did you mean PORT?"),
        ("STRATUM__PROXY__FRAM__SPEC__LISTENERS__V1__PORT", "4444", "did you mean FARM?"),
        ("STRATUM__POOL__ALPHA__SPEC__PASSWORD", "hunter2", "did you mean PASSWORD_SECRET_REF?"),
        (PORT, "hunter2", "write a whole number"),
        (LOG_LEVEL, "debgu", "did you mean Debug?"),
    ] {
        for (command, arguments) in [("check", &[][..]), ("run", &["--admin", "127.0.0.1:0"])] {
            let (code, text) = say(&documents, command, arguments, &[(variable, value)]).await;
            assert_eq!(code, Some(1), "{text}");
            assert!(text.contains(variable) && text.contains(part), "{part}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}

/// The command line, the environment, the document, the default: whichever comes first.
#[tokio::test]
async fn the_command_line_wins_over_the_environment_and_that_over_the_document() {
    let pools = Pools::start().await;
    let spec = "  observability: { logLevel: Debug }\n".to_owned();
    let document = Documents { spec, ..pools.documents().await };
    let plain = pools.documents().await;
    for (documents, arguments, variable, is_debug) in [
        (&plain, &[][..], "", false),
        (&document, &[], "", true),
        (&document, &[], "Info", false),
        (&plain, &[], "Debug", true),
        (&plain, &["--log-level", "info"], "Debug", false),
    ] {
        // The variable of the flag is a flag; here only what is passed counts.
        let set = [("STRATUM_LOG_LEVEL", ""), (LOG_LEVEL, variable)];
        let proxy = Process::start_in(&documents.text(), arguments, &set).await;
        proxy.active("alpha").await;
        drop(Client::logged_in(documents.port).await);
        proxy.logged("miner gone").await;
        let has_said = proxy.log().iter().any(|line| line["message"] == "miner connected");
        assert_eq!(has_said, is_debug, "{arguments:?} {variable} {}", documents.spec);
    }
}

#[tokio::test]
async fn with_a_snapshot_the_variables_are_not_heeded_and_that_is_said() {
    let pools = Pools::start().await;
    let documents = pools.documents().await;
    let snapshot = documents.snapshot(1).to_file();
    let proxy = Process::start_pod_in(&snapshot, &[(PORT, "4444")]).await;
    proxy.ready(200).await;
    let said = proxy.logged("variables that set fields are not heeded").await;
    assert_eq!(said["variables"], PORT);
    assert!(said["remedy"].as_str().is_some_and(|text| text.contains("StratumProxy")), "{said}");
    let status = proxy.status().await;
    assert_eq!(status["listeners"][0]["address"], format!("127.0.0.1:{}", documents.port));
}
