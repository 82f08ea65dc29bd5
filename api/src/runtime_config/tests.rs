use serde_json::json;

use super::*;

fn config() -> RuntimeConfig {
    RuntimeConfig {
        schema: 1,
        name: "mining/farm-east".into(),
        listeners: vec![],
        routes: vec![],
        rules: vec![],
        firmware: vec![],
        drain: Drain { timeout_ms: 1 },
        observability: Observability::default(),
    }
}

#[test]
fn the_hash_is_twelve_hex_digits_of_the_content() {
    assert_eq!(hash(&config()), hash(&config()));
    assert_eq!(hash(&config()).len(), 12);
    let mut other = config();
    other.drain.timeout_ms = 2;
    assert_ne!(hash(&config()), hash(&other));
}

/// The hash goes into files and annotations of other versions: it changes only when the content
/// does.
#[test]
fn the_hash_of_a_known_config_does_not_change() {
    let json = r#"{"schema":1,"name":"mining/farm-east","listeners":[],"routes":[],"drain":{"timeoutMs":1},"observability":{}}"#;
    assert_eq!(serde_json::to_string(&config()).unwrap(), json);
    assert_eq!(hash(&config()), "761ae81ae601");
}

fn listener(tls: Option<ListenerTls>) -> Listener {
    let limits = Limits {
        max_connections: 1,
        max_line_bytes: 1024,
        handshake_timeout_ms: 1,
        idle_timeout_ms: 1,
        submits_per_second: 1,
        submit_burst: 1,
        max_connections_per_address: None,
        connects_per_minute_per_address: None,
        max_handshakes: None,
        max_handshakes_per_address: None,
        max_connections_per_worker: None,
        submits_per_minute_per_worker: None,
        ban: None,
        exempt: vec![],
    };
    let one = || "1".to_owned();
    let difficulty =
        DifficultyRange { initial: one(), min: one(), max: one(), share_interval_ms: 1 };
    let (name, route) = ("v1".into(), "main".into());
    let (proxy_protocol, authentication) = (None, None);
    Listener { name, port: 3333, route, difficulty, limits, tls, proxy_protocol, authentication }
}

/// An older proxy would let in whom it is to refuse, or take each header for garbage.
#[test]
fn each_limit_for_single_addresses_needs_the_schema_that_knows_it() {
    let changes: [fn(&mut Listener); 6] = [
        |it| it.proxy_protocol = Some(ProxyProtocol { from: vec!["::/0".into()] }),
        |it| it.limits.ban = Some(Ban { after: 1, for_ms: 1 }),
        |it| it.limits.max_connections_per_address = Some(1),
        |it| it.limits.connects_per_minute_per_address = Some(1),
        |it| it.limits.max_handshakes = Some(1),
        |it| it.limits.max_handshakes_per_address = Some(1),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut config = RuntimeConfig { listeners: vec![listener(None)], ..config() };
        let plain = json(&config);
        config.listeners[0].limits.exempt = vec!["10.0.0.0/8".into()];
        assert_eq!(config.schema_needed(), 1, "exempt from nothing");
        change(&mut config.listeners[0]);
        assert_eq!(config.schema_needed(), 4, "change {index}");
        let text = json(&config);
        assert_eq!(serde_json::from_str::<RuntimeConfig>(&text).unwrap(), config, "{text}");
        assert!(!plain.contains("ddress") && !plain.contains("ban"), "hashes stay: {plain}");
    }
}

/// An older proxy would let in whom it is to refuse.
#[test]
fn each_guard_by_name_needs_the_schema_that_knows_it() {
    let hook = Webhook {
        endpoint: Endpoint { host: "a".into(), port: 1 },
        path: "/".into(),
        tls: None,
        token: None,
        timeout_ms: 1,
        allow_for_ms: 1,
        refuse_for_ms: 1,
        stale_for_ms: 1,
        on_failure: OnHookFailure::Refuse,
    };
    let changes: [&dyn Fn(&mut Listener); 5] = [
        &|it| it.authentication = Some(Authentication::List { entries: Secret::new("x") }),
        &|it| it.authentication = Some(Authentication::Webhook(hook.clone())),
        &|it| it.authentication = Some(Authentication::Pool),
        &|it| it.limits.max_connections_per_worker = Some(1),
        &|it| it.limits.submits_per_minute_per_worker = Some(1),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut config = RuntimeConfig { listeners: vec![listener(None)], ..config() };
        let plain = json(&config);
        change(&mut config.listeners[0]);
        assert_eq!(config.schema_needed(), 5, "change {index}");
        let text = json(&config);
        assert_eq!(serde_json::from_str::<RuntimeConfig>(&text).unwrap(), config, "{text}");
        assert!(!plain.contains("orker") && !plain.contains("authentication"), "{plain}");
    }
}

/// What an older proxy would not do as it is meant needs a schema that it refuses; all else stays
/// at what it understands.
#[test]
fn only_a_config_with_tls_needs_the_schema_that_knows_it() {
    let tls = ListenerTls {
        certificate_pem: Secret::new("c"),
        key_pem: Secret::new("k"),
        min_version: TlsVersion::Tls12,
    };
    let mut config = config();
    config.listeners = vec![listener(None), listener(None)];
    assert_eq!(config.schema_needed(), 1);
    config.listeners[1].tls = Some(tls);
    assert_eq!(config.schema_needed(), 2);
}

#[test]
fn a_listener_of_an_older_writer_is_in_the_clear() {
    let written = json!(listener(None));
    assert_eq!(written.get("tls"), None);
    assert_eq!(serde_json::from_value::<Listener>(written).unwrap(), listener(None));
}

#[test]
fn a_config_of_a_newer_writer_is_read() {
    let mut newer = json!(config());
    newer["drain"]["jitterMs"] = json!(5);
    newer["fleet"] = json!({"weights": []});
    assert_eq!(serde_json::from_value::<RuntimeConfig>(newer).unwrap(), config());
}

/// As an older writer has it, without a field that came later.
fn route() -> Route {
    let pool = json!({
        "name": "a", "priority": 0, "endpoint": {"host": "a.example.com", "port": 3333},
        "user": "acme.farm", "account": "acme", "password": "x",
        "timeouts": {"connectMs": 1, "handshakeMs": 1, "firstJobMs": 1, "jobSilenceMs": 1, "submitMs": 1},
        "versionRolling": "Enabled",
    });
    let route = json!({
        "name": "main", "pools": [pool], "onNoPool": {"policy": "Hold", "afterMs": 0},
        "failbackAfterMs": 1, "jobKeepAliveMs": 1, "versionMask": 0,
    });
    let read: Route = serde_json::from_value(route.clone()).unwrap();
    assert_eq!(json!(read), route, "what is as before is not written: hashes stay");
    read
}

/// An older proxy would mine, but elsewhere or otherwise than it is meant to.
#[test]
fn each_thing_that_says_where_work_goes_needs_the_schema_that_knows_it() {
    let needed = |change: &dyn Fn(&mut RuntimeConfig)| {
        let mut config = RuntimeConfig { routes: vec![route()], ..config() };
        assert_eq!(config.schema_needed(), 1);
        change(&mut config);
        let text = json(&config);
        assert_eq!(serde_json::from_str::<RuntimeConfig>(&text).unwrap(), config, "{text}");
        config.schema_needed()
    };
    let window = Window { days: 1, from_minute: 0, to_minute: 1440 };
    let names = WorkerNames { template: "{worker}".into(), logins_max: 16 };
    let payout = Payout { address: "a".into(), script_hex: "00".into(), min_percent: 50 };
    let rollout = Rollout {
        steps: vec![RolloutStep { percent: 100, for_ms: 0 }],
        min_acceptance_permille: 950,
        max_latency_ms: 2000,
        max_job_age_ms: 120_000,
    };
    let changes: [&dyn Fn(&mut RuntimeConfig); 12] = [
        &|it| it.rules.push(Rule::default()),
        &|it| it.firmware.push(FirmwareProfile::default()),
        &|it| it.routes[0].mode = Mode::Dedicated,
        &|it| it.routes[0].pin = Some("a".into()),
        &|it| it.routes[0].rollout = Some(rollout.clone()),
        &|it| it.routes[0].pools[0].weight = Some(1),
        &|it| it.routes[0].pools[0].schedule.push(window),
        &|it| it.routes[0].pools[0].worker_names = Some(names.clone()),
        &|it| it.routes[0].pools[0].payout = Some(payout.clone()),
        &|it| it.routes[0].pools[0].health.block_lag_ms = 1,
        &|it| it.routes[0].pools[0].suggest_difficulty = SuggestDifficulty::Disabled,
        &|it| it.routes[0].pools[0].reconnect = ReconnectPolicy::Never,
    ];
    for (index, change) in changes.into_iter().enumerate() {
        assert_eq!(needed(change), 3, "change {index}");
    }
    let socks5 = Socks5 { host: "a".into(), port: 1, login: None };
    let reached: [&dyn Fn(&mut RuntimeConfig); 2] =
        [&|it| it.routes[0].pools[0].tls = Some(PoolTls::default()), &|it| {
            it.routes[0].pools[0].socks5 = Some(socks5.clone())
        }];
    for (index, change) in reached.into_iter().enumerate() {
        assert_eq!(needed(change), 4, "change {index}");
    }
    assert_eq!(SCHEMA, 5, "the highest that is understood");
}

/// 2026-11-25 is a Wednesday.
const WEDNESDAY: u64 = 1_795_564_800;
const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

#[test]
fn a_window_holds_its_days_and_minutes_also_over_midnight() {
    let wednesday = 1 << 2;
    let day = Window { days: wednesday, from_minute: 8 * 60, to_minute: 20 * 60 };
    let at = |window: Window, hour: u64, minute: u64| {
        window.contains(WEDNESDAY + (hour * 60 + minute) * MINUTE)
    };
    assert!(!at(day, 7, 59) && at(day, 8, 0) && at(day, 19, 59) && !at(day, 20, 0));
    assert!(!at(day, 8 + 24, 0), "not on Thursday");
    let all = Window { days: wednesday, from_minute: 0, to_minute: 1440 };
    assert!(at(all, 0, 0) && at(all, 23, 59) && !at(all, 24, 0));
    let night = Window { days: wednesday, from_minute: 22 * 60, to_minute: 6 * 60 };
    assert!(!at(night, 5, 0), "that night began on Tuesday");
    assert!(at(night, 22, 0) && at(night, 24 + 5, 59) && !at(night, 24 + 6, 0));
    let sunday = Window { days: 1 << 6, ..night };
    assert!(sunday.contains(WEDNESDAY + 5 * DAY), "into Monday");
}

#[test]
fn a_window_is_told_in_days_and_hours() {
    let told = |days, from_minute, to_minute| Window { days, from_minute, to_minute }.to_string();
    assert_eq!(told(0b111_1111, 0, 1440), "Mon-Sun 00:00 to 24:00");
    assert_eq!(told(0b001_1111, 1320, 360), "Mon-Fri 22:00 to 06:00 (next day)");
    assert_eq!(told(0b110_0101, 485, 486), "Mon, Wed, Sat-Sun 08:05 to 08:06");
}

#[test]
fn a_pool_without_windows_is_always_scheduled() {
    let mut pool = route().pools.remove(0);
    assert!(pool.is_scheduled(WEDNESDAY));
    pool.schedule = vec![Window { days: 1, from_minute: 0, to_minute: 1440 }];
    assert!(!pool.is_scheduled(WEDNESDAY) && pool.is_scheduled(WEDNESDAY + 5 * DAY));
    pool.schedule.push(Window { days: 1 << 2, from_minute: 0, to_minute: 1440 });
    assert!(pool.is_scheduled(WEDNESDAY));
}
