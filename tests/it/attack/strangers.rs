//! What strangers do, each kind from addresses of its own on loopback, at a bounded pace, until the weather is over.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

/// Whether strangers are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    Calm,
    Storm,
    Over,
}

/// Between two attempts of one stranger.
const PACE: Duration = Duration::from_millis(25);

/// How long a crowd stands in the way, and how long it is away: others want to get in as well.
const CROWD_STAYS: Duration = Duration::from_secs(3);

/// A connection that is held for longer is let go by the stranger itself.
const PATIENCE: Duration = Duration::from_secs(10);

const SUBSCRIBE: &str = "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"evil/1\"]}\n";
const AUTHORIZE: &str =
    "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"acct.evil\",\"x\"]}\n";

/// What is thrown at the port, each from an address of its own: in the order of `127.0.0.50` and on.
const GARBAGE: [&[u8]; 6] = [
    b"GET / HTTP/1.1\r\nHost: farm\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.9\r\n",
    b"{\n{\"id\":\n{\"id\":1,\"method\":}\n{]\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n",
    b"\x00\x01\x02\x03\x04\x05\x06\x07",
];

/// All that are about.
pub(super) struct Strangers(JoinSet<()>);

/// One of them, or many of one address.
#[derive(Clone)]
struct Stranger {
    host: u8,
    port: u16,
    weather: watch::Receiver<Weather>,
}

// === impl Strangers ===

impl Strangers {
    /// They begin when there is a storm, and end with it.
    pub(super) fn come(port: u16, weather: watch::Receiver<Weather>) -> Self {
        let mut all = JoinSet::new();
        let stranger = |host| Stranger { host, port, weather: weather.clone() };
        // More handshakes together than there may be, each address with more than it may have.
        (10..17).for_each(|host| drop(all.spawn(stranger(host).stands_about())));
        all.spawn(stranger(20).knocks());
        // More miners of one address than it may have, and more in all than there is room for.
        (30..37).for_each(|host| drop(all.spawn(stranger(host).crowds_in())));
        for (host, garbage) in (50..).zip(GARBAGE) {
            all.spawn(stranger(host).throws(garbage.to_vec()));
        }
        all.spawn(stranger(57).throws([b'{'; 100_000].to_vec()));
        (60..63).for_each(|host| drop(all.spawn(stranger(host).subscribes())));
        (70..72).for_each(|host| drop(all.spawn(stranger(host).does_not_read())));
        (73..75).for_each(|host| drop(all.spawn(stranger(host).trickles())));
        (85..87).for_each(|host| drop(all.spawn(stranger(host).invents_shares())));
        all.spawn(stranger(88).submits_unasked());
        Self(all)
    }

    /// Waits until the last has gone.
    pub(super) async fn gone(mut self) {
        while let Some(ended) = self.0.join_next().await {
            ended.expect("strangers do not panic");
        }
    }
}

// === impl Stranger ===

impl Stranger {
    /// Whether there is still a storm, a pace later.
    async fn goes_on(&mut self) -> bool {
        let storm = self.weather.wait_for(|weather| *weather != Weather::Calm).await;
        if storm.is_ok_and(|weather| *weather == Weather::Over) {
            return false;
        }
        // The pause ends with the storm.
        let over = self.weather.wait_for(|weather| *weather == Weather::Over);
        timeout(PACE, over).await.is_err()
    }

    async fn connect(&self) -> Option<TcpStream> {
        let socket = TcpSocket::new_v4().ok()?;
        // Small, so that what is not read stands in the proxy's queue soon.
        socket.set_recv_buffer_size(4096).ok()?;
        socket.bind(SocketAddr::from(([127, 0, 0, self.host], 0))).ok()?;
        socket.connect(SocketAddr::from(([127, 0, 0, 1], self.port))).await.ok()
    }

    /// Says this and listens until the other side closes, or for a while.
    async fn say(&self, bytes: &[u8]) {
        let Some(mut stream) = self.connect().await else { return };
        if stream.write_all(bytes).await.is_ok() {
            until_closed(&mut stream).await;
        }
    }

    /// As many as there may be and some more, who say nothing.
    async fn stands_about(mut self) {
        while self.goes_on().await {
            let mut crowd = Vec::new();
            for _ in 0..12 {
                crowd.extend(self.connect().await);
            }
            self.pause().await;
            drop(crowd);
            self.pause().await;
        }
    }

    /// Connects and goes, over and over.
    async fn knocks(mut self) {
        while self.goes_on().await {
            drop(self.connect().await);
        }
    }

    /// Miners that log in, and do no more; as many as there may be and some more.
    async fn crowds_in(mut self) {
        while self.goes_on().await {
            let mut crowd = Vec::new();
            for _ in 0..25 {
                let Some(mut stream) = self.connect().await else { continue };
                let login = format!("{SUBSCRIBE}{AUTHORIZE}");
                if stream.write_all(login.as_bytes()).await.is_ok() {
                    // Its handshake is over before the next begins.
                    let mut answer = [0; 512];
                    timeout(PATIENCE, stream.read(&mut answer)).await.ok();
                }
                crowd.push(stream);
            }
            self.pause().await;
            drop(crowd);
            self.pause().await;
            self.pause().await;
        }
    }

    async fn throws(mut self, garbage: Vec<u8>) {
        while self.goes_on().await {
            self.say(&garbage).await;
        }
    }

    /// Many subscriptions on one connection, none of them answered to, and again.
    async fn subscribes(mut self) {
        while self.goes_on().await {
            let Some(mut stream) = self.connect().await else { continue };
            stream.write_all(SUBSCRIBE.repeat(100).as_bytes()).await.ok();
        }
    }

    /// Asks without end and reads nothing.
    async fn does_not_read(mut self) {
        let id = "x".repeat(200);
        let line = format!("{{\"id\":\"{id}\",\"method\":\"no.such\",\"params\":[]}}\n");
        let lines = line.repeat(20);
        while self.goes_on().await {
            let Some(mut stream) = self.connect().await else { continue };
            let login = format!("{SUBSCRIBE}{AUTHORIZE}");
            stream.write_all(login.as_bytes()).await.ok();
            let mut pace = interval(Duration::from_millis(10));
            // A write that waits ends with the storm as well.
            while self.is_storm() {
                pace.tick().await;
                match timeout(PATIENCE, stream.write_all(lines.as_bytes())).await {
                    Ok(Ok(())) | Err(_) => {}
                    Ok(Err(_)) => break,
                }
            }
        }
    }

    /// A handshake, byte by byte, that is never whole.
    async fn trickles(mut self) {
        while self.goes_on().await {
            let Some(mut stream) = self.connect().await else { continue };
            let mut pace = interval(Duration::from_millis(50));
            for byte in SUBSCRIBE.bytes().take(60) {
                pace.tick().await;
                if !self.is_storm() || stream.write_all(&[byte]).await.is_err() {
                    break;
                }
            }
        }
    }

    /// Shares for jobs that nobody gave, each of which is answered.
    async fn invents_shares(mut self) {
        let share = "{\"id\":4,\"method\":\"mining.submit\",\"params\":[\"acct.evil\",\"ffffffff\",\"00000000\",\
                     \"00000000\",\"00000000\"]}\n";
        let said = format!("{SUBSCRIBE}{AUTHORIZE}{}", share.repeat(700));
        while self.goes_on().await {
            self.say_and_read(&said).await;
        }
    }

    /// Shares before the login.
    async fn submits_unasked(mut self) {
        let share = "{\"id\":4,\"method\":\"mining.submit\",\"params\":[\"acct.evil\",\"1\",\"00000000\",\
                     \"00000000\",\"00000000\"]}\n";
        let said = format!("{SUBSCRIBE}{}", share.repeat(50));
        while self.goes_on().await {
            self.say_and_read(&said).await;
        }
    }

    /// Writes and reads at once: who only writes is a slow reader soon.
    async fn say_and_read(&self, said: &str) {
        let Some(stream) = self.connect().await else { return };
        let (mut from, mut to) = stream.into_split();
        let mut buffer = [0; 4096];
        let read = async { while from.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
        let written = async {
            to.write_all(said.as_bytes()).await.ok();
            read.await;
        };
        timeout(PATIENCE, written).await.ok();
    }

    async fn pause(&mut self) {
        let over = self.weather.wait_for(|weather| *weather == Weather::Over);
        timeout(CROWD_STAYS, over).await.ok();
    }

    fn is_storm(&self) -> bool {
        *self.weather.borrow() == Weather::Storm
    }
}

async fn until_closed(stream: &mut TcpStream) {
    let mut buffer = [0; 1024];
    let read = async { while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    timeout(PATIENCE, read).await.ok();
}
