//! The control plane: reconciles StratumProxies and pushes their configs to the proxies.

#![forbid(unsafe_code)]

pub mod admin;
pub mod args;
pub mod controller;
pub mod fleet;
pub mod leader;
pub mod publish;
pub mod push;
pub mod run;
pub mod telemetry;
