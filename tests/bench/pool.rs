//! The pool: says what a pool must say, believes every share, and counts them. As little work as a pool can do, so that what is
//! measured is what stands before it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::lines::Lines;
use crate::share;

pub(crate) mod apart;

/// Of everything that is on its way to it at once.
const BACKLOG: u32 = 8192;

/// A pool that runs until it is dropped.
pub(crate) struct Pool {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    difficulty: f64,
    shares: AtomicU64,
    sessions: AtomicU32,
    jobs: AtomicU32,
    job: Mutex<Arc<str>>,
    /// Those that are logged in, by their number.
    connections: Mutex<BTreeMap<u32, Arc<OwnedWriteHalf>>>,
    accepted: AtomicU32,
}

// === impl Pool ===

impl Pool {
    /// Gives everybody work of this difficulty.
    pub(crate) fn start(difficulty: f64) -> io::Result<Self> {
        Self::start_at(difficulty, 1)
    }

    /// The same, with this as its first job: pools that begin with different ones are on different blocks.
    pub(crate) fn start_at(difficulty: f64, job: u32) -> io::Result<Self> {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            difficulty,
            shares: AtomicU64::new(0),
            sessions: AtomicU32::new(0),
            jobs: AtomicU32::new(job),
            job: Mutex::new(share::notify(job, true).into()),
            connections: Mutex::default(),
            accepted: AtomicU32::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { address, state, _tasks: tasks })
    }

    /// How many shares came.
    pub(crate) fn shares(&self) -> u64 {
        self.state.shares.load(Ordering::Relaxed)
    }

    /// Makes a new clean job, which whoever comes from now on is given.
    fn next_job(&self) -> Arc<str> {
        let number = self.state.jobs.fetch_add(1, Ordering::Relaxed) + 1;
        let line: Arc<str> = share::notify(number, true).into();
        *self.state.job.lock().expect("no panic") = Arc::clone(&line);
        line
    }

    /// Writes a job to every connection, and tells to how many it could not be written at once.
    fn send(&self, line: &str) -> usize {
        let mut connections = self.state.connections.lock().expect("no panic");
        let before = connections.len();
        connections
            .retain(|_, to| to.try_write(line.as_bytes()).is_ok_and(|bytes| bytes == line.len()));
        before - connections.len()
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut tasks = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        tasks.spawn(serve(stream, Arc::clone(&state)));
        while tasks.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    stream.set_nodelay(true).ok();
    let (mut from, to) = stream.into_split();
    let (number, to) = (state.accepted.fetch_add(1, Ordering::Relaxed), Arc::new(to));
    let mut lines = Lines::default();
    let mut out = Vec::new();
    while lines.fill(&mut from).await.is_ok_and(|bytes| bytes > 0) {
        while let Some(line) = lines.next() {
            let is_ready = state.answer(line, &mut out);
            if is_ready {
                state.connections.lock().expect("no panic").insert(number, Arc::clone(&to));
            }
        }
        if write(&to, &out).await.is_err() {
            break;
        }
        out.clear();
    }
    state.connections.lock().expect("no panic").remove(&number);
}

async fn write(to: &OwnedWriteHalf, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.try_write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

// === impl State ===

impl State {
    /// Answers a line; whether it was the login, after which jobs are due.
    fn answer(&self, line: &str, out: &mut Vec<u8>) -> bool {
        let id = id(line);
        let mut reply = |result: &str| {
            out.extend_from_slice(
                format!("{{\"id\":{id},\"result\":{result},\"error\":null}}\n").as_bytes(),
            );
        };
        if line.contains("mining.submit") {
            self.shares.fetch_add(1, Ordering::Relaxed);
            reply("true");
        } else if line.contains("mining.subscribe") {
            let session = self.sessions.fetch_add(1, Ordering::Relaxed);
            reply(&format!("[[[\"mining.notify\",\"{session:x}\"]],\"{session:08x}\",8]"));
        } else if line.contains("mining.configure") {
            reply("{\"version-rolling\":true,\"version-rolling.mask\":\"1fffe000\"}");
        } else if line.contains("mining.authorize") {
            reply("true");
            let difficulty = self.difficulty;
            let text = format!(
                "{{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[{difficulty}]}}\n"
            );
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(self.job.lock().expect("no panic").as_bytes());
            return true;
        } else {
            reply("true");
        }
        false
    }
}

/// The id of a line, as it stands there.
pub(crate) fn id(line: &str) -> &str {
    let rest = line.split_once("\"id\":").map_or("null", |(_, rest)| rest);
    rest.split([',', '}']).next().map_or("null", str::trim)
}
