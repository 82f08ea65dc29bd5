//! A miner's connection, in the clear or in TLS.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;

use crate::tls::Trust;

/// Connections from one address. It has 28,000 ports, and those of connections that have ended rest for a minute.
const OF_AN_ADDRESS: u32 = 4096;

/// All that were dialled by this process.
static DIALLED: AtomicU32 = AtomicU32::new(0);

/// Where miners dial.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) trust: Option<Trust>,
}

pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

// === impl Door ===

impl From<SocketAddr> for Door {
    fn from(address: SocketAddr) -> Self {
        Self { address, trust: None }
    }
}

// === impl Socket ===

impl Socket {
    /// From one of many addresses of the loopback.
    pub(crate) async fn dial(to: &Door) -> io::Result<Self> {
        let number = DIALLED.fetch_add(1, Ordering::Relaxed) / OF_AN_ADDRESS;
        let [_, _, high, low] = number.to_be_bytes();
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 1, high, low), 0)))?;
        let stream = socket.connect(to.address).await?;
        stream.set_nodelay(true)?;
        Ok(match &to.trust {
            None => Self::Plain(stream),
            Some(trust) => Self::Tls(Box::new(trust.greet(stream).await?)),
        })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}
