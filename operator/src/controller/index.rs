//! Who refers to whom, backwards: from a StratumPool to the StratumProxies that use it, from a Secret to
//! both. Kept from what the watches say, so that an edit of a StratumPool or Secret finds its StratumProxies
//! without a look at all of them. Bounded by the objects that there are.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use loka_api::stratum_pool::StratumPoolSpec;
use loka_api::stratum_proxy::StratumProxySpec;

use crate::fleet::ProxyKey;

/// An object that is referred to, by namespace and name.
type Named = (String, String);

/// The references of all StratumProxies and StratumPools that are watched.
#[derive(Debug, Default)]
pub(super) struct Index(Mutex<References>);

#[derive(Debug, Default)]
struct References {
    proxies: Edges<ProxyKey>,
    proxy_secrets: Edges<ProxyKey>,
    pool_secrets: Edges<Named>,
}

/// From objects of one kind to names, and back.
#[derive(Debug)]
struct Edges<From> {
    forth: HashMap<From, BTreeSet<Named>>,
    back: HashMap<Named, BTreeSet<From>>,
}

/// The StratumPools of a StratumProxy, each once, in the order of routes and pools.
pub(super) fn pools_of(spec: &StratumProxySpec) -> Vec<&str> {
    let all = spec.routes.iter().flat_map(|route| &route.pools);
    let mut names = Vec::new();
    for pool in all {
        if !names.contains(&pool.pool_ref.name.as_str()) {
            names.push(pool.pool_ref.name.as_str());
        }
    }
    names
}

/// The Secrets that a StratumProxy itself refers to: certificates of its listeners, and what they let miners in by.
pub(super) fn secrets_of(spec: &StratumProxySpec) -> BTreeSet<String> {
    let tls = spec.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    let tls = tls.map(|tls| tls.secret_ref.name.as_str());
    let logins = spec.listeners.iter().filter_map(|listener| listener.authentication.as_ref());
    tls.chain(logins.flat_map(|logins| logins.secrets())).map(str::to_owned).collect()
}

/// The Secrets that a StratumPool refers to: of its login, of TLS, of a SOCKS server.
pub(super) fn secrets_of_pool(spec: &StratumPoolSpec) -> BTreeSet<String> {
    spec.secrets().into_iter().map(|used| used.name.to_owned()).collect()
}

// === impl Index ===

impl Index {
    /// A StratumProxy as it is now; none: it is gone. Says which StratumPools it used or uses.
    pub(super) fn put_proxy(
        &self,
        key: &ProxyKey,
        spec: Option<&StratumProxySpec>,
    ) -> BTreeSet<Named> {
        let named = |name: &str| (key.namespace.clone(), name.to_owned());
        let pools: BTreeSet<_> =
            spec.map(|it| pools_of(it).into_iter().map(named).collect()).unwrap_or_default();
        let secrets = spec.map(|it| secrets_of(it).iter().map(|name| named(name)).collect());
        let mut references = self.lock();
        references.proxy_secrets.put(key, secrets.unwrap_or_default());
        let before = references.proxies.put(key, pools.clone());
        before.union(&pools).cloned().collect()
    }

    /// A StratumPool as it is now; none: it is gone.
    pub(super) fn put_pool(&self, namespace: &str, name: &str, spec: Option<&StratumPoolSpec>) {
        let secrets = spec.map(secrets_of_pool).unwrap_or_default();
        let secrets = secrets.into_iter().map(|secret| (namespace.to_owned(), secret)).collect();
        self.lock().pool_secrets.put(&(namespace.to_owned(), name.to_owned()), secrets);
    }

    /// Those of the StratumProxies that are known and not among these.
    pub(super) fn other_proxies(&self, present: &BTreeSet<ProxyKey>) -> Vec<ProxyKey> {
        self.lock().proxies.forth.keys().filter(|key| !present.contains(*key)).cloned().collect()
    }

    /// The StratumProxies that use a StratumPool.
    pub(super) fn users_of_pool(&self, namespace: &str, name: &str) -> BTreeSet<ProxyKey> {
        self.lock().proxies.of(&(namespace.to_owned(), name.to_owned()))
    }

    /// The StratumPools that refer to a Secret.
    pub(super) fn pools_of_secret(&self, namespace: &str, name: &str) -> BTreeSet<Named> {
        self.lock().pool_secrets.of(&(namespace.to_owned(), name.to_owned()))
    }

    /// The StratumProxies that read a Secret, themselves or by a StratumPool.
    pub(super) fn users_of_secret(&self, namespace: &str, name: &str) -> BTreeSet<ProxyKey> {
        let secret = (namespace.to_owned(), name.to_owned());
        let references = self.lock();
        let pools = references.pool_secrets.of(&secret);
        let by_pool = pools.iter().flat_map(|pool| references.proxies.of(pool));
        references.proxy_secrets.of(&secret).into_iter().chain(by_pool).collect()
    }

    /// Whether nothing refers to anything.
    #[cfg(test)]
    fn is_empty(&self) -> bool {
        let References { proxies, proxy_secrets, pool_secrets } = &*self.lock();
        proxies.is_empty() && proxy_secrets.is_empty() && pool_secrets.is_empty()
    }

    /// A panic in between leaves edges that the next event of the same object makes good.
    fn lock(&self) -> MutexGuard<'_, References> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Edges ===

impl<From: Clone + Ord + std::hash::Hash> Edges<From> {
    /// Replaces what `from` refers to, and says what it referred to before.
    fn put(&mut self, from: &From, to: BTreeSet<Named>) -> BTreeSet<Named> {
        let before = self.forth.remove(from).unwrap_or_default();
        for gone in before.difference(&to) {
            if let Some(users) = self.back.get_mut(gone) {
                users.remove(from);
                if users.is_empty() {
                    self.back.remove(gone);
                }
            }
        }
        for named in &to {
            self.back.entry(named.clone()).or_default().insert(from.clone());
        }
        if !to.is_empty() {
            self.forth.insert(from.clone(), to);
        }
        before
    }

    fn of(&self, named: &Named) -> BTreeSet<From> {
        self.back.get(named).cloned().unwrap_or_default()
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.forth.is_empty() && self.back.is_empty()
    }
}

impl<From> Default for Edges<From> {
    fn default() -> Self {
        Self { forth: HashMap::new(), back: HashMap::new() }
    }
}

#[cfg(test)]
mod tests;
