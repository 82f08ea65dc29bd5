//! The control plane: reconciles StratumProxies and pushes their configs to the proxies.

#![forbid(unsafe_code)]

pub mod controller;
pub mod fleet;
pub mod publish;
