//! Real sockets: the shipped binary between practice pools and practice miners on loopback.

mod bad_input;
mod client;
mod live_changes;
mod mining;
mod no_pool;
mod operations;
mod rig;
