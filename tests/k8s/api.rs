//! What an API server alone decides. No pod runs.

mod rules;
mod smoke;
