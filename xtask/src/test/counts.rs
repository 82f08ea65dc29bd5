//! Reads what test binaries printed: libtest's results, and the lines by which a test says that it could not run.

/// Begins the line of a test that this machine cannot run: `SKIPPED: name: reason; remedy`.
const SKIPPED: &str = "SKIPPED: ";

/// How many tests did what; of those that did not run, why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: Vec<String>,
    /// The names of tests that failed, where tests have names.
    pub(super) failures: Vec<String>,
}

// === impl Counts ===

impl Counts {
    /// A step that counts as one, and passed.
    pub(super) fn passed() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    /// A step that counts as one, and failed.
    pub(super) fn failed() -> Self {
        Self { failed: 1, ..Self::default() }
    }

    /// A step that went wrong counts as a failure even where no test does: it did not build, or a test binary died.
    pub(super) fn with_failure(mut self) -> Self {
        self.failed = self.failed.max(1);
        self
    }

    pub(super) fn ran(&self) -> usize {
        self.passed + self.failed + self.skipped.len()
    }

    pub(super) fn text(&self) -> String {
        let Self { passed, failed, skipped, failures: _ } = self;
        let mut text = format!("{passed} passed");
        for (count, word) in [(*failed, "failed"), (skipped.len(), "skipped")] {
            if count > 0 {
                text = format!("{text}, {count} {word}");
            }
        }
        text
    }
}

/// The counts in the output of `cargo test`. A test that says it was skipped has passed for libtest, but not for us.
pub(super) fn of_tests(output: &str) -> Counts {
    let mut counts = Counts::default();
    let mut unable = 0;
    for line in output.lines().map(str::trim) {
        if let Some(result) = line.strip_prefix("test result: ") {
            counts.passed += number_before(result, "passed");
            counts.failed += number_before(result, "failed");
        } else if let Some(test) = ended(line, "FAILED") {
            counts.failures.push(test.to_owned());
        } else if let Some(ignored) = ended(line, "ignored") {
            counts.skipped.push(format!("{ignored}: marked to be ignored; take the mark away"));
        } else if let Some((_, what)) = line.split_once(SKIPPED) {
            // Libtest may have written `test name ... ` on the same line.
            if !counts.skipped.iter().any(|known| known == what) {
                counts.skipped.push(what.to_owned());
                unable += 1;
            }
        }
    }
    counts.passed = counts.passed.saturating_sub(unable);
    counts
}

/// The name in `test NAME ... HOW`, or `test NAME ... HOW, reason`.
fn ended<'a>(line: &'a str, how: &str) -> Option<&'a str> {
    let (name, rest) = line.strip_prefix("test ")?.split_once(" ... ")?;
    rest.starts_with(how).then_some(name)
}

/// The `3` of `ok. 3 passed; 0 failed`.
fn number_before(text: &str, word: &str) -> usize {
    let words: Vec<&str> = text.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
    words
        .windows(2)
        .find_map(|pair| match pair {
            [number, next] if *next == word => number.parse().ok(),
            _ => None,
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 3 tests
test a ... ok
test b ... ignored, slow
test c ... FAILED

test result: FAILED. 12 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s
     Running it/main.rs
successes:

---- collector stdout ----
SKIPPED: collector: no Go; install Go 1.25
SKIPPED: collector: no Go; install Go 1.25

test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s
";

    #[test]
    fn results_are_added_up_and_a_skipped_test_has_not_passed() {
        let counts = of_tests(OUTPUT);
        assert_eq!((counts.passed, counts.failed), (14, 1));
        assert_eq!(counts.failures, ["c"]);
        assert_eq!(
            counts.skipped,
            ["b: marked to be ignored; take the mark away", "collector: no Go; install Go 1.25"]
        );
        assert_eq!(counts.ran(), 17);
        assert_eq!(counts.text(), "14 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn a_step_that_dies_counts_as_a_failure_once() {
        assert_eq!(Counts::default().with_failure().failed, 1);
        assert_eq!(of_tests(OUTPUT).with_failure().failed, 1);
        assert_eq!(Counts::passed().text(), "1 passed");
    }
}
