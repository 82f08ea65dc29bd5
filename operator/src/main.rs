//! The `stratum-operator` binary.

#![forbid(unsafe_code)]

fn main() {}
