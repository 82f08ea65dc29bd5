//! A marked password in the Secret of a pool: of all that is asked of the API server, only the Secret of the config bears it,
//! and nothing that is logged.

use std::io;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

const MARK: &str = "zq7-password-of-the-pool-7qz";

/// What is no secret, and is told.
const ACCOUNT: &str = "zq7account7qz";

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().map_err(|_| io::Error::other("a writer has panicked"))?;
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A farm whose pool has its password in a Secret of this data.
fn farm(data: &Value) -> World {
    let mut pools = read(&json!({})).pools;
    pools[0].spec.account = ACCOUNT.to_owned();
    pools[0].spec.password_secret_ref =
        Some(serde_json::from_value(json!({"name": "credentials"})).unwrap());
    let world = world_of(Vec::new(), pools);
    let metadata = json!({"name": "credentials", "namespace": "mining", "resourceVersion": "5"});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data});
    *world.server.secret.lock().unwrap() = Some(secret);
    world
}

#[tokio::test]
async fn a_password_is_written_into_the_secret_of_the_config_and_nowhere_else() {
    let encoded = STANDARD.encode(MARK);
    let shows = |text: &str| text.contains(MARK) || text.contains(&encoded);
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(log.clone()).finish());
    let world = farm(&json!({"password": encoded}));
    turned(&world, &object(&json!({}), None)).await;
    let asked = std::mem::take(&mut *world.server.asked.lock().unwrap());
    let bearing: Vec<&str> = asked
        .iter()
        .filter(|(_, path, sent)| {
            let config = sent["data"]["snapshot.json"].as_str().unwrap_or_default();
            let config = STANDARD.decode(config).unwrap_or_default();
            let text = format!("{path} {sent} {}", String::from_utf8_lossy(&config));
            shows(&text)
        })
        .map(|(_, path, _)| path.as_str())
        .collect();
    assert!(matches!(*bearing, [path] if path.contains("/secrets/")), "{bearing:?}");
    let told = asked.iter().filter(|(_, path, _)| path.ends_with("/status"));
    let told: Vec<String> = told.map(|(_, _, sent)| sent.to_string()).collect();
    assert!(told.iter().any(|status| status.contains(ACCOUNT)), "{told:?}");

    // One that cannot be used is told of without it.
    for data in [
        json!({"pass": encoded}),
        json!({"password": STANDARD.encode(format!("{MARK}\u{7}"))}),
        json!({"password": STANDARD.encode([MARK.as_bytes(), &[0xff]].concat())}),
    ] {
        let world = farm(&data);
        turned(&world, &object(&json!({}), None)).await;
        let asked = std::mem::take(&mut *world.server.asked.lock().unwrap());
        let written: String =
            asked.iter().map(|(_, path, sent)| format!("{path} {sent}\n")).collect();
        assert!(written.contains("credentials"), "it is told of: {written}");
        assert!(!shows(&written), "{written}");
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!shows(&log), "{log}");
}
