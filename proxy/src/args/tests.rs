use std::process::Command as Process;

use clap::{CommandFactory as _, error::ErrorKind};

use super::*;

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(line.split_whitespace())
}

fn run_args(line: &str) -> RunArgs {
    match parse(line).unwrap().command {
        Command::Run(args) => *args,
        other => panic!("{other:?}"),
    }
}

/// The long help of the program, or of one of its commands, as it stands on a terminal of 100
/// columns.
fn help(command: &[&str]) -> String {
    let mut line = vec!["stratum-proxy"];
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
    for command in
        [&[][..], &["run"], &["check"], &["ctl"], &["ctl", "kick"], &["ctl", "log-level"]]
    {
        for line in help(command).lines() {
            assert!(line.chars().count() <= HELP_WIDTH, "{command:?}: {line}");
        }
        // A line that was wrapped behind our back would stand at the margin.
        for text in [EXAMPLES, RUN_HELP, SECRETS_HELP, ctl::CTL_HELP] {
            assert!(text.lines().all(|line| line.chars().count() <= HELP_WIDTH), "{text}");
        }
    }
}

#[test]
fn the_help_says_what_it_does_and_how_it_ends() {
    let general = help(&[]);
    for promise in [
        "stratum-proxy check -f farm.yaml",
        "stratum-proxy run -f farm.yaml",
        "STRATUM_SECRET_POOL_A_PASSWORD=x",
        "curl -s localhost:9090/status",
        "SIGTERM, SIGINT  drain and stop; a second one stops at once",
        "SIGHUP           read the files now",
    ] {
        assert!(general.contains(promise), "{promise}\n{general}");
    }
    let run = help(&["run"]);
    for promise in [
        "[default: 127.0.0.1:9090]",
        "[default: 0.0.0.0]",
        "[default: human on a terminal, else json]",
        "STRATUM_SECRET_<SECRET>_<KEY>",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_TRACES_SAMPLER_ARG",
        "spec.observability.tracing.samplingRatio",
    ] {
        assert!(run.contains(promise), "{promise}\n{run}");
    }
    assert!(help(&["check"]).contains("DIR/<secret>/<key>"));
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let help = help(&[]);
    for (exit, meaning) in [
        (Exit::Done, "done:"),
        (Exit::Failed, "the documents are invalid"),
        (Exit::Usage, "wrong usage"),
        (Exit::CutShort, "stopped by a second signal"),
    ] {
        let line = format!("  {}  {meaning}", exit as u8);
        assert!(help.contains(&line), "{line}\n{help}");
    }
    assert_eq!(parse("stratum-proxy run").unwrap_err().exit_code(), Exit::Usage as i32);
}

#[test]
fn wrong_usage_names_the_argument_and_the_value() {
    let refused = |line: &str, kind, shown: &[&str]| {
        let error = parse(line).unwrap_err();
        assert_eq!(error.kind(), kind, "{line}");
        let text = error.to_string();
        assert!(shown.iter().all(|part| text.contains(part)), "{text}");
    };
    refused("p check", ErrorKind::MissingRequiredArgument, &["--file <FILE>"]);
    let invalid = ErrorKind::ValueValidation;
    refused("p run -f x --admin 9090", invalid, &["--admin <ADDR>", "'9090'"]);
    refused("p run -f x --threads 0", invalid, &["--threads <N>", "'0'"]);
    refused("p run -f x --log-format xml", ErrorKind::InvalidValue, &["xml", "json, human"]);
    let missing = ErrorKind::MissingRequiredArgument;
    refused("p run", missing, &["--file <FILE>|--snapshot <DIR>"]);
    refused("p run --snapshot s", missing, &["--state <DIR>"]);
    let control = "p run --snapshot s --state t --control";
    refused(&format!("{control} op:8443"), missing, &["--control-ca", "--control-token"]);
    refused(
        "p run -f x --control op:8443 --control-ca c --control-token t",
        missing,
        &["--snapshot"],
    );
    refused("p run --snapshot s --state t --control-ca c", missing, &["--control <HOST:PORT>"]);
    for wrong in ["op", "op:", "op:0", ":8443", "a b:8443"] {
        let line = ["p", "run", "--snapshot", "s", "--state", "t", "--control", wrong];
        let text = Args::try_parse_from(line).unwrap_err().to_string();
        assert!(text.contains("HOST:PORT, such as"), "{wrong}: {text}");
    }
    let conflict = ErrorKind::ArgumentConflict;
    refused("p run -f x --snapshot s --state t", conflict, &["--file", "--snapshot"]);
    refused("p run --snapshot s --state t --secrets-dir d", conflict, &["--secrets-dir"]);
    refused("p run --snapshot s --state t --schema-max 99", invalid, &["99"]);
    refused("p run -f x --secret-dir y", ErrorKind::UnknownArgument, &["--secrets-dir"]);
    refused("p ctl sesions", ErrorKind::InvalidSubcommand, &["'sessions'"]);
    refused("p ctl sessions --wroker a", ErrorKind::UnknownArgument, &["--worker"]);
    refused("p ctl kick", missing, &["<ID|--worker <NAME>>"]);
    refused("p ctl drain", missing, &["<LISTENER|--all>"]);
    refused("p ctl drain v1 --all", conflict, &["--all"]);
    refused("p ctl ban 192.0.2.7", missing, &["--for <TIME>"]);
    refused("p ctl ban rig7 --for 1h", invalid, &["rig7"]);
}

#[test]
fn files_keep_their_order_and_defaults_are_safe() {
    let args = run_args("p run -f b -f a");
    assert_eq!(args.input.files, [PathBuf::from("b"), PathBuf::from("a")]);
    assert!(args.admin.ip().is_loopback(), "the admin server must not be open to the network");
    assert!(args.log_format.is_none() && args.log_level.is_none() && args.threads.is_none());
}

#[test]
fn a_pod_of_the_operator_is_told_where_everything_is() {
    let pod = run_args(
        "p run --snapshot /s --state /l --control [::1]:8443 --control-ca /c --control-token /t \
         --control-name stratum-operator.stratum.svc",
    )
    .pod;
    assert_eq!(pod.control, Some(ControlAddress { host: "::1".to_owned(), port: 8443 }));
    assert_eq!(pod.control_name.as_deref(), Some("stratum-operator.stratum.svc"));
    assert_eq!(pod.schema_max, SCHEMA);
    let alone = run_args("p run --snapshot /s --state /l --schema-max 0").pod;
    assert_eq!((alone.control, alone.schema_max), (None, 0));
}

/// Set for a second run of this test, whose environment can be chosen.
const CHILD: &str = "ARGS_TEST_CHILD";

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_default() {
    if std::env::var_os(CHILD).is_some() {
        let from_environment = run_args("p run -f x");
        assert_eq!(from_environment.admin.port(), 9191);
        assert_eq!(from_environment.admin_api.map(|api| api.port()), Some(9393));
        assert_eq!(from_environment.admin_token_file, Some(PathBuf::from("/t")));
        assert_eq!(from_environment.bind, IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(from_environment.log_format, Some(LogFormat::Human));
        assert_eq!(from_environment.log_level.as_deref(), Some("debug"));
        assert_eq!(from_environment.threads.map(NonZeroUsize::get), Some(3));
        assert_eq!(from_environment.input.secrets_dir, Some(PathBuf::from("/s")));
        assert_eq!(from_environment.input.proxy.as_deref(), Some("east"));
        assert_eq!(from_environment.pod.schema_max, 0);
        let from_flags = run_args("p run -f x --admin 127.0.0.1:9292 --log-level warn --threads 2");
        assert_eq!(from_flags.admin.port(), 9292);
        assert_eq!(from_flags.log_level.as_deref(), Some("warn"));
        assert_eq!(from_flags.threads.map(NonZeroUsize::get), Some(2));
        return;
    }
    let name = "args::tests::a_flag_wins_over_the_environment_and_that_over_the_default";
    let child = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(CHILD, "1")
        .envs([("STRATUM_ADMIN", "127.0.0.1:9191"), ("STRATUM_BIND", "127.0.0.1")])
        .envs([("STRATUM_LOG_FORMAT", "human"), ("STRATUM_LOG_LEVEL", "debug")])
        .envs([("STRATUM_ADMIN_API", "127.0.0.1:9393"), ("STRATUM_ADMIN_TOKEN_FILE", "/t")])
        .envs([("STRATUM_THREADS", "3"), ("STRATUM_SECRETS_DIR", "/s")])
        .envs([("STRATUM_PROXY_NAME", "east"), ("STRATUM_SCHEMA_MAX", "0")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}
