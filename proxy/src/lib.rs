//! The data plane: miners on one side, pools on the other, and the ledger between them.
//!
//! Layers, each of which uses only those below it: `app` (the process), `control` (where
//! configurations come from), `books` (the ledger from one start to the next), `audit` (who did what), `listener` and `fleet` (miners' ports, routes), `session` and
//! `upstream` (one connection each), `pipeline` (what every message goes through), `logins`, `policy`, `sink`, `telemetry`, and at the bottom `wire`,
//! `workers`, `transport`, `tls`, `disk`, `room`, `clock`. What is said on a
//! connection, and what a share is worth, is decided in `loka-stratum`; what a document means, in
//! `loka-api`.

#![forbid(unsafe_code)]

pub mod admin;
pub mod app;
pub mod args;
pub mod audit;
pub mod books;
pub mod check;
pub mod clock;
pub mod config;
pub mod control;
pub mod ctl;
mod disk;
mod fleet;
pub mod hash_password;
mod listener;
mod logins;
mod pipeline;
mod policy;
pub mod room;
mod router;
pub mod run;
mod seats;
mod session;
pub mod sink;
mod table;
mod tallies;
pub mod telemetry;
mod tls;
pub mod transport;
mod upstream;
mod wire;
pub mod workers;
