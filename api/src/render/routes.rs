//! Routes: pools looked up and put in the order of preference, and the layout of miners' search
//! space held against the number of miners.

use crate::{
    resources::{Resources, Sourced},
    runtime_config::{ExtranonceLayout, Mode, NoPoolPolicy, OnNoPool, Pool, Route},
    secrets::SecretSource,
    stratum_pool::StratumPoolSpec,
    stratum_proxy::{self as spec, StratumProxySpec, VersionRolling},
};

use super::{
    draft::{At, Draft, Notes},
    origin::Origin,
    pools, terms,
};

/// The version bits that BIP 320 sets aside for rolling.
const VERSION_MASK_ALL: u32 = 0x1fff_e000;

/// How long `Close` holds miners first, where the document does not say.
const CLOSE_AFTER_MS: u64 = 600_000;

/// What routes are rendered from, beyond the StratumProxy.
pub(super) struct Routes<'a> {
    pub(super) resources: &'a Resources,
    pub(super) secrets: &'a dyn SecretSource,
}

impl Routes<'_> {
    pub(super) fn render(
        &self,
        proxy: &Sourced<StratumProxySpec>,
        notes: &mut Notes,
    ) -> Vec<Route> {
        let routes = proxy.spec.routes.iter().enumerate();
        routes.map(|(index, wanted)| self.route(proxy, notes, (index, wanted))).collect()
    }

    fn route(
        &self,
        proxy: &Sourced<StratumProxySpec>,
        notes: &mut Notes,
        (index, wanted): (usize, &spec::Route),
    ) -> Route {
        let name = wanted.name.clone();
        let at = At::new(format!("spec.routes[{index}]"), format!("routes[{name}]"));
        let pools = self.pools(proxy, notes, &at, wanted);
        let draft = &mut Draft::new(proxy, notes);
        Route {
            pools,
            on_no_pool: on_no_pool(draft, &at.field("onNoPool"), &wanted.on_no_pool),
            failback_after_ms: draft
                .millis(&at.renamed("failback.after", "failbackAfterMs"), &wanted.failback.after),
            job_keep_alive_ms: draft.millis(&at.duration("jobKeepAlive"), &wanted.job_keep_alive),
            extranonce: extranonce(draft, &at.field("extranonce"), wanted),
            version_mask: version_mask(draft, &at, wanted),
            mode: mode(draft, &at.field("mode"), wanted.mode),
            pin: wanted.pin.as_ref().map(|pin| draft.text(&at.field("pin"), pin)),
            rollout: terms::rollout(draft, &at.field("rollout"), &wanted.rollout),
            name,
        }
    }

    fn pools(
        &self,
        proxy: &Sourced<StratumProxySpec>,
        notes: &mut Notes,
        at: &At,
        wanted: &spec::Route,
    ) -> Vec<Pool> {
        let mut ordered: Vec<_> = wanted.pools.iter().enumerate().collect();
        ordered.sort_by_key(|(_, pool)| pool.priority);
        let mut rendered = Vec::new();
        for (index, wanted) in ordered {
            let to = format!("{}.pools[{}]", at.to, wanted.pool_ref.name);
            let at = At::new(format!("{}.pools[{index}]", at.from), to);
            let Some(pool) = self.find(proxy, notes, &at, wanted) else { continue };
            let draft = &mut Draft::new(proxy, notes);
            let priority = draft.number(&at.field("priority"), wanted.priority);
            let weight = wanted.weight.map(|it| draft.number(&at.field("weight"), it));
            let schedule = terms::schedule(draft, &at, &wanted.schedule);
            let login = pools::Login { proxy, secrets: self.secrets };
            rendered.extend(login.render(pool, &at.to, notes).into_iter().map(|mut pool| {
                pool.priority = priority;
                pool.weight = weight;
                pool.schedule.clone_from(&schedule);
                pool
            }));
        }
        rendered
    }

    fn find(
        &self,
        proxy: &Sourced<StratumProxySpec>,
        notes: &mut Notes,
        at: &At,
        wanted: &spec::RoutePool,
    ) -> Option<&Sourced<StratumPoolSpec>> {
        let name = &wanted.pool_ref.name;
        let named: Vec<_> = self.resources.pools.iter().filter(|pool| pool.name == *name).collect();
        if let Some(pool) = named.iter().find(|pool| pool.namespace == proxy.namespace) {
            return Some(*pool);
        }
        let remedy = named.first().map_or_else(
            || known_pools(&self.resources.pools, &proxy.namespace),
            |pool| {
                format!(
                    "{} is in namespace {}; put both in one namespace",
                    pool.document, pool.namespace
                )
            },
        );
        let message = format!("there is no StratumPool {}/{name}", proxy.namespace);
        let path = format!("{}.poolRef.name", at.from);
        Draft::new(proxy, notes).refuse_value(&path, name, &message, &remedy);
        None
    }
}

fn mode(draft: &mut Draft<'_, StratumProxySpec>, at: &At, wanted: Option<Mode>) -> Mode {
    let mode = wanted.unwrap_or_default();
    draft.text(at, &format!("{mode:?}"));
    mode
}

fn known_pools(pools: &[Sourced<StratumPoolSpec>], namespace: &str) -> String {
    let known: Vec<_> = pools
        .iter()
        .filter(|pool| pool.namespace == namespace)
        .map(|pool| pool.name.as_str())
        .collect();
    if known.is_empty() {
        return "add a document of `kind: StratumPool` with this name".to_owned();
    }
    format!("add a StratumPool of this name, or name one that is there: {}", known.join(", "))
}

fn on_no_pool(
    draft: &mut Draft<'_, StratumProxySpec>,
    at: &At,
    wanted: &spec::OnNoPool,
) -> OnNoPool {
    let policy = wanted.policy;
    draft.text(&at.field("policy"), &format!("{policy:?}"));
    let at = at.duration("after");
    let after_ms = match (policy, &wanted.after) {
        (NoPoolPolicy::Hold, _) => 0,
        (NoPoolPolicy::Close, Some(after)) => draft.millis(&at, after),
        (NoPoolPolicy::Close, None) => {
            draft.text(&at, &CLOSE_AFTER_MS.to_string());
            CLOSE_AFTER_MS
        }
    };
    OnNoPool { policy, after_ms }
}

fn extranonce(
    draft: &mut Draft<'_, StratumProxySpec>,
    at: &At,
    route: &spec::Route,
) -> Option<ExtranonceLayout> {
    let wanted = route.extranonce.as_ref()?;
    let layout = ExtranonceLayout {
        id_bytes: draft.number(&at.field("idBytes"), wanted.id_bytes),
        miner_bytes: draft.number(&at.field("minerBytes"), wanted.miner_bytes),
    };
    let ids = 256_u64.saturating_pow(layout.id_bytes.into());
    let miners = miners_of(&draft.document.spec, &route.name);
    if miners > ids {
        draft.refuse_value(
            &at.field("idBytes").from,
            &wanted.id_bytes.to_string(),
            &format!("tells {ids} miners apart, and the route's listeners admit {miners}"),
            "raise idBytes, or lower limits.maxConnections of the listeners",
        );
    }
    Some(layout)
}

/// How many miners the listeners of a route admit together, those among them that only a rule sends
/// there.
fn miners_of(proxy: &StratumProxySpec, route: &str) -> u64 {
    let is_first = proxy.routes.first().is_some_and(|first| first.name == route);
    let is_sent = |listener: &spec::Listener| {
        let mut rules = proxy.rules.iter().filter(|rule| rule.route_ref.name == route);
        rules.any(|rule| rule.listeners.is_empty() || rule.listeners.contains(&listener.name))
    };
    let takes_route = |listener: &&spec::Listener| match &listener.route_ref {
        Some(named) => named.name == route || is_sent(listener),
        None => is_first || is_sent(listener),
    };
    let admitted = |listener: &spec::Listener| u64::try_from(listener.limits.max_connections);
    proxy.listeners.iter().filter(takes_route).flat_map(admitted).sum()
}

fn version_mask(draft: &mut Draft<'_, StratumProxySpec>, at: &At, wanted: &spec::Route) -> u32 {
    let to = format!("{}.versionMask", at.to);
    if wanted.version_rolling == VersionRolling::Disabled {
        draft.text(&At::new(format!("{}.versionRolling", at.from), to), "00000000");
        return 0;
    }
    let at = At::new(format!("{}.versionMask", at.from), to);
    let Some(text) = &wanted.version_mask else {
        let value = format!("{VERSION_MASK_ALL:08x}");
        draft.notes.explain(&at, &value, Origin::Default { path: at.from.clone() });
        return VERSION_MASK_ALL;
    };
    let Ok(mask) = u32::from_str_radix(text, 16) else {
        draft.refuse_value(&at.from, text, "is not eight hex digits", "write it like 1fffe000");
        return 0;
    };
    draft.text(&at, text);
    mask
}
