//! A miner's way to the proxy on which every share comes twice while there is an attack. The miner does not know of it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use loka_farm::miner::dial::Dial;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, duplex};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::strangers::Weather;

/// Where it comes from.
const HOST: u8 = 80;

/// The id of what the miner did not say.
const AGAIN: &str = "again";

const BUFFER_BYTES: usize = 64 * 1024;

/// A way for each of its miners.
#[derive(Clone)]
pub(super) struct Doubled {
    port: u16,
    weather: watch::Receiver<Weather>,
    ways: Arc<Mutex<JoinSet<()>>>,
}

// === impl Doubled ===

impl Doubled {
    pub(super) fn new(port: u16, weather: watch::Receiver<Weather>) -> Self {
        Self { port, weather, ways: Arc::default() }
    }
}

impl Dial for Doubled {
    type Stream = DuplexStream;

    async fn dial(&self) -> io::Result<DuplexStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, HOST], 0)))?;
        let stream = socket.connect(SocketAddr::from(([127, 0, 0, 1], self.port))).await?;
        let (miner, way) = duplex(BUFFER_BYTES);
        self.ways.lock().expect("no panic").spawn(carry(way, stream, self.weather.clone()));
        Ok(miner)
    }
}

/// Until either side has closed.
async fn carry(miner: DuplexStream, proxy: TcpStream, weather: watch::Receiver<Weather>) {
    let (from_miner, mut to_miner) = tokio::io::split(miner);
    let (from_proxy, mut to_proxy) = proxy.into_split();
    let mut said = BufReader::new(from_miner).lines();
    let mut answered = BufReader::new(from_proxy).lines();
    let out = async {
        while let Ok(Some(line)) = said.next_line().await {
            let twice = line.contains("mining.submit") && *weather.borrow() == Weather::Storm;
            let mut bytes = format!("{line}\n");
            if let Some(copy) = twice.then(|| again(&line)).flatten() {
                bytes.push_str(&copy);
            }
            if to_proxy.write_all(bytes.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    let back = async {
        while let Ok(Some(line)) = answered.next_line().await {
            let bytes = format!("{line}\n");
            if !line.contains(AGAIN) && to_miner.write_all(bytes.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = out => {}
        () = back => {}
    }
}

fn again(line: &str) -> Option<String> {
    let mut request: Value = serde_json::from_str(line).ok()?;
    request["id"] = AGAIN.into();
    Some(format!("{request}\n"))
}
