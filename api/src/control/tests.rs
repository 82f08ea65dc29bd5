use super::*;
use crate::runtime_config::SCHEMA;

fn config(log_level: &str) -> RuntimeConfig {
    serde_json::from_value(serde_json::json!({
        "schema": SCHEMA,
        "name": "mining/farm-east",
        "listeners": [],
        "routes": [],
        "drain": { "timeoutMs": 1 },
        "observability": { "logLevel": log_level },
    }))
    .unwrap()
}

fn identity(epoch: &str, sequence: u64) -> Identity {
    Identity { epoch: epoch.to_owned(), sequence, hash: String::new() }
}

#[test]
fn a_snapshot_survives_file_and_stream() {
    let snapshot = Snapshot::new("uid", 7, config("info")).traced("00-1-2-01");
    let file = Snapshot::from_file(&snapshot.to_file(), SCHEMA).unwrap();
    let stream = Snapshot::from_wire(snapshot.to_wire(), SCHEMA).unwrap();
    for read in [file, stream] {
        assert_eq!(read.identity, snapshot.identity);
        assert_eq!(read.config, snapshot.config);
        assert_eq!(read.traceparent, "00-1-2-01");
        assert_eq!(read.to_file(), snapshot.to_file());
    }
    assert_eq!(snapshot.identity.hash, runtime_config::hash(&snapshot.config));
}

#[test]
fn debug_shows_the_name_of_a_snapshot_and_nothing_of_its_content() {
    let shown = format!("{:?}", Snapshot::new("uid", 7, config("secretive")));
    assert!(shown.contains("sequence: 7"), "{shown}");
    assert!(!shown.contains("secretive"), "{shown}");
}

#[test]
fn fields_of_a_newer_operator_keep_their_place_in_the_hash() {
    let json =
        runtime_config::json(&config("info")).replace("{\"schema\"", "{\"new\":1,\"schema\"");
    let hash = runtime_config::hash_of_json(json.as_bytes());
    let message = wire::Snapshot {
        identity: Some(wire::Identity { epoch: "uid".to_owned(), sequence: 1, hash }),
        config: json.into_bytes(),
        traceparent: String::new(),
    };
    let snapshot = Snapshot::from_wire(message.clone(), SCHEMA).unwrap();
    assert_eq!(snapshot.to_wire(), message);
}

#[test]
fn a_snapshot_that_was_changed_is_refused() {
    let text = Snapshot::new("uid", 7, config("info")).to_file().replace("info", "warn");
    let error = Snapshot::from_file(&text, SCHEMA).unwrap_err();
    assert!(matches!(error, SnapshotError::Hash { .. }), "{error}");
}

#[test]
fn a_newer_schema_is_refused_before_the_rest_is_read() {
    let json = format!("{{\"schema\":{},\"listeners\":\"of another shape\"}}", SCHEMA + 1);
    let hash = runtime_config::hash_of_json(json.as_bytes());
    let text = format!(
        "{{\"identity\":{{\"epoch\":\"u\",\"sequence\":1,\"hash\":\"{hash}\"}},\"config\":{json}}}"
    );
    let error = Snapshot::from_file(&text, SCHEMA).unwrap_err();
    assert_eq!(error, SnapshotError::Schema { found: SCHEMA + 1, known: SCHEMA });
}

#[test]
fn what_is_no_snapshot_is_told() {
    for text in ["", "{}", "[]", "{\"identity\":{}}"] {
        let error = Snapshot::from_file(text, SCHEMA).unwrap_err();
        assert!(error.to_string().starts_with("is no snapshot: "), "{text}: {error}");
    }
    let error = Snapshot::from_wire(wire::Snapshot::default(), SCHEMA).unwrap_err();
    assert_eq!(error, SnapshotError::Malformed("it has no identity".to_owned()));
}

#[test]
fn the_sequence_orders_within_an_epoch_and_another_epoch_always_wins() {
    assert!(identity("a", 2).is_newer_than(&identity("a", 1)));
    assert!(!identity("a", 1).is_newer_than(&identity("a", 1)));
    assert!(!identity("a", 1).is_newer_than(&identity("a", 2)));
    assert!(identity("b", 1).is_newer_than(&identity("a", 9)));
}
