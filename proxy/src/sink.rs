//! Where the outcome of work is kept. Owns the share ledger, the time ledger and the last blocks; it does not decide outcomes.

pub mod blocks;
pub mod ledger;
pub mod time;
