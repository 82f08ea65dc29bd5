//! The paid-work experiment: what part of the work that powered machines could do is credited.
//!
//! Each machine emits *tickets*, shares of the pools' difficulty, at moments that follow from its
//! seed alone, as long as it stands in the farm, with or without a job. So the same tickets can be
//! counted behind a proxy, on direct connections and by an oracle, ticket by ticket. This module
//! owns machines, plan, oracle, judgement and report; it knows no proxy: whoever runs the
//! experiment carries out the plan's actions.

pub mod book;
pub mod budget;
pub mod judgement;
pub mod machine;
pub mod picture;
pub mod plan;
pub mod report;
pub mod tickets;

#[cfg(test)]
mod tests;
