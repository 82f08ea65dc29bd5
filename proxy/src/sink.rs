//! Where the outcome of work is kept. Owns the share ledger, the time ledger and the last blocks, and their form on disk; it
//! does not decide outcomes, and touches no disk.

pub mod blocks;
mod exact;
pub mod kept;
pub mod ledger;
pub mod time;
