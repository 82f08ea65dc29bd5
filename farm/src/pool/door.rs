//! Where connections come in: a real socket or a name of the network in memory.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::network::{Net, NetListener, NetStream};

use super::Shared;
use super::core::Life;

/// How long to wait before an address is tried again that could not be opened.
const REOPEN_DELAY: Duration = Duration::from_millis(100);

/// An address that can be opened, closed and opened again: a dead pool's refuses connections.
pub(super) trait Door: Send + Sync + 'static {
    type Listener: Send;
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn open(&self) -> impl Future<Output = io::Result<Self::Listener>> + Send;
    fn accept(
        listener: &mut Self::Listener,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    fn reset(stream: Self::Stream);
}

pub(super) struct TcpDoor {
    pub(super) address: SocketAddr,
}

pub(super) struct NetDoor {
    pub(super) net: Net,
    pub(super) name: String,
}

/// Accepts as long as the pool lives, closes the door while it is dead, until the pool stops.
pub(super) async fn keep<D: Door>(shared: Arc<Shared>, door: D, first: D::Listener) {
    shared.stop.run_until_cancelled(accept_while_alive(&shared, door, first)).await;
}

async fn accept_while_alive<D: Door>(shared: &Arc<Shared>, door: D, first: D::Listener) {
    let mut life = shared.life.subscribe();
    let mut listener = Some(first);
    loop {
        let entering = async {
            match &mut listener {
                Some(listener) => D::accept(listener).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Ok(()) = life.changed() => listener = reopened(&door, listener, &mut life).await,
            entered = entering => match entered {
                Ok(stream) => shared.spawn_connection(stream, D::reset),
                // Such as too many open files: it passes.
                Err(_) => sleep(REOPEN_DELAY).await,
            },
        }
    }
}

/// The door's listener as the pool's life asks for it.
async fn reopened<D: Door>(
    door: &D,
    listener: Option<D::Listener>,
    life: &mut watch::Receiver<Life>,
) -> Option<D::Listener> {
    let mut listener = listener;
    loop {
        let wanted = *life.borrow_and_update();
        match wanted {
            Life::Dead => return None,
            Life::Alive if listener.is_some() => return listener,
            Life::Alive => listener = door.open().await.ok(),
        }
        if listener.is_none() {
            sleep(REOPEN_DELAY).await;
        }
    }
}

/// For streams whose kind of reset is not known: the drop closes them.
pub(super) fn plain_drop<S>(stream: S) {
    drop(stream);
}

// === impl TcpDoor ===

impl Door for TcpDoor {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn open(&self) -> io::Result<TcpListener> {
        TcpListener::bind(self.address).await
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn reset(stream: TcpStream) {
        // If it fails the peer sees an orderly close: the connection ends all the same.
        stream.set_zero_linger().ok();
        drop(stream);
    }
}

// === impl NetDoor ===

impl Door for NetDoor {
    type Listener = NetListener;
    type Stream = NetStream;

    async fn open(&self) -> io::Result<NetListener> {
        self.net.listen(&self.name)
    }

    async fn accept(listener: &mut NetListener) -> io::Result<NetStream> {
        listener.accept().await
    }

    fn reset(stream: NetStream) {
        stream.reset();
    }
}
