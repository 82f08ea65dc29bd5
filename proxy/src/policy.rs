//! Pure decisions: no task, no socket, no clock of its own.

pub(crate) mod allow_list;
pub(crate) mod apportion;
pub(crate) mod backoff;
pub(crate) mod blocks;
pub(crate) mod crowd;
pub(crate) mod health;
pub(crate) mod rate_limit;
pub(crate) mod redirect;
pub(crate) mod rollout;
pub(crate) mod selector;
pub(crate) mod visitors;
pub(crate) mod worker_name;

#[cfg(test)]
mod tests;
