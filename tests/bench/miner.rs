//! A miner: logs in, finds shares, and submits them one at a time.

use std::io;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::lines::Lines;
use crate::share::{Block, Work};
use crate::socket::{Door, Socket};

/// A handshake or an answer that takes longer is none.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One of the farm's.
pub(crate) struct Miner {
    socket: Socket,
    lines: Lines,
    user: String,
    work: Work,
    extranonce2: u64,
    stock: Stock,
}

/// The lines of shares, one after the other, and where each ends.
#[derive(Default)]
pub(crate) struct Stock {
    text: String,
    ends: Vec<usize>,
}

/// What a miner is told.
pub(crate) enum Told {
    Job,
    Accepted,
    Refused(String),
}

/// A miner whose shares are sent by somebody else.
pub(crate) struct Listening {
    from: OwnedReadHalf,
    lines: Lines,
    user: String,
    work: Work,
    extranonce2: u64,
}

// === impl Miner ===

impl Miner {
    /// Connects from an address of its own, and logs in.
    pub(crate) async fn connect(to: &Door, number: usize) -> Result<Self, String> {
        Self::connect_as(to, format!("acct.rig{number}")).await
    }

    /// The same by a name.
    pub(crate) async fn connect_as(to: &Door, user: String) -> Result<Self, String> {
        let late = format!("{user}: no job in time");
        timeout(PATIENCE, Self::log_in(to, user)).await.map_err(|_| late)?
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// The block that its job is on.
    pub(crate) fn block(&self) -> Block {
        self.work.block()
    }

    async fn log_in(to: &Door, user: String) -> Result<Self, String> {
        let told = |error: io::Error| format!("{user}: {error}");
        let mut socket = Socket::dial(to).await.map_err(told)?;
        let hello = format!(
            "{{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"bench/1\"]}}\n\
             {{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"{user}\",\"x\"]}}\n"
        );
        socket.send(hello.as_bytes()).await.map_err(told)?;
        let mut lines = Lines::default();
        let mut subscribed = Value::Null;
        loop {
            while let Some(line) = lines.next() {
                let mut value: Value =
                    serde_json::from_str(line).map_err(|error| error.to_string())?;
                if value["id"] == 1 {
                    subscribed = value["result"].take();
                } else if value["method"] == "mining.notify" {
                    let work = Work::of(&subscribed, &value["params"])?;
                    lines.rest();
                    let stock = Stock::default();
                    return Ok(Self { socket, lines, user, work, extranonce2: 0, stock });
                }
            }
            if lines.fill(&mut socket).await.map_err(told)? == 0 {
                return Err(format!("{user} was sent away"));
            }
        }
    }

    /// Finds so many shares, each under an extranonce2 of its own.
    pub(crate) fn stock_up(&mut self, shares: u32) {
        self.stock.text.clear();
        self.stock.ends.clear();
        for id in 0..shares {
            self.extranonce2 += 1;
            self.work.line(10 + id, &self.user, self.extranonce2, &mut self.stock.text);
            self.stock.ends.push(self.stock.text.len());
        }
    }

    /// Submits its stock, each share when the one before was answered; how long each took, in nanoseconds.
    pub(crate) async fn submit(mut self) -> Result<(Self, Vec<u32>), String> {
        let stock = std::mem::take(&mut self.stock);
        let mut times = Vec::with_capacity(stock.shares());
        for number in 0..stock.shares() {
            let sent = Instant::now();
            self.socket.send(stock.share(number)).await.map_err(|error| error.to_string())?;
            self.answered().await?;
            times.push(u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
        Ok((self, times))
    }

    /// Finds one share and sends it.
    pub(crate) async fn find(&mut self) -> Result<(), String> {
        self.stock_up(1);
        let Self { socket, stock, .. } = self;
        socket.send(stock.share(0)).await.map_err(|error| error.to_string())
    }

    pub(crate) async fn answered(&mut self) -> Result<(), String> {
        loop {
            match self.told().await? {
                Told::Job => {}
                Told::Accepted => return Ok(()),
                Told::Refused(line) => return Err(format!("a share was refused: {line}")),
            }
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

    /// The next thing that it is told; a job it has from then on. Cut short, it loses nothing.
    pub(crate) async fn told(&mut self) -> Result<Told, String> {
        loop {
            while let Some(line) = self.lines.next() {
                if line.contains("mining.notify") {
                    let value: Value =
                        serde_json::from_str(line).map_err(|error| error.to_string())?;
                    self.work = self.work.followed_by(&value["params"])?;
                    return Ok(Told::Job);
                } else if !line.contains("\"method\"") {
                    return Ok(Told::of(line));
                }
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), String> {
        match self.lines.fill(&mut self.socket).await {
            Ok(0) => Err(format!("{} was sent away", self.user)),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{}: {error}", self.user)),
        }
    }

    /// Gives its stock, and the way to send it, to somebody else. In the clear only.
    pub(crate) fn part(self) -> Result<(Listening, OwnedWriteHalf, Stock), String> {
        let Self { socket, lines, user, work, extranonce2, stock } = self;
        let Socket::Plain(stream) = socket else {
            return Err("a pace is kept in the clear only".to_owned());
        };
        let (from, to) = stream.into_split();
        Ok((Listening { from, lines, user, work, extranonce2 }, to, stock))
    }
}

// === impl Stock ===

impl Stock {
    pub(crate) fn shares(&self) -> usize {
        self.ends.len()
    }

    /// The line of one of them.
    pub(crate) fn share(&self, number: usize) -> &[u8] {
        let from = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text.as_bytes()[from..self.ends[number]]
    }
}

// === impl Told ===

impl Told {
    fn of(line: &str) -> Self {
        if line.contains("\"result\":true") {
            Self::Accepted
        } else {
            Self::Refused(line.to_owned())
        }
    }
}

// === impl Listening ===

impl Listening {
    /// Waits for one answer.
    pub(crate) async fn answered(&mut self) -> Result<(), String> {
        loop {
            while let Some(line) = self.lines.next() {
                if line.contains("\"method\"") {
                    continue;
                }
                return match Told::of(line) {
                    Told::Refused(line) => Err(format!("a share was refused: {line}")),
                    Told::Accepted | Told::Job => Ok(()),
                };
            }
            match self.lines.fill(&mut self.from).await {
                Ok(0) => return Err(format!("{} was sent away", self.user)),
                Ok(_) => {}
                Err(error) => return Err(format!("{}: {error}", self.user)),
            }
        }
    }

    /// The miner, whole again.
    pub(crate) fn whole(self, to: OwnedWriteHalf) -> Result<Miner, String> {
        let Self { from, lines, user, work, extranonce2 } = self;
        let stream = from.reunite(to).map_err(|error| error.to_string())?;
        let stock = Stock::default();
        Ok(Miner { socket: Socket::Plain(stream), lines, user, work, extranonce2, stock })
    }
}
