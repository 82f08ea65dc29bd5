//! Pure decisions: no task, no socket, no clock of its own.

pub(crate) mod backoff;
pub(crate) mod rate_limit;
pub(crate) mod redirect;
pub(crate) mod selector;
