//! What of a failed step's log is shown: of each test that failed the first and the last that it said, else the log's end.

/// Lines of a log's end.
const TAIL_LINES: usize = 40;

/// Lines of a test's beginning, where it says what it missed, and of its end, where whoever it watched said why.
const HEAD_LINES: usize = 10;
const END_LINES: usize = 20;

/// Tests that are shown; if more have failed they mostly say the same.
const TESTS_MAX: usize = 5;

/// The lines of `log` to show, where these tests of it have failed.
pub(super) fn of(log: &str, failures: &[String]) -> Vec<String> {
    let said: Vec<Vec<&str>> =
        failures.iter().take(TESTS_MAX).filter_map(|test| section(log, test)).collect();
    if said.is_empty() {
        let lines: Vec<&str> = log.lines().collect();
        return shortened(&lines, 0, TAIL_LINES);
    }
    said.iter().flat_map(|lines| shortened(lines, HEAD_LINES, END_LINES)).collect()
}

/// What a test said: libtest puts it between a line with the test's name and that of the next, or the list of all that failed.
fn section<'a>(log: &'a str, test: &str) -> Option<Vec<&'a str>> {
    let title = format!("---- {test} stdout ----");
    let ends = |line: &&str| line.starts_with("---- ") || *line == "failures:";
    let mut lines = log.lines().skip_while(|line| *line != title);
    let title = lines.next()?;
    let said = lines.take_while(|line| !ends(line)).filter(|line| !line.trim().is_empty());
    Some(std::iter::once(title).chain(said).collect())
}

/// The first and the last of `lines`, and how many are between.
fn shortened(lines: &[&str], first: usize, last: usize) -> Vec<String> {
    let hidden = lines.len().saturating_sub(first + last);
    let (head, rest) = lines.split_at(first.min(lines.len()));
    let mut shown: Vec<String> = head.iter().map(ToString::to_string).collect();
    if hidden > 0 && first > 0 {
        shown.push(format!("… {hidden} lines more …"));
    }
    shown.extend(rest.iter().skip(hidden).map(ToString::to_string));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn of_tests_that_failed_the_first_and_the_last_that_they_said_is_shown() {
        let dump: String = (0..100).map(|line| format!("{line}\n")).collect();
        let log = format!(
            "test a::b ... FAILED\ntest c ... FAILED\n\nfailures:\n\n---- a::b stdout ----\n\nthread 'a::b' \
             panicked:\nno \"x\" in [\n{dump}error: y\n\n---- c stdout ----\nz\n\n\nfailures:\n    a::b\n    c\n\n\
             test result: FAILED. 0 passed; 2 failed\n"
        );
        let shown = of(&log, &names(&["a::b", "c"]));
        assert_eq!(
            shown[..4],
            names(&["---- a::b stdout ----", "thread 'a::b' panicked:", "no \"x\" in [", "0"])
        );
        assert_eq!(shown[HEAD_LINES], "… 74 lines more …");
        let [.., last, title, z] = &shown[..] else { panic!("{shown:?}") };
        assert_eq!([last, title, z], ["error: y", "---- c stdout ----", "z"]);
    }

    #[test]
    fn of_a_step_without_tests_that_failed_the_end_is_shown() {
        let log: String = (0..=TAIL_LINES).map(|line| format!("{line}\n")).collect();
        let shown = of(&log, &[]);
        assert_eq!((shown.len(), shown[0].as_str()), (TAIL_LINES, "1"));
        assert_eq!(of("does not build\n", &names(&["a"])), ["does not build"]);
    }
}
