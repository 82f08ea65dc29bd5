//! The seam by which a miner reaches its server: real TCP, or a network in memory.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::network::{Net, NetStream};

/// Opens a connection to the one server that a miner is configured with.
pub trait Dial: Clone + Send + Sync + 'static {
    /// What is opened.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// One attempt.
    fn dial(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// Real sockets.
#[derive(Debug, Clone, Copy)]
pub struct TcpDial {
    /// Where the server listens.
    pub address: SocketAddr,
}

/// A name in a simulated network.
#[derive(Debug, Clone)]
pub struct NetDial {
    /// Where both ends live.
    pub net: Net,
    /// The miner's own name, by which faults can single it out.
    pub from: String,
    /// The server's.
    pub to: String,
}

// === impl TcpDial ===

impl Dial for TcpDial {
    type Stream = TcpStream;

    async fn dial(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

// === impl NetDial ===

impl Dial for NetDial {
    type Stream = NetStream;

    async fn dial(&self) -> io::Result<NetStream> {
        self.net.dial_from(&self.from, &self.to).await
    }
}
