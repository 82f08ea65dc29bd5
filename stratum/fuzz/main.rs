//! The targets of `stratum/tests/fuzz/`, given to libFuzzer: one program, whose target `LOKA_FUZZ_TARGET` names.

#![no_main]

use std::env;
use std::sync::LazyLock;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;

#[path = "../tests/fuzz/downstream.rs"]
mod downstream;
#[path = "../tests/fuzz/frame.rs"]
mod frame;
#[path = "../tests/fuzz/judge.rs"]
mod judge;
#[path = "../tests/fuzz/message.rs"]
mod message;
#[path = "../tests/fuzz/script.rs"]
mod script;
#[path = "../tests/fuzz/targets.rs"]
mod targets;
#[path = "../tests/fuzz/upstream.rs"]
mod upstream;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let wanted = env::var("LOKA_FUZZ_TARGET").expect("LOKA_FUZZ_TARGET names a target");
    let found = targets::ALL.into_iter().find(|(name, _)| *name == wanted);
    found.map(|(_, run)| run).expect("a target of that name")
});

/// Any moment: only differences count.
pub(crate) fn origin() -> Instant {
    Instant::now()
}

fuzz_target!(|data: &[u8]| (*TARGET)(data));
