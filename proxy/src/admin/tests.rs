#![expect(clippy::float_cmp, reason = "counts and sums of whole numbers are exact")]

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::exposition::Exposition;
use super::server::{CONNECTIONS_MAX, HEAD_BYTES_MAX, HEAD_TIMEOUT, HEADERS_MAX, STOP_TIMEOUT};
use super::status::{ConfigStatus, ListenerStatus};
use super::*;
use crate::sink::ledger::{Ledger, LedgerSnapshot, RowKey};

/// A proxy's state that a test may change.
#[derive(Default)]
struct State {
    status: Mutex<Status>,
    ledger: Ledger,
}

impl StatusSource for State {
    fn status(&self) -> Status {
        self.status.lock().unwrap().clone()
    }

    fn ledger(&self) -> LedgerSnapshot {
        self.ledger.snapshot()
    }
}

/// An admin server on a free port of loopback.
struct Server {
    address: SocketAddr,
    state: Arc<State>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Server {
    async fn start() -> Self {
        let admin = Admin::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let (address, state, stop) =
            (admin.local_addr(), Arc::<State>::default(), CancellationToken::new());
        *state.status.lock().unwrap() = ready();
        let mut tasks = JoinSet::new();
        let source = Arc::clone(&state);
        tasks.spawn(admin.serve(source, Telemetry::silent(), stop.clone()));
        Self { address, state, stop, tasks }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Status line and headers, and the body.
    async fn exchange(&self, request: &str) -> (String, String) {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
        (head.to_ascii_lowercase(), body.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String, String) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let (head, body) = self.exchange(&request).await;
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (code, head, body)
    }

    async fn json(&self, path: &str) -> Value {
        let (code, head, body) = self.get(path).await;
        assert_eq!(code, 200);
        assert!(head.contains("content-type: application/json"), "{head}");
        serde_json::from_str(&body).unwrap()
    }
}

fn ready() -> Status {
    Status {
        name: "mining/farm".to_owned(),
        config: ConfigStatus { hash: "3f2a".to_owned(), ..ConfigStatus::default() },
        listeners: vec![ListenerStatus {
            name: "v1".to_owned(),
            address: Some(([127, 0, 0, 1], 3333).into()),
            error: None,
            miners: 2,
        }],
        ..Status::default()
    }
}

#[tokio::test]
async fn a_process_that_answers_is_alive_and_ready_once_it_can_serve() {
    let server = Server::start().await;
    assert_eq!(server.get("/livez").await.0, 200);
    assert_eq!(server.get("/readyz").await.0, 200);
    {
        let mut status = server.state.status.lock().unwrap();
        status.draining = Some("signal".to_owned());
        status.listeners[0].address = None;
        status.listeners[0].error = Some("address in use".to_owned());
    }
    let (code, _, body) = server.get("/readyz").await;
    assert_eq!((code, &*body), (503, "draining: signal\nlistener v1: address in use\n"));
    assert_eq!(server.get("/livez").await.0, 200, "draining is no reason to be killed");
}

#[tokio::test]
async fn metrics_are_open_metrics_and_hold_the_ledger() {
    let server = Server::start().await;
    let parts = ["v1", "main", "primary", "ac\"me"].map(Arc::<str>::from);
    let [listener, route, pool, account] = parts;
    let key = RowKey { listener, route, pool, account };
    server.state.ledger.row(&key).below_pool_difficulty(2.0);
    let (code, head, body) = server.get("/metrics").await;
    assert_eq!(code, 200);
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.contains(kind), "{head}");
    let seen = Exposition::parse(&body);
    let labels = r#"{listener="v1",route="main",pool="primary",account="ac\"me"}"#;
    assert_eq!(seen.value(&format!("loka_shares_received_total{labels}")), 1.0);
    assert_eq!(seen.value(&format!("loka_shares_below_pool_difficulty_total{labels}")), 1.0);
    assert_eq!(seen.value("loka_miners_connected{listener=\"v1\"}"), 2.0);
}

#[tokio::test]
async fn ledger_and_status_are_json() {
    let server = Server::start().await;
    let parts = ["v1", "main", "primary", "acme"].map(Arc::<str>::from);
    let [listener, route, pool, account] = parts;
    let key = RowKey { listener, route, pool, account };
    server.state.ledger.row(&key).below_pool_difficulty(2.0);
    let ledger = server.json("/ledger").await;
    assert_eq!(ledger["rows"][0]["account"], "acme");
    assert_eq!(ledger["total"]["below_pool_difficulty"], 1);
    let status = server.json("/status").await;
    assert_eq!(status["name"], "mining/farm");
    assert_eq!(status["listeners"][0]["address"], "127.0.0.1:3333");
}

#[tokio::test]
async fn what_is_not_there_is_answered_with_what_is() {
    let server = Server::start().await;
    let (code, _, body) = server.get("/metric").await;
    assert_eq!(code, 404);
    assert!(body.contains("/metrics"), "{body}");
    assert_eq!(server.get("/").await.0, 200);
    let request = "POST /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(server.exchange(request).await.0.contains("405 method not allowed"));
}

#[tokio::test]
async fn a_port_in_use_is_an_error_with_address_and_remedy() {
    let server = Server::start().await;
    let error = Admin::bind(server.address).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("--admin {}: cannot listen: ", server.address)), "{error}");
    assert!(error.contains("ss -ltnp"), "{error}");
}

#[tokio::test]
async fn the_head_of_a_request_is_bounded_in_size_and_number() {
    let server = Server::start().await;
    let long = "x".repeat(HEAD_BYTES_MAX);
    let request = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n");
    assert!(server.exchange(&request).await.0.contains(" 431 "));
    let many = "x: y\r\n".repeat(HEADERS_MAX);
    let request = format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    assert!(server.exchange(&request).await.0.contains(" 431 "));
}

/// Sends a request that keeps the connection, and reads the answer.
async fn keep_alive(stream: &mut TcpStream) {
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut reply = Vec::new();
    while !reply.ends_with(b"\r\n\r\nok\n") {
        assert_ne!(stream.read_buf(&mut reply).await.unwrap(), 0, "closed");
    }
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_until_one_ends() {
    let server = Server::start().await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = server.connect().await;
        keep_alive(&mut stream).await;
        held.push(stream);
    }
    let mut late = server.connect().await;
    late.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // As many exchanges as would long have served it, if it had been accepted.
    for stream in &mut held {
        keep_alive(stream).await;
    }
    let nothing = late.try_read(&mut [0; 1]).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    drop(held.pop());
    let mut first = [0; 15];
    late.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_finished_in_time_is_given_up() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    let began = Instant::now();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost:").await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    let took = began.elapsed();
    assert!((HEAD_TIMEOUT..HEAD_TIMEOUT + Duration::from_secs(1)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn at_the_end_idle_connections_are_closed_and_the_port_is_free() {
    let mut server = Server::start().await;
    let mut idle = server.connect().await;
    keep_alive(&mut idle).await;
    let asked = Instant::now();
    server.stop.cancel();
    server.tasks.join_next().await.unwrap().unwrap();
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(asked.elapsed() < STOP_TIMEOUT, "{:?}", asked.elapsed());
    assert!(TcpStream::connect(server.address).await.is_err());
}
