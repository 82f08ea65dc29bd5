use super::*;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn levels_and_steps_may_be_chosen() {
    let wish = Wish::parse(&words(&["--only", "unit", "--only=fmt", "--list"]), USAGE).unwrap();
    assert_eq!(wish, Wish { only: words(&["unit", "fmt"]), list: true });
    let chosen = choose(steps::all(), &wish.only).unwrap();
    assert!(chosen.len() > 2, "{chosen:?}");
    assert!(chosen.iter().all(|step| step.level == "unit" || step.name == "fmt"));
}

#[test]
fn an_unknown_level_is_answered_with_those_there_are() {
    let error = choose(steps::all(), &words(&["units"])).unwrap_err();
    assert!(error.contains("`units`") && error.contains("unit, "), "{error}");
    assert!(Wish::parse(&words(&["--only"]), USAGE).is_err());
    assert!(Wish::parse(&words(&["unit"]), USAGE).is_err());
}

#[test]
fn every_step_has_a_name_of_its_own_and_a_known_level() {
    let all = steps::all();
    for step in &all {
        assert!(LEVELS.contains(&step.level), "{step:?}");
        assert_eq!(all.iter().filter(|other| other.name == step.name).count(), 1, "{step:?}");
    }
}

#[test]
fn what_was_not_run_is_counted_and_told() {
    let mut tally = Tally::default();
    let missing = Missing { why: "no x".to_owned(), remedy: "install x".to_owned() };
    tally.add("a", Verdict::NotRun(missing));
    let skipped = vec!["b: no y; install y".to_owned()];
    let failures = words(&["d::e"]);
    tally.add("c", Verdict::Failed(Counts { passed: 3, failed: 1, skipped, failures }));
    tally.add("f", Verdict::Failed(Counts::failed()));
    assert_eq!((tally.passed, tally.failed, tally.skipped), (3, 2, 2));
    assert_eq!(tally.not_run, ["not run: a: no x; install x", "not run: c: b: no y; install y"]);
    assert_eq!(tally.failures, ["c: d::e", "f"]);
    assert_eq!(tally.print(), ExitCode::FAILURE);
}

#[test]
fn a_check_fails_with_a_problem_and_with_an_error() {
    let log = std::env::temp_dir().join(format!("xtask-check-{}.log", std::process::id()));
    assert_eq!(run_check(|| Ok(vec![]), &log), Verdict::Passed(Counts::passed()));
    let failed = Verdict::Failed(Counts::failed());
    assert_eq!(run_check(|| Ok(vec!["a:1: b".to_owned()]), &log), failed);
    assert_eq!(fs::read_to_string(&log).unwrap(), "a:1: b\n");
    assert_eq!(run_check(|| Err("c".to_owned()), &log), failed);
    fs::remove_file(log).unwrap();
}
