//! Somebody between two ends of TCP: keeps every byte of both directions, and may change some.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Bytes that are kept.
const WIRE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of one read: more than a greeting of TLS has.
const CHUNK_BYTES: usize = 16 * 1024;

/// A listener whose connections lead on to another port of loopback.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens.
    pub port: u16,
    kept: Arc<Kept>,
    /// Ends with this.
    _tasks: JoinSet<()>,
}

/// What went by, and what is to be changed in it.
#[derive(Debug)]
struct Kept {
    wire: Mutex<Vec<u8>>,
    change: Option<(Vec<u8>, Vec<u8>)>,
    replaced: AtomicUsize,
}

// === impl Relay ===

impl Relay {
    /// Leads on to `port`.
    pub async fn to(port: u16) -> Self {
        Self::start(port, None).await
    }

    /// The same, with these bytes in the place of those wherever they go by in one piece, of the same length.
    pub async fn replacing(port: u16, those: Vec<u8>, by: Vec<u8>) -> Self {
        assert_eq!(those.len(), by.len());
        Self::start(port, Some((those, by))).await
    }

    async fn start(port: u16, change: Option<(Vec<u8>, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let kept = Kept { wire: Mutex::default(), change, replaced: AtomicUsize::new(0) };
        let kept = Arc::new(kept);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, port, Arc::clone(&kept)));
        Self { port: own, kept, _tasks: tasks }
    }

    /// All that went by, in the order in which it did.
    pub fn wire(&self) -> Vec<u8> {
        self.kept.wire.lock().expect("no panic").clone()
    }

    /// How often something was changed.
    pub fn replaced(&self) -> usize {
        self.kept.replaced.load(Ordering::Relaxed)
    }
}

async fn serve(listener: TcpListener, port: u16, kept: Arc<Kept>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let kept = Arc::clone(&kept);
        connections.spawn(async move {
            if let Ok(far) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await {
                let ((from_near, to_near), (from_far, to_far)) =
                    (near.into_split(), far.into_split());
                tokio::join!(carry(from_near, to_far, &kept), carry(from_far, to_near, &kept));
            }
        });
    }
}

/// Until one end has closed, which the other is told.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, kept: &Kept) {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        let bytes = &mut buffer[..read];
        kept.take(bytes);
        if read == 0 || to.write_all(bytes).await.is_err() {
            to.shutdown().await.ok();
            return;
        }
    }
}

// === impl Kept ===

impl Kept {
    fn take(&self, bytes: &mut [u8]) {
        if let Some((those, by)) = &self.change
            && let Some(at) = bytes.windows(those.len()).position(|window| window == those)
        {
            bytes[at..at + by.len()].copy_from_slice(by);
            self.replaced.fetch_add(1, Ordering::Relaxed);
        }
        let mut wire = self.wire.lock().expect("no panic");
        let room = WIRE_BYTES_MAX.saturating_sub(wire.len()).min(bytes.len());
        wire.extend_from_slice(&bytes[..room]);
    }
}
