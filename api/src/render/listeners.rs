//! Listeners: units resolved, the route that each one's miners take, and the certificate that they
//! are shown. Whether that is one is for the proxy to say, which has the means.

use crate::{
    names,
    runtime_config::{Ban, DifficultyRange, Limits, Listener, ListenerTls, ProxyProtocol},
    secrets::{Secret, SecretRef, SecretSource},
    stratum_proxy::{self as spec, ProxyProtocolMode, StratumProxySpec, TlsVersion},
};

use super::{
    authentication,
    draft::{At, Draft},
    secret,
};

pub(super) fn render(
    draft: &mut Draft<'_, StratumProxySpec>,
    secrets: &dyn SecretSource,
) -> Vec<Listener> {
    let listeners = draft.document.spec.listeners.iter().enumerate();
    listeners.map(|(index, wanted)| listener(draft, secrets, index, wanted)).collect()
}

fn listener(
    draft: &mut Draft<'_, StratumProxySpec>,
    secrets: &dyn SecretSource,
    index: usize,
    wanted: &spec::Listener,
) -> Listener {
    let name = wanted.name.clone();
    let at = At::new(format!("spec.listeners[{index}]"), format!("listeners[{name}]"));
    Listener {
        port: draft.number(&at.field("port"), wanted.port),
        route: route(draft, &at, wanted),
        difficulty: difficulty(draft, &at.field("difficulty"), &wanted.difficulty),
        limits: limits(draft, &at.field("limits"), &wanted.limits),
        tls: wanted.tls.as_ref().map(|wanted| tls(draft, secrets, &at.field("tls"), wanted)),
        proxy_protocol: wanted
            .proxy_protocol
            .as_ref()
            .and_then(|wanted| proxy_protocol(draft, &at.field("proxyProtocol"), wanted)),
        authentication: wanted.authentication.as_ref().and_then(|wanted| {
            authentication::render(draft, secrets, &at.field("authentication"), wanted)
        }),
        name,
    }
}

fn route(draft: &mut Draft<'_, StratumProxySpec>, at: &At, wanted: &spec::Listener) -> String {
    let at = at.renamed("routeRef.name", "route");
    let routes = &draft.document.spec.routes;
    let Some(route_ref) = &wanted.route_ref else {
        return routes.first().map_or_else(String::new, |first| draft.text(&at, &first.name));
    };
    if !routes.iter().any(|route| route.name == route_ref.name) {
        let known: Vec<_> = routes.iter().map(|route| route.name.as_str()).collect();
        let remedy = format!("name one of spec.routes: {}", known.join(", "));
        draft.refuse_value(&at.from, &route_ref.name, "there is no such route", &remedy);
    }
    draft.text(&at, &route_ref.name)
}

fn difficulty(
    draft: &mut Draft<'_, StratumProxySpec>,
    at: &At,
    wanted: &spec::Difficulty,
) -> DifficultyRange {
    DifficultyRange {
        initial: draft.decimal(&at.field("initial"), &wanted.initial),
        min: draft.decimal(&at.field("min"), &wanted.min),
        max: draft.decimal(&at.field("max"), &wanted.max),
        share_interval_ms: draft.millis(
            &at.renamed("targetShareInterval", "shareIntervalMs"),
            &wanted.target_share_interval,
        ),
    }
}

fn limits(draft: &mut Draft<'_, StratumProxySpec>, at: &At, wanted: &spec::Limits) -> Limits {
    Limits {
        max_connections: draft.number(&at.field("maxConnections"), wanted.max_connections),
        max_line_bytes: draft.number(&at.field("maxLineBytes"), wanted.max_line_bytes),
        handshake_timeout_ms: draft
            .millis(&at.duration("handshakeTimeout"), &wanted.handshake_timeout),
        idle_timeout_ms: draft.millis(&at.duration("idleTimeout"), &wanted.idle_timeout),
        submits_per_second: draft.number(&at.field("submitsPerSecond"), wanted.submits_per_second),
        submit_burst: draft.number(&at.field("submitBurst"), wanted.submit_burst),
        max_connections_per_address: perhaps(
            draft,
            &at.field("maxConnectionsPerAddress"),
            wanted.max_connections_per_address,
        ),
        connects_per_minute_per_address: perhaps(
            draft,
            &at.field("connectsPerMinutePerAddress"),
            wanted.connects_per_minute_per_address,
        ),
        max_handshakes: perhaps(draft, &at.field("maxHandshakes"), wanted.max_handshakes),
        max_handshakes_per_address: perhaps(
            draft,
            &at.field("maxHandshakesPerAddress"),
            wanted.max_handshakes_per_address,
        ),
        max_connections_per_worker: perhaps(
            draft,
            &at.field("maxConnectionsPerWorker"),
            wanted.max_connections_per_worker,
        ),
        submits_per_minute_per_worker: perhaps(
            draft,
            &at.field("submitsPerMinutePerWorker"),
            wanted.submits_per_minute_per_worker,
        ),
        ban: wanted.ban.as_ref().map(|wanted| ban(draft, &at.field("ban"), wanted)),
        exempt: ranges(draft, at, "exempt", &wanted.exempt),
    }
}

fn perhaps(draft: &mut Draft<'_, StratumProxySpec>, at: &At, wanted: Option<i32>) -> Option<u32> {
    wanted.map(|wanted| draft.number(at, wanted))
}

fn ban(draft: &mut Draft<'_, StratumProxySpec>, at: &At, wanted: &spec::Ban) -> Ban {
    let spec::Ban { after, r#for } = wanted;
    Ban {
        after: draft.number(&at.field("after"), *after),
        for_ms: draft.millis(&at.duration("for"), r#for),
    }
}

/// What is forbidden is what a proxy does without being told.
fn proxy_protocol(
    draft: &mut Draft<'_, StratumProxySpec>,
    at: &At,
    wanted: &spec::ProxyProtocol,
) -> Option<ProxyProtocol> {
    let spec::ProxyProtocol { mode, from } = wanted;
    match mode {
        ProxyProtocolMode::Forbidden => None,
        ProxyProtocolMode::Required => {
            Some(ProxyProtocol { from: ranges(draft, at, "from", from) })
        }
    }
}

fn ranges(
    draft: &mut Draft<'_, StratumProxySpec>,
    at: &At,
    list: &str,
    wanted: &[String],
) -> Vec<String> {
    let wanted = wanted.iter().enumerate();
    wanted.map(|(index, range)| draft.text(&at.item(list, index), range)).collect()
}

fn tls(
    draft: &mut Draft<'_, StratumProxySpec>,
    secrets: &dyn SecretSource,
    at: &At,
    wanted: &spec::ListenerTls,
) -> ListenerTls {
    // Without `..`: `clientAuth` has one value that its rule lets through, and does nothing.
    let spec::ListenerTls { secret_ref, min_version, client_auth: _ } = wanted;
    let version = match min_version {
        TlsVersion::Tls12 => "TLS1_2",
        TlsVersion::Tls13 => "TLS1_3",
    };
    draft.text(&at.field("minVersion"), version);
    let mut find = |key: &str, to: &str| {
        let reference = SecretRef {
            namespace: draft.document.namespace.clone(),
            name: secret_ref.name.clone(),
            key: key.to_owned(),
        };
        let at = at.renamed("secretRef", to);
        let wanted = secret::Wanted { at: &at, reference, key: secret::Key::Fixed };
        secret::find(draft, secrets, wanted).unwrap_or_else(|| Secret::new(""))
    };
    ListenerTls {
        certificate_pem: find(names::TLS_CERTIFICATE_KEY, "certificatePem"),
        key_pem: find(names::TLS_PRIVATE_KEY_KEY, "keyPem"),
        min_version: *min_version,
    }
}
