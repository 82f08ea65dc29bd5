//! Any bytes, from any peer: the targets of `stratum/fuzz/` on its corpus, and on random changes of it.
//!
//! Here they run without a fuzzer, wherever there is Rust: `STRATUM_FUZZ_ROUNDS=n` makes so many changes for each target,
//! `STRATUM_FUZZ_SEED=n` others. `cargo xtask fuzz` lets libFuzzer find what is new, where there is a C++ compiler.

#![expect(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a target fails by panicking, and says where"
)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::Instant;

mod downstream;
mod frame;
mod judge;
mod message;
mod script;
mod targets;
mod upstream;

/// Changes of inputs for each target.
const ROUNDS: u64 = 2_000;

/// What a change puts in: where parsers and counters have their edges.
const TOKENS: [&str; 24] = [
    "\n",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1e400",
    "NaN",
    "18446744073709551616",
    "\\u0000",
    "\u{1b}[31m",
    "\r\n",
    "s000",
    "h0",
    "t30000",
    "r0",
];

/// Any moment: only differences count.
#[expect(clippy::disallowed_methods, reason = "an Instant cannot be had from anywhere else")]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

fn number(name: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number"))
}

/// The inputs of a target, by name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&directory).expect("a corpus");
    let mut found: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("a readable input"))
        })
        .collect();
    found.sort();
    found
}

fn run(name: &str, target: fn(&[u8]), data: &[u8]) {
    catch_unwind(AssertUnwindSafe(|| target(data))).unwrap_or_else(|cause| {
        eprintln!("{name} fails on {}", data.escape_ascii());
        resume_unwind(cause)
    });
}

/// Another input: a piece of it gone, doubled, replaced by a token, by one of another input, or a byte changed.
fn change(random: &mut fastrand::Rng, corpus: &[(String, Vec<u8>)]) -> Vec<u8> {
    const BYTES_MAX: usize = 8 * 1024;
    let (_, mut data) = corpus[random.usize(..corpus.len())].clone();
    for _ in 0..random.usize(1..6) {
        let start = random.usize(..=data.len());
        let end = (start + random.usize(..24)).min(data.len());
        let piece: Vec<u8> = match random.u8(..6) {
            0 => Vec::new(),
            1 => [&data[start..end], &data[start..end]].concat(),
            2 => TOKENS[random.usize(..TOKENS.len())].into(),
            3 => {
                let (_, other) = &corpus[random.usize(..corpus.len())];
                let at = random.usize(..=other.len());
                other[at..(at + random.usize(..200)).min(other.len())].to_vec()
            }
            4 => data[start..end].iter().map(|byte| byte ^ 1 << random.u8(..8)).collect(),
            _ => vec![random.u8(..)],
        };
        data.splice(start..end, piece);
    }
    data.truncate(BYTES_MAX);
    data
}

/// What was found once stays found; what is written by hand is read as it is meant.
#[test]
fn the_corpus_breaks_nothing() {
    for (name, target) in targets::ALL {
        let corpus = corpus(name);
        assert!(corpus.len() >= 5, "{name} has a corpus of {}", corpus.len());
        corpus.iter().for_each(|(file, data)| run(&format!("{name}/{file}"), target, data));
    }
}

#[test]
fn random_changes_of_the_corpus_break_nothing() {
    let (rounds, seed) = (number("STRATUM_FUZZ_ROUNDS", ROUNDS), number("STRATUM_FUZZ_SEED", 1));
    for (name, target) in targets::ALL {
        let corpus = corpus(name);
        for round in 0..rounds {
            let mut random = fastrand::Rng::with_seed(seed << 32 | round);
            run(&format!("{name}, round {round}"), target, &change(&mut random, &corpus));
        }
    }
}
