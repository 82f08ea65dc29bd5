//! Where the outcome of work is kept. Owns the share ledger and the last blocks; it does not decide outcomes.

pub mod blocks;
pub mod ledger;
