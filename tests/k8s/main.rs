//! A real Kubernetes: what an API server decides (`api`), and whole clusters of machines (`node`).

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so"
)]

mod api;
mod node;
