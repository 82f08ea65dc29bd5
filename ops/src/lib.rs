//! What both programs are on the outside: environment, signals, log lines, OTLP, the admin server's
//! sockets.
//!
//! It knows neither miners nor clusters. What a program says of itself (its events, its metrics, its
//! pages) is the program's; how that is read, written and served is here, once.

#![forbid(unsafe_code)]

pub mod admin;
pub mod catalogue;
pub mod environment;
mod labels;
pub mod log;
pub mod otlp;
pub mod said;
pub mod signals;
pub mod throttle;
