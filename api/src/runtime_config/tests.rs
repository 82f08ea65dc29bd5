use serde_json::json;

use super::*;

fn config() -> RuntimeConfig {
    RuntimeConfig {
        schema: SCHEMA,
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

#[test]
fn a_config_of_a_newer_writer_is_read() {
    let mut newer = json!(config());
    newer["drain"]["jitterMs"] = json!(5);
    newer["fleet"] = json!({"weights": []});
    assert_eq!(serde_json::from_value::<RuntimeConfig>(newer).unwrap(), config());
}
