//! What the levels of test share: documents, books, the proxy in a simulated network, and the
//! proxy as a process. It proves nothing by itself.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so"
)]

pub mod books;
pub mod cluster;
pub mod documents;
pub mod logins;
pub mod process;
pub mod relay;
pub mod rig;
pub mod seams;
pub mod secured;
pub mod socks;
pub mod terminator;
