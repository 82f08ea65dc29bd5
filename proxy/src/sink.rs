//! Where the outcome of work is kept. Owns the share ledger; it does not decide outcomes.

pub mod ledger;
