//! Pure decisions: no task, no socket, no clock of its own.

pub(crate) mod backoff;
pub(crate) mod rate_limit;
pub(crate) mod selector;

#[cfg(test)]
mod tests;
