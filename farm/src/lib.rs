//! The practice farm: simulated pools that judge every share with the `bitcoin` crate, simulated
//! miners that do real SHA-256d work, and a faulty network between them.
//!
//! It owns everything that a proxy is tested *against*, and therefore imports nothing of the
//! proxy, of its protocol core or of its contract: a judge that shared their code would share
//! their mistakes.

pub mod books;
pub mod duration;
pub mod http;
pub mod judge;
pub mod miner;
pub mod network;
pub mod paid;
pub mod pool;
pub mod ports;
pub mod profile;
pub mod trap;
pub mod wire;
