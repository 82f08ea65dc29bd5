use std::process::Command as Process;
use std::time::Duration;

use clap::{CommandFactory as _, error::ErrorKind};

use super::*;

/// What `run` cannot do without.
const NEEDED: &str =
    "--namespace loka --pod-name op-1 --pod-ip 10.0.0.7 --proxy-image r.example/proxy:1";

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(line.split_whitespace())
}

fn run_args(rest: &str) -> RunArgs {
    match parse(&format!("o run {NEEDED} {rest}")).unwrap().command {
        Command::Run(args) => *args,
        other => panic!("{other:?}"),
    }
}

/// The long help of the program, or of one of its commands, as it stands on a terminal of 100
/// columns.
fn help(command: &[&str]) -> String {
    let mut line = vec!["stratum-operator"];
    line.extend(command);
    line.push("--help");
    Args::try_parse_from(line).unwrap_err().to_string()
}

#[test]
fn the_definition_is_sound() {
    Args::command().debug_assert();
}

#[test]
fn the_help_keeps_within_the_width_that_it_is_written_for() {
    for command in [&[][..], &["run"]] {
        // The line of usage is clap's, and it does not wrap it.
        for line in help(command).lines().filter(|line| !line.starts_with("Usage:")) {
            assert!(line.chars().count() <= HELP_WIDTH, "{command:?}: {line}");
        }
    }
    for text in [EXAMPLES, RUN_HELP] {
        assert!(text.lines().all(|line| line.chars().count() <= HELP_WIDTH), "{text}");
    }
}

#[test]
fn the_help_says_what_it_does_and_how_it_ends() {
    let general = help(&[]);
    for (exit, meaning) in [
        (Exit::Done, "stopped as asked"),
        (Exit::Failed, "the operator could not run"),
        (Exit::Usage, "wrong usage"),
        (Exit::CutShort, "stopped by a second signal"),
    ] {
        let line = format!("  {}  {meaning}", exit as u8);
        assert!(general.contains(&line), "{line}\n{general}");
    }
    assert_eq!(parse("o run --nonsense").unwrap_err().exit_code(), Exit::Usage as i32);
    let run = help(&["run"]);
    for promise in [
        "[env: POD_NAMESPACE=",
        "[env: POD_NAME=",
        "[env: POD_IP=",
        "[default: 0.0.0.0:8443]",
        "[default: 0.0.0.0:9090]",
        "[default: stratum-operator]",
        "[default: 15s]",
        "[default: IfNotPresent]",
        "[default: all]",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ] {
        assert!(run.contains(promise), "{promise}\n{run}");
    }
}

#[test]
fn the_example_of_the_help_parses() {
    let (_, example) = EXAMPLES.split_once("stratum-operator run --namespace").unwrap();
    let (example, _) = example.split_once("\n      On this").unwrap();
    let line = format!("o run --namespace {}", example.replace('\\', " "));
    assert!(parse(&line).is_ok(), "{line}");
}

#[test]
fn every_flag_has_a_variable_of_its_own() {
    let command = Args::command();
    let run = command.find_subcommand("run").unwrap();
    for flag in run.get_arguments().filter(|flag| flag.get_long() != Some("help")) {
        let long = flag.get_long().unwrap();
        let variable = flag.get_env().unwrap_or_else(|| panic!("{long}")).to_str().unwrap();
        let shouted = long.to_uppercase().replace('-', "_");
        let wanted = match long {
            "namespace" => "POD_NAMESPACE".to_owned(),
            "pod-name" | "pod-ip" => shouted,
            _ => format!("STRATUM_OPERATOR_{shouted}"),
        };
        assert_eq!(variable, wanted);
    }
}

#[test]
fn wrong_usage_names_the_flag_the_value_and_the_remedy() {
    let refused = |rest: &str, shown: &[&str]| {
        let error = parse(&format!("o run {rest}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ValueValidation, "{rest}");
        let text = error.to_string();
        assert!(shown.iter().all(|part| text.contains(part)), "{text}");
    };
    refused("--namespace Loka", &["--namespace <NAMESPACE>", "'Loka'", "lower case"]);
    refused("--name 1st", &["--name <NAME>", "'1st'", "a letter first"]);
    refused("--pod-ip pod", &["--pod-ip <IP>", "'pod'", "status.podIP"]);
    refused("--pod-ip 0.0.0.0", &["'0.0.0.0'", "nobody can reach"]);
    refused("--watch-namespace a,B", &["--watch-namespace <NAMESPACE>", "'a,B'", "by commas"]);
    refused("--control 8443", &["--control <ADDR>", "'8443'"]);
    refused("--proxy-image https://r.example/x", &["--proxy-image <IMAGE>", "NAME:TAG"]);
    refused("--proxy-image r.example/x:", &["--proxy-image <IMAGE>", "NAME:TAG"]);
    refused("--proxy-otlp-endpoint collector:4317", &["<URL>", "http://HOST:4317"]);
    for duration in ["15", "4s", "301s", "5500ms"] {
        refused(&format!("--lease-duration {duration}"), &["<DURATION>", "from 5s to 5m"]);
    }
    let error = parse("o run --proxy-image-pull-policy Sometimes").unwrap_err().to_string();
    assert!(error.contains("Always, IfNotPresent, Never"), "{error}");
}

#[test]
fn what_cannot_be_guessed_must_be_given() {
    let error = parse("o run").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument);
    let text = error.to_string();
    for flag in ["--namespace", "--pod-name", "--pod-ip", "--proxy-image"] {
        assert!(text.contains(flag), "{text}");
    }
}

#[test]
fn watched_namespaces_come_by_commas_and_by_repetition_and_none_is_all() {
    assert_eq!(run_args("").watched(), Watched::All);
    assert_eq!(run_args("--watch-namespace=").watched(), Watched::All);
    let only = run_args("--watch-namespace b,a --watch-namespace c,").watched();
    let Watched::Only(names) = only else { panic!("{only:?}") };
    assert_eq!(names.iter().map(ObjectName::as_str).collect::<Vec<_>>(), ["a", "b", "c"]);
    let many = (0..65).map(|n| format!("ns-{n}")).collect::<Vec<_>>().join(",");
    let error = parse(&format!("o run {NEEDED} --watch-namespace {many}")).unwrap_err();
    assert!(error.to_string().contains("leave the flag out"), "{error}");
}

#[test]
fn pull_policies_are_spelled_as_kubernetes_does() {
    for policy in PullPolicy::value_variants() {
        let parsed = run_args(&format!("--proxy-image-pull-policy {}", policy.as_str()));
        assert_eq!(parsed.proxy_image_pull_policy, *policy);
    }
}

/// Set for a second run of this test, whose environment can be chosen.
const CHILD: &str = "ARGS_TEST_CHILD";

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_default() {
    if std::env::var_os(CHILD).is_some() {
        let Command::Run(args) = parse("o run --admin 127.0.0.1:9292").unwrap().command else {
            panic!("run")
        };
        assert_eq!(args.namespace.as_str(), "loka");
        assert_eq!(args.pod_name.as_str(), "op-1");
        assert_eq!(args.pod_ip.with_port(1).to_string(), "[fd00::7]:1");
        assert_eq!(args.name.as_str(), "stratum-operator");
        assert_eq!(args.lease_duration.duration(), Duration::from_secs(30));
        assert_eq!(args.watched(), Watched::All, "an empty variable is none");
        assert_eq!(args.admin.port(), 9292);
        assert_eq!(args.log().format, Some(LogFormat::Human));
        return;
    }
    let name = "args::tests::a_flag_wins_over_the_environment_and_that_over_the_default";
    let child = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(CHILD, "1")
        .envs([("POD_NAMESPACE", "loka"), ("POD_NAME", "op-1"), ("POD_IP", "fd00::7")])
        .env("STRATUM_OPERATOR_PROXY_IMAGE", "r.example:5000/proxy@sha256:0123")
        .env("STRATUM_OPERATOR_ADMIN", "127.0.0.1:9191")
        .env("STRATUM_OPERATOR_LEASE_DURATION", "30s")
        .env("STRATUM_OPERATOR_WATCH_NAMESPACE", "")
        .env("STRATUM_OPERATOR_LOG_FORMAT", "human")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}
