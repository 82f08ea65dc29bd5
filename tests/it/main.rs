//! Real sockets: the shipped binary between practice pools and practice miners on loopback.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so"
)]

mod admin_access;
mod admin_api;
mod allow_list;
mod attack;
mod audit;
mod authentication;
mod bad_input;
mod client;
mod degradation;
mod doors;
mod environment;
mod hostile_pool;
mod idle_heap;
mod kept;
mod live_changes;
mod live_fields;
mod mining;
mod monitoring;
mod no_pool;
mod operations;
mod otlp;
mod pod;
mod pool_tls;
mod protection;
mod proxied;
mod secrecy;
mod soak;
mod socks;
mod tls;
mod tls_dial;
mod tls_outcomes;
