//! What is fuzzed: each target takes any bytes, and panics when something that must always hold does not.
//!
//! The test beside this file runs them on the corpus and on random changes of it; `stratum/fuzz/` gives them to libFuzzer.

/// A target: where its corpus is, and what runs one input of it.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const ALL: [Target; 4] = [
    ("frame", crate::frame::run),
    ("message", crate::message::run),
    ("downstream", crate::downstream::run),
    ("upstream", crate::upstream::run),
];
