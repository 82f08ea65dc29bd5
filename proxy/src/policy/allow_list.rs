//! Which pools and accounts may be mined to, as the allow-list says at this moment. A value that every task which spends
//! hash carries; what keeps it up to date is `control`.

use std::future::pending;
use std::sync::Arc;

use loka_api::allow_list::{AllowList, NotAllowed, Refused};
use loka_api::runtime_config::RuntimeConfig;
use tokio::sync::watch;

/// What may be mined on now; without a list, everything.
#[derive(Clone, Debug, Default)]
pub struct AllowedPools(Option<watch::Receiver<Arc<AllowList>>>);

// === impl AllowedPools ===

impl AllowedPools {
    /// As the newest list says.
    pub(crate) const fn by(list: watch::Receiver<Arc<AllowList>>) -> Self {
        Self(Some(list))
    }

    /// Whether an account may be paid at an address.
    pub(crate) fn allows(&self, host: &str, port: u16, account: &str) -> Result<(), NotAllowed> {
        self.0.as_ref().map_or(Ok(()), |list| list.borrow().allows(host, port, account))
    }

    /// The pools of a configuration that may not be mined on.
    pub(crate) fn refused<'a>(&self, config: &'a RuntimeConfig) -> Vec<Refused<'a>> {
        self.0.as_ref().map_or_else(Vec::new, |list| list.borrow().refused(config))
    }

    /// Waits until the list is another than when it was last waited for.
    pub(crate) async fn changed(&mut self) {
        let changed = match &mut self.0 {
            Some(list) => list.changed().await.is_ok(),
            None => false,
        };
        // Without a list; or the process ends, and the last list holds.
        if !changed {
            pending::<()>().await;
        }
    }

    /// Waits until an account may not be paid at an address any more.
    pub(crate) async fn withdrawn(mut self, host: &str, port: u16, account: &str) -> NotAllowed {
        loop {
            if let Err(reason) = self.allows(host, port, account) {
                return reason;
            }
            self.changed().await;
        }
    }
}

#[cfg(test)]
mod tests;
