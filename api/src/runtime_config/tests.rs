use serde_json::json;

use super::*;

fn config() -> RuntimeConfig {
    RuntimeConfig {
        schema: 1,
        name: "mining/farm-east".into(),
        listeners: vec![],
        routes: vec![],
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
    };
    let one = || "1".to_owned();
    let difficulty =
        DifficultyRange { initial: one(), min: one(), max: one(), share_interval_ms: 1 };
    Listener { name: "v1".into(), port: 3333, route: "main".into(), difficulty, limits, tls }
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
    assert_eq!(SCHEMA, 2, "the highest that is understood");
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
