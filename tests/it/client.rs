//! A miner's connection that says exactly what the test says.

use std::io;
use std::net::SocketAddr;

use loka_farm::wire::LineStream;
use loka_tests::process::PATIENCE;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

pub(crate) struct Client<S = TcpStream> {
    lines: LineStream<S>,
    next_id: u64,
}

// === impl Client ===

impl Client {
    pub(crate) async fn connect(port: u16) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self::over(TcpStream::connect(address).await.expect("the listener listens"))
    }

    /// The same from another address of loopback: 127.0.0.`host`.
    pub(crate) async fn connect_from(host: u8, port: u16) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).expect("an address");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self::over(socket.connect(address).await.expect("the listener listens"))
    }

    /// Connects, subscribes and authorizes.
    pub(crate) async fn logged_in(port: u16) -> Self {
        Self::connect(port).await.log_in().await
    }

    /// Ends it with a reset.
    pub(crate) fn reset(self) {
        self.lines.into_stream().set_zero_linger().expect("an open socket");
    }

    /// The socket's own end: its identity.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.lines.stream().local_addr().expect("an address")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// On a connection that somebody else has made.
    pub(crate) fn over(stream: S) -> Self {
        Self { lines: LineStream::new(stream), next_id: 1 }
    }

    /// Subscribes and authorizes.
    pub(crate) async fn log_in(mut self) -> Self {
        let subscribed = self.call("mining.subscribe", json!(["it/1"])).await;
        assert!(subscribed["result"][1].is_string(), "{subscribed}");
        let authorized = self.call("mining.authorize", json!(["acct.it", "x"])).await;
        assert_eq!(authorized["result"], true, "{authorized}");
        self
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.lines.send(text.as_bytes()).await.expect("the proxy reads");
    }

    /// The same where the proxy may have closed already.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) {
        self.lines.send(bytes).await.ok();
    }

    /// Sends a request and returns its reply; notifications in between are dropped.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&format!("{}\n", json!({"id": id, "method": method, "params": params}))).await;
        self.until(|line| line["id"] == id && line.get("method").is_none()).await
    }

    /// The next line that `is_it`; earlier ones are dropped. Other lines are no reason to wait for longer.
    pub(crate) async fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let line = self.next().await.expect("a connection").expect("a line, not the end");
                if is_it(&line) {
                    return line;
                }
            }
        };
        timeout(PATIENCE, found).await.expect("such a line in time")
    }

    /// The next notification of `method`.
    pub(crate) async fn notification(&mut self, method: &str) -> Value {
        self.until(|line| line["method"] == method).await
    }

    /// The next line, or `None` when the proxy has closed.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Value>> {
        let line = timeout(PATIENCE, self.lines.next_line()).await.expect("a line in time")?;
        Ok(line.map(|line| serde_json::from_str(&line).expect("JSON")))
    }

    /// Waits until the proxy has closed; what it says before is returned. Jobs alone are no reason to wait for longer.
    pub(crate) async fn closed(&mut self) -> Vec<Value> {
        let mut said = Vec::new();
        let end = async {
            // A reset is an end as well.
            while let Ok(Some(line)) = self.next().await {
                said.push(line);
            }
        };
        timeout(PATIENCE, end).await.expect("the end of the connection");
        said
    }

    /// Proves that the connection is the proxy's still: a request is answered on it.
    pub(crate) async fn assert_alive(&mut self) {
        let reply = self.call("mining.extranonce.subscribe", json!([])).await;
        assert!(reply.get("result").is_some(), "{reply}");
    }
}
