//! Scenarios with a name.
