//! A miner: logs in, has shares in stock, and submits them one at a time.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep_until, timeout};

use crate::lines::Lines;
use crate::pool::write;
use crate::share::Work;

/// A handshake or an answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(30);

/// One of the farm's.
pub(crate) struct Miner {
    stream: TcpStream,
    lines: Lines,
    user: String,
    work: Work,
    extranonce2: u64,
    /// The lines of its shares, one after the other, and where each ends.
    stock: String,
    ends: Vec<usize>,
}

/// When a miner submits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As soon as the share before is answered.
    Closed,
    /// The first after `first`, then every so often, or as soon after it as the one before is answered.
    Every { first: Duration, period: Duration },
}

// === impl Miner ===

impl Miner {
    /// Connects from an address of its own, and logs in.
    pub(crate) async fn connect(to: SocketAddr, number: usize) -> Result<Self, String> {
        timeout(PATIENCE, Self::log_in(to, number))
            .await
            .map_err(|_| "no job in time".to_owned())?
    }

    async fn log_in(to: SocketAddr, number: usize) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("miner {number}: {error}");
        let stream = dial(to, number).await.map_err(told)?;
        stream.set_nodelay(true).map_err(told)?;
        let user = format!("acct.rig{number}");
        let hello = format!(
            "{{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"bench/1\"]}}\n\
             {{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"{user}\",\"x\"]}}\n"
        );
        write(&stream, hello.as_bytes()).await.map_err(told)?;
        let mut lines = Lines::default();
        let mut subscribed = Value::Null;
        loop {
            while let Some(line) = lines.next() {
                let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
                if value["id"] == 1 {
                    subscribed = value["result"].clone();
                } else if value["method"] == "mining.notify" {
                    let work = Work::of(&subscribed, &value["params"])?;
                    let (stock, ends) = (String::new(), Vec::new());
                    return Ok(Self { stream, lines, user, work, extranonce2: 0, stock, ends });
                }
            }
            if lines.fill(&stream).await.map_err(told)? == 0 {
                return Err(format!("miner {number} was sent away"));
            }
        }
    }

    /// Finds so many shares, each under an extranonce2 of its own.
    pub(crate) fn stock_up(&mut self, shares: u32) {
        self.stock.clear();
        self.ends.clear();
        for id in 0..shares {
            self.extranonce2 += 1;
            self.work.line(10 + id, &self.user, self.extranonce2, &mut self.stock);
            self.ends.push(self.stock.len());
        }
    }

    /// Submits its stock, each share when the one before was answered; how long each took, in nanoseconds.
    pub(crate) async fn submit(
        mut self,
        start: Instant,
        pace: Pace,
    ) -> Result<(Self, Vec<u32>), String> {
        let mut times = Vec::with_capacity(self.ends.len());
        let (mut from, ends) = (0, std::mem::take(&mut self.ends));
        let mut due = start;
        for (number, end) in ends.into_iter().enumerate() {
            if let Pace::Every { first, period } = pace {
                due = if number == 0 { start + first } else { due + period };
                if due > Instant::now() {
                    sleep_until(due.into()).await;
                }
            }
            let sent = Instant::now();
            let line = self.stock.get(from..end).unwrap_or_default();
            write(&self.stream, line.as_bytes()).await.map_err(|error| error.to_string())?;
            from = end;
            timeout(PATIENCE, self.answered()).await.map_err(|_| "a share without an answer")??;
            times.push(u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
        Ok((self, times))
    }

    async fn answered(&mut self) -> Result<(), String> {
        loop {
            while let Some(line) = self.lines.next() {
                if line.contains("\"method\"") {
                    continue;
                }
                return if line.contains("\"result\":true") {
                    Ok(())
                } else {
                    Err(format!("a share was refused: {line}"))
                };
            }
            self.fill().await?;
        }
    }

    /// Waits for the next job; when it came.
    pub(crate) async fn next_job(&mut self) -> Result<Instant, String> {
        loop {
            while let Some(line) = self.lines.next() {
                if line.contains("mining.notify") {
                    return Ok(Instant::now());
                }
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), String> {
        match self.lines.fill(&self.stream).await {
            Ok(0) => Err(format!("{} was sent away", self.user)),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{}: {error}", self.user)),
        }
    }
}

/// From one of many addresses of the loopback: one has no more than 28,000 ports.
async fn dial(to: SocketAddr, number: usize) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let host = u8::try_from(number / 4096 % 200).unwrap_or_default() + 2;
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 1, host), 0)))?;
    socket.connect(to).await
}
