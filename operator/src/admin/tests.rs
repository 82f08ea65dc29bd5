use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, advance};

use super::server::{CONNECTIONS_MAX, HEAD_BYTES_MAX, HEAD_TIMEOUT, HEADERS_MAX, STOP_TIMEOUT};
use super::*;

/// An admin server on a free port of loopback.
struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Server {
    async fn start() -> Self {
        Self::showing(Health::default()).await
    }

    async fn showing(health: Health) -> Self {
        let admin = Admin::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let (address, stop) = (admin.local_addr(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(admin.serve(Arc::new(health), Telemetry::silent(), stop.clone()));
        Self { address, stop, tasks }
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

    #[track_caller]
    fn is(answer: &(u16, String, String), code: u16, body: &str) {
        assert_eq!((answer.0, &*answer.2), (code, body));
    }
}

#[tokio::test]
async fn ready_is_what_every_check_says_and_it_can_be_taken_back() {
    let mut health = Health::default();
    let (caches, streams) = (health.check("caches synced"), health.check("streams served"));
    let server = Server::showing(health).await;
    let both = "not yet, or no longer: caches synced\nnot yet, or no longer: streams served\n";
    Server::is(&server.get("/readyz").await, 503, both);
    streams.pass();
    Server::is(&server.get("/readyz").await, 503, "not yet, or no longer: caches synced\n");
    caches.pass();
    Server::is(&server.get("/readyz").await, 200, "ok\n");
    streams.fail();
    Server::is(&server.get("/readyz").await, 503, "not yet, or no longer: streams served\n");
    Server::is(&server.get("/livez").await, 200, "ok\n");
}

#[tokio::test(start_paused = true)]
async fn a_watchdog_that_is_silent_for_too_long_is_named_and_one_tick_revives_it() {
    let mut health = Health::default();
    let limit = Duration::from_secs(300);
    let watch = health.watchdog("watch of StratumProxy", limit);
    let other = health.watchdog("watch of Secret", limit);
    advance(limit).await;
    assert!(health.dead().is_empty(), "the limit itself is still in time");
    other.tick();
    advance(Duration::from_secs(12)).await;
    let wanted = "watch of StratumProxy: no sign of life for 312 s (limit 300 s)\n";
    let server = Server::showing(health).await;
    Server::is(&server.get("/livez").await, 503, wanted);
    watch.tick();
    Server::is(&server.get("/livez").await, 200, "ok\n");
}

#[tokio::test]
async fn metrics_are_open_metrics() {
    let server = Server::start().await;
    let (code, head, body) = server.get("/metrics").await;
    assert_eq!(code, 200);
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.contains(kind), "{head}");
    assert!(body.contains("\nloka_operator_leader 0\n") && body.ends_with("# EOF\n"), "{body}");
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
