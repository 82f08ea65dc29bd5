use std::io;
use std::time::Duration;

use axum::routing;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::server::{CONNECTIONS_MAX, HEAD_BYTES_MAX, HEAD_TIMEOUT, HEADERS_MAX, STOP_TIMEOUT};
use super::*;

/// An admin server on a free port of loopback, that says that it lives.
struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Server {
    async fn start() -> Self {
        let admin = Admin::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let (address, stop) = (admin.local_addr(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        let router = Router::new().route("/livez", routing::get(async || "ok\n"));
        tasks.spawn(admin.serve(router, stop.clone()));
        Self { address, stop, tasks }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// All of the answer.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply
    }
}

#[tokio::test]
async fn a_port_in_use_is_an_error_with_address_and_remedy() {
    let server = Server::start().await;
    let error = Admin::bind(server.address).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("--admin {}: cannot listen: ", server.address)), "{error}");
    assert!(error.contains("ss -ltnp"), "{error}");
    let error = AdminError {
        flag: "--admin",
        address: server.address,
        error: io::ErrorKind::AddrNotAvailable.into(),
    };
    assert!(error.to_string().ends_with("; give an address that this machine has"), "{error}");
}

#[tokio::test]
async fn the_head_of_a_request_is_bounded_in_size_and_number() {
    let server = Server::start().await;
    let long = "x".repeat(HEAD_BYTES_MAX);
    let request = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n");
    assert!(server.exchange(&request).await.contains(" 431 "));
    let many = "x: y\r\n".repeat(HEADERS_MAX);
    let request = format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    assert!(server.exchange(&request).await.contains(" 431 "));
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
